"""What readers of data sets share: the data folder, lists as CSV, folders of pictures."""

import logging
import os
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from keras_medformers.support.errors import UserError
from keras_medformers.support.whole_files import PARTIAL

logger = logging.getLogger(__name__)

PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png")


def folder_from(where_from: str) -> Callable[[Path], None]:
    """The `prepare` of a data set that only its owners give out: it has to be there.

    Args:
        where_from: What to say of where it comes from.

    Returns:
        A function of the data folder that raises `UserError` where there is none.
    """

    def prepare(data_dir: Path) -> None:
        if not data_dir.is_dir():
            raise UserError(f"data folder {data_dir} does not exist; {where_from}")

    return prepare


def read_csv(path: Path, columns: list[str], where_from: str = "") -> pd.DataFrame:
    """Reads the named columns of a list, the first of which holds names.

    Args:
        path: The list.
        columns: The columns that it must have.
        where_from: What errors say of where it comes from.

    Raises:
        UserError: If the file is missing, is no CSV, lacks a column or has no row.
    """
    try:
        table = pd.read_csv(path, skipinitialspace=True)
    except FileNotFoundError as error:
        raise UserError(
            f"{path} does not exist; {where_from}".removesuffix("; ")
        ) from error
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read as CSV: {error}") from error

    missing = [column for column in columns if column not in table.columns]
    if missing:
        raise UserError(
            f"{path} lacks the column {' and '.join(missing)}; expected {','.join(columns)}, "
            f"received {','.join(map(str, table.columns[:8]))}"
        )
    if table.empty:
        raise UserError(f"{path} has no row")

    names = table[columns[0]].astype(str).str.strip()
    return table[columns].assign(**{columns[0]: names})


def without_repeats(table: pd.DataFrame, source: str) -> tuple[pd.DataFrame, list[str]]:
    """Drops repeated rows of a list.

    Args:
        table: A list whose first column holds names.
        source: What to call it in the log.

    Returns:
        The rows of names that have one row, or several that agree; and the names whose rows contradict.
    """
    name = table.columns[0]
    distinct = table.drop_duplicates()
    if len(distinct) < len(table):
        logger.info("%s: %d repeated rows dropped", source, len(table) - len(distinct))
    contradicting = distinct.duplicated(name, keep=False)
    return distinct[~contradicting], list(distinct.loc[contradicting, name].unique())


def picture_sizes(
    folder: Path, suffixes: tuple[str, ...] = PICTURE_SUFFIXES
) -> dict[str, int]:
    """Sizes in bytes of a folder's pictures, by file name; other files and folders are passed over.

    Args:
        folder: The folder.
        suffixes: Ends of their names, in small letters.

    Raises:
        UserError: If the folder cannot be read, or a name in it is not UTF-8.
    """
    sizes = {}
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                is_picture = entry.name.lower().endswith(suffixes)
                if (
                    is_picture
                    and not entry.is_dir()
                    and not entry.name.startswith(PARTIAL)
                ):
                    _refuse_unless_utf8(entry.name, folder)
                    sizes[entry.name] = entry.stat().st_size if entry.is_file() else 0
    except OSError as error:
        raise UserError(f"folder {folder} cannot be read: {error.strerror}") from error
    return sizes


def folders_in(folder: Path) -> list[str]:
    """Names of the folders in a folder, in order, but for those that begin with a dot or an underscore.

    There are none where there is no such folder.

    Raises:
        UserError: If a name is not UTF-8.
    """
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        names = sorted(
            entry.name
            for entry in entries
            if entry.is_dir() and entry.name[0] not in "._"
        )
    for name in names:
        _refuse_unless_utf8(name, folder)
    return names


def pictures_below(
    folder: Path, suffixes: tuple[str, ...] = PICTURE_SUFFIXES
) -> dict[str, int]:
    """Sizes in bytes of the pictures in a folder and in those below it, by path with forward slashes.

    Args:
        folder: The folder.
        suffixes: Ends of their names, in small letters.

    Raises:
        UserError: See `picture_sizes` and `folders_in`.
    """
    sizes = picture_sizes(folder, suffixes)
    for name in folders_in(folder):
        sizes |= {
            f"{name}/{file}": size
            for file, size in pictures_below(folder / name, suffixes).items()
        }
    return sizes


def _refuse_unless_utf8(name: str, folder: Path) -> None:
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise UserError(
            f"folder {folder} holds something whose name is not UTF-8, {name!a}; rename it, in the lists, too"
        ) from error
