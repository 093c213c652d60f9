"""The folder of a phantom set: who may write into it, and when it is whole."""

import json
import logging
import shutil
from pathlib import Path
from typing import Protocol

from keras_medformers.support.errors import UserError
from keras_medformers.support.whole_files import write_json

DONE_FILE = "phantom.json"
"""Written last: settings and summary of a whole set."""

UNFINISHED_FILE = "phantom_unfinished.json"
"""Settings of a set that is being made."""

PROGRESS_DIR = ".progress"
"""Reports of what is made already, for the run that goes on with it; a whole set has none."""

logger = logging.getLogger(__name__)


class Settings(Protocol):
    """What the settings of every phantom set have."""

    seed: int

    def as_dict(self) -> dict:
        """The settings as JSON holds them."""


class PhantomFolder:
    """A folder that holds a phantom set of given settings, or will.

    Args:
        path: The folder.
        tool_version: Version of what makes the set.
        config: The set's settings; with the same version, equal ones make equal bytes.
        contents: Files and folders below `path` that make up a set.
    """

    def __init__(
        self,
        path: str | Path,
        tool_version: int,
        config: Settings,
        contents: tuple[str, ...],
    ):
        self.path = Path(path)
        self.identity = {"tool_version": tool_version, "config": config.as_dict()}
        self.contents = contents

    def claim(self, overwrite: bool) -> dict | None:
        """Makes the folder ours, or refuses.

        Args:
            overwrite: Throw away a set made with other settings.

        Returns:
            The summary of a whole set with these settings; None where there is something to make.

        Raises:
            UserError: If the folder holds something else, or a set made with other settings.
        """
        path = self.path
        if path.exists() and not path.is_dir():
            raise UserError(f"--output must be a folder. Received a file: {path}")

        held = self._held_identity()
        if held is None and path.exists() and any(path.iterdir()):
            raise UserError(
                f"--output must be a new or empty folder, or hold a phantom set. {path} holds other files; "
                "name another folder"
            )

        if held is not None and held != self.identity:
            if not overwrite:
                raise UserError(
                    f"{path} holds a phantom set made with other settings ({self._difference(held)}); "
                    "give --overwrite to replace it, or name another folder"
                )
            self._remove_set()

        if (path / DONE_FILE).exists():
            logger.info("%s is there already, made with the same settings", path)
            return json.loads((path / DONE_FILE).read_text())

        path.mkdir(parents=True, exist_ok=True)
        write_json(path / UNFINISHED_FILE, self.identity, indent=None)
        return None

    def finish(self, counts: dict) -> dict:
        """Marks the set as whole and returns its summary: the settings and `counts`."""
        summary = self.identity | counts
        write_json(self.path / DONE_FILE, summary)
        (self.path / UNFINISHED_FILE).unlink()
        shutil.rmtree(self.path / PROGRESS_DIR, ignore_errors=True)
        return summary

    def _held_identity(self) -> dict | None:
        for path in (self.path / DONE_FILE, self.path / UNFINISHED_FILE):
            if path.exists():
                try:
                    content = json.loads(path.read_text())
                    return {key: content[key] for key in ("tool_version", "config")}
                except (ValueError, KeyError, TypeError):
                    raise UserError(
                        f"{path} is damaged; remove {self.path} and make the set again"
                    ) from None
        return None

    def _difference(self, held: dict) -> str:
        if held["tool_version"] != self.identity["tool_version"]:
            return f"tool version {held['tool_version']}, now {self.identity['tool_version']}"
        old, new = held["config"], self.identity["config"]
        names = sorted(name for name in new if old.get(name) != new[name])
        return ", ".join(f"{name}={old.get(name)}, now {new[name]}" for name in names)

    def _remove_set(self) -> None:
        # The folder stays marked as a phantom set, an unfinished one, until nothing of the old set is left.
        if (self.path / DONE_FILE).exists():
            (self.path / DONE_FILE).replace(self.path / UNFINISHED_FILE)
        for name in (*self.contents, PROGRESS_DIR):
            if (self.path / name).is_dir():
                shutil.rmtree(self.path / name, ignore_errors=True)
            else:
                (self.path / name).unlink(missing_ok=True)
