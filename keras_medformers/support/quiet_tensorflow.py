"""TensorFlow without the lines it prints when imported, which no setting of its own silences."""

import contextlib
import importlib
import logging
import os
import sys
from collections.abc import Iterator
from types import ModuleType


def import_tensorflow() -> ModuleType:
    """Imports TensorFlow with the process's standard error closed meanwhile; exceptions are still raised."""
    if "tensorflow" not in sys.modules:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        with _standard_error_to_null():
            tensorflow = importlib.import_module("tensorflow")
            tensorflow.config.list_physical_devices()  # says at length that there is no GPU
        logging.getLogger("tensorflow").setLevel(logging.ERROR)
        logging.getLogger("absl").setLevel(
            logging.WARNING
        )  # tells of every SavedModel without a fingerprint
    return sys.modules["tensorflow"]


@contextlib.contextmanager
def _standard_error_to_null() -> Iterator[None]:
    sys.stderr.flush()
    kept = os.dup(2)
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(null)
        os.close(kept)
