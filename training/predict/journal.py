"""What a prediction has done so far, so that the same command goes on after an interruption."""

import base64
import json
import logging
import shutil
import zlib
from pathlib import Path

import numpy as np

from keras_medformers.support.whole_files import write_text
from training.predict.files import JOURNAL
from training.predict.findings import SliceResult

logger = logging.getLogger(__name__)

FILE = "journal.jsonl"


class Journal:
    """One line per file that has an answer, kept in the output folder until all have one.

    A line counts for a file that is as large and as old as it was, and asked with the same `identity`. Lines
    hold no identifiers but the file's name as the user gave it.

    Args:
        output: The output folder, which is there.
        identity: What else decides on an answer, such as the model's version: a dict for JSON.
    """

    def __init__(self, output: Path, identity: dict):
        self._path = output / JOURNAL / FILE
        self._answers = {}
        self._path.parent.mkdir(exist_ok=True)
        lines = (
            self._path.read_text(encoding="utf-8").splitlines()
            if self._path.is_file()
            else []
        )
        entries = [entry for entry in map(_parsed, lines) if entry is not None]
        if entries[:1] == [identity]:
            self._answers = {entry["file"]: entry for entry in entries[1:]}
            logger.info(
                "Going on after %d files that have an answer already",
                len(self._answers),
            )
            # Without a line that an interruption tore.
            entries = [identity, *self._answers.values()]
        else:
            entries = [identity]

        write_text(self._path, "".join(json.dumps(entry) + "\n" for entry in entries))

    def answer(self, path: Path) -> SliceResult | None:
        """The answer for a file, if there is one."""
        entry = self._answers.get(str(path))
        if entry is None or entry["state"] != _state(path):
            return None
        maps = entry["heat_maps"]
        return SliceResult(
            path,
            entry["probabilities"],
            entry["columns"],
            maps and {name: _from_text(*one) for name, one in maps.items()},
        )

    def add(self, results: list[SliceResult]) -> None:
        """Notes answers down; they are on the disk when this comes back."""
        with self._path.open("a", encoding="utf-8") as file:
            for result in results:
                maps = result.heat_maps and {
                    name: _to_text(one) for name, one in result.heat_maps.items()
                }
                entry = {
                    "file": str(result.path),
                    "state": _state(result.path),
                    "probabilities": result.probabilities,
                    "columns": result.columns,
                    "heat_maps": maps,
                }
                file.write(json.dumps(entry) + "\n")

    def close(self) -> None:
        """Removes the journal: everything has an answer."""
        shutil.rmtree(self._path.parent)


def _parsed(line: str) -> dict | None:
    try:
        return json.loads(line)
    except json.JSONDecodeError:
        return None


def _state(path: Path) -> list[int]:
    state = path.stat()
    return [state.st_size, state.st_mtime_ns]


def _to_text(heat: np.ndarray) -> list:
    data = zlib.compress(np.ascontiguousarray(heat, "<f4").tobytes())
    return [list(heat.shape), base64.b64encode(data).decode()]


def _from_text(shape: list[int], text: str) -> np.ndarray:
    return np.frombuffer(zlib.decompress(base64.b64decode(text)), "<f4").reshape(shape)
