"""Files and folders that are there whole or not at all.

Whatever is written here is written beside its place, under a name that begins with `PARTIAL`,
and gets its own name by one renaming at the end. So a reader never meets half of it, and
an interrupted program leaves what was there before. What a killed process left is
overwritten when the same file or folder is written again.
"""

import contextlib
import csv
import io
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

PARTIAL = ".partial-"
"""Beginning of the names of what is being written; whoever lists a folder passes it over."""


@contextlib.contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """Gives the place to write a file to, which becomes `path` when the block ends well.

    The temporary name keeps the suffix, by which some writers choose a format. A file that
    stood there is replaced; if the block raises, it stays and nothing else does.

    Args:
        path: The file's place; its folder exists.

    Yields:
        A path in the same folder, to be written.
    """
    path = Path(path)
    temporary = path.with_name(f"{PARTIAL}{path.name}")
    try:
        yield temporary
        os.replace(temporary, path)
    except BaseException:  # Ctrl-C, too
        temporary.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def whole_folder(path: str | Path) -> Iterator[Path]:
    """Gives an empty folder to fill, which becomes `path` when the block ends well.

    Args:
        path: The folder's place, where there is none yet, or an empty one.

    Yields:
        A folder beside it.

    Raises:
        OSError: If something stands at `path` by then; it is left as it is.
    """
    path = Path(path)
    temporary = path.with_name(f"{PARTIAL}{path.name}")
    shutil.rmtree(temporary, ignore_errors=True)  # a killed process's
    temporary.mkdir()
    try:
        yield temporary
        os.replace(temporary, path)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def write_text(path: str | Path, text: str) -> None:
    """Writes a text file as UTF-8, with line feeds as they are."""
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="")


def write_bytes(path: str | Path, content: bytes) -> None:
    """Writes a file of bytes."""
    with whole_file(path) as temporary:
        temporary.write_bytes(content)


def write_json(path: str | Path, content: Any, **options: Any) -> None:
    """Writes a JSON file that ends in a line feed.

    Args:
        path: The file's place.
        content: What `json.dumps` takes.
        **options: Further arguments of `json.dumps`; lines are indented by 2 unless they say
            otherwise.
    """
    write_text(path, json.dumps(content, **{"indent": 2} | options) + "\n")


def write_csv(
    path: str | Path, header: Sequence[str], table: Iterable[Sequence]
) -> None:
    """Writes a table with plain line feeds.

    Args:
        path: The file's place.
        header: Names of the columns.
        table: The rows.
    """
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(header)
    rows.writerows(table)
    write_text(path, text.getvalue())
