"""Text files that are there whole or not at all."""

import csv
import io
import os
from collections.abc import Iterable, Sequence
from pathlib import Path


def write_atomically(path: Path, text: str) -> None:
    """Writes a text file beside its place and renames it."""
    temporary = path.with_name(f"{path.name}.tmp")
    temporary.write_text(text)
    os.replace(temporary, path)


def write_csv(path: Path, header: Sequence[str], table: Iterable[Sequence]) -> None:
    """Writes a table with plain line feeds, likewise."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(header)
    rows.writerows(table)
    write_atomically(path, text.getvalue())
