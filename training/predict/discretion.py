"""Keeps libraries from saying in logs and warnings what a study's headers hold."""

import contextlib
import logging
import warnings
from collections.abc import Iterator


@contextlib.contextmanager
def silent_libraries(*names: str) -> Iterator[None]:
    """Drops the log messages of the packages `names`, and all warnings; errors still come as exceptions."""
    loggers = [logging.getLogger(name) for name in names]
    levels = [library.level for library in loggers]
    for library in loggers:
        library.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for library, level in zip(loggers, levels, strict=True):
            library.setLevel(level)
