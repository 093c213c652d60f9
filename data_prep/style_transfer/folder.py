"""The folder of redrawn pictures: whose it is, and which pictures are done."""

import csv
import io
import json
from pathlib import Path
from typing import NamedTuple

from keras_medformers.support.errors import UserError
from keras_medformers.support.whole_files import write_csv, write_json

SETTINGS_FILE = "style_transfer.json"
LOSSES_FILE = "losses.csv"


class Losses(NamedTuple):
    """The losses of a picture; totals are eq. (7) of Gatys et al. 2016.

    Attributes:
        loss_before: Total of the photograph itself.
        loss: Total of the redrawn picture.
        style_before: Style loss of the photograph itself.
        style: Style loss of the redrawn picture.
        content: Content loss of the redrawn picture.
    """

    loss_before: float
    loss: float
    style_before: float
    style: float
    content: float


HEADER = ("file", *Losses._fields)


class OutputFolder:
    """A folder that holds redrawn pictures of given settings, or will.

    Args:
        path: The folder.
        settings: What decides on its pictures, as JSON has it.
    """

    def __init__(self, path: Path, settings: dict):
        self.path = path
        self.settings = settings

    def claim(self) -> set[str]:
        """Makes the folder ours, or refuses.

        Returns:
            The pictures that are done.

        Raises:
            UserError: If the folder holds something else, or pictures of other settings.
        """
        path = self.path
        if path.exists() and not path.is_dir():
            raise UserError(f"--output must be a folder. Received a file: {path}")

        held = self._held_settings()
        if held is None and path.exists() and any(path.iterdir()):
            raise UserError(
                f"--output {path} holds other files; name a new or empty folder"
            )

        rows = self._rows()
        if rows and held != self.settings:
            differing = sorted(
                name for name in self.settings if held.get(name) != self.settings[name]
            )
            changes = ", ".join(
                f"{name}={held.get(name)}, now {self.settings[name]}"
                for name in differing
            )
            raise UserError(
                f"--output {path} holds pictures made with other settings ({changes}); "
                "name another folder, or remove this one"
            )

        path.mkdir(parents=True, exist_ok=True)
        if held != self.settings:
            self.describe({})
        write_csv(path / LOSSES_FILE, HEADER, rows)
        return {row[0] for row in rows}

    def add(self, file: str, losses: Losses) -> None:
        """Notes that a picture is done."""
        line = io.StringIO()
        csv.writer(line, lineterminator="\n").writerow(
            [file, *(f"{loss:.6g}" for loss in losses)]
        )
        with (self.path / LOSSES_FILE).open("a") as table:
            table.write(line.getvalue())

    def describe(self, summary: dict) -> None:
        """Writes the settings and what there is to say of the pictures."""
        content = {"settings": self.settings} | summary
        write_json(self.path / SETTINGS_FILE, content)

    def _held_settings(self) -> dict | None:
        path = self.path / SETTINGS_FILE
        if not path.exists():
            return None
        try:
            return json.loads(path.read_text())["settings"]
        except (ValueError, KeyError, TypeError):
            raise UserError(
                f"{path} is damaged; remove {self.path} and begin anew"
            ) from None

    def _rows(self) -> list[list[str]]:
        """The rows of pictures that are there; a row that was being written when the power went is not."""
        path = self.path / LOSSES_FILE
        if not path.exists():
            return []
        whole = path.read_text().rpartition("\n")[0]
        rows = list(csv.reader(io.StringIO(whole)))[1:]
        return [
            row
            for row in rows
            if len(row) == len(HEADER) and (self.path / row[0]).is_file()
        ]
