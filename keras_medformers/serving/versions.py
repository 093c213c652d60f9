"""Folders of versions as TensorFlow Serving polls them: each appears whole, under the next number."""

import contextlib
import errno
import logging
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from keras_medformers.support.whole_files import PARTIAL

logger = logging.getLogger(__name__)

ABANDONED_AFTER_S = 24 * 3600
"""Age from which a folder that is being written is taken for what a killed export left."""


@contextlib.contextmanager
def new_version(directory: Path) -> Iterator["NewVersion"]:
    """Yields a folder to write, which disappears again unless it is published."""
    directory.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(directory)
    # Not `whole_folder`: the number is known only when the folder is whole, and several
    # exports may write at a time. A server takes folders with a number for a name alone.
    partial = Path(tempfile.mkdtemp(prefix=PARTIAL, dir=directory))
    try:
        yield NewVersion(partial / "model", directory)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


class NewVersion:
    """A version that is being written.

    Args:
        path: Folder to write, which is not there yet.
        directory: Where the versions are.
    """

    def __init__(self, path: Path, directory: Path):
        self.path = path
        self.directory = directory

    def publish(self) -> Path:
        """Renames the folder to the next number, a later one if another export is faster.

        Returns:
            The version's folder.
        """
        while True:
            numbers = (
                int(path.name)
                for path in self.directory.iterdir()
                if path.name.isdecimal()
            )
            version = self.directory / str(1 + max(numbers, default=0))
            try:
                return self.path.rename(version)
            except OSError as error:
                if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                    raise


def _remove_abandoned(directory: Path) -> None:
    for path in directory.glob(f"{PARTIAL}*"):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime > ABANDONED_AFTER_S:
                logger.info("Removing what an interrupted export left in %s", path)
                shutil.rmtree(path, ignore_errors=True)
