"""The files that a command line names, and those that the program makes."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from keras_medformers.support.errors import UserError

PREDICTIONS_CSV, PREDICTIONS_JSON = "predictions.csv", "predictions.json"
STUDIES_CSV, REJECTS_CSV = "studies.csv", "rejects.csv"
OVERLAYS, REPORTS, FETCHED = "overlays", "reports", "fetched"
JOURNAL = ".predict"
RESULTS = (
    PREDICTIONS_CSV,
    PREDICTIONS_JSON,
    STUDIES_CSV,
    REJECTS_CSV,
    OVERLAYS,
    REPORTS,
    FETCHED,
    JOURNAL,
)
"""Names in the output folder."""


def find_files(paths: Iterable[str | Path]) -> list[Path]:
    """The files named, and all files below the folders named, each once, in order.

    Raises:
        UserError: If a path is not there or there is no file.
    """
    files = []
    for path in map(Path, paths):
        if not path.exists():
            raise UserError(f"there is no file or folder {path}")
        files += (
            sorted(p for p in path.rglob("*") if p.is_file())
            if path.is_dir()
            else [path]
        )
    if not files:
        raise UserError(f"there are no files in {', '.join(map(str, paths))}")
    return list(dict.fromkeys(files))


def without_results(files: Sequence[Path], output: Path) -> list[Path]:
    """The files but for results of an earlier call, which may lie among them.

    Raises:
        UserError: If there are no others.
    """
    results = {(output / name).resolve() for name in RESULTS}
    others = [
        path
        for path in files
        if not results & {path.resolve(), *path.resolve().parents}
    ]
    if not others:
        raise UserError(f"the files named are all results, in {output}")
    return others
