"""What the DICOM objects of a prediction share: who made them, their warning, and how they are written."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pydicom

from keras_medformers.support.errors import UserError
from keras_medformers.support.whole_files import whole_file
from keras_medformers.version import __version__
from training.predict.discretion import silent_libraries

MANUFACTURER = "keras_medformers"
NOT_FOR_CLINICAL_USE = "NOT FOR CLINICAL USE"

_LONGEST_TEXT = 64
"""Characters in a value of type LO (PS3.5 6.2)."""


def import_highdicom() -> ModuleType:
    """The package highdicom.

    Raises:
        UserError: If it is not installed.
    """
    try:  # inside, since it is an extra
        import highdicom
        import highdicom.sc
        import highdicom.sr
    except ImportError as error:
        raise UserError(
            'DICOM reports need the package highdicom: pip install "keras_medformers[reports]"'
        ) from error
    return highdicom


@contextlib.contextmanager
def allowed_by_dicom(what: str | Path) -> Iterator[None]:
    """Turns objections to what a study's headers hold into a `UserError`, and keeps the libraries quiet.

    Args:
        what: What is made of the headers, for the message.

    Raises:
        UserError: If a header holds what DICOM does not allow.
    """
    with silent_libraries("highdicom", "pydicom"):
        try:
            yield
        except ValueError as error:
            # Without its message, which may quote the patient's name.
            raise UserError(
                f"cannot write {what}: the headers of the slices hold something that DICOM does not allow"
            ) from error


def equipment(model_name: str, model_version: str) -> dict[str, str]:
    """Arguments of highdicom's objects that say what made them, and of the series that it is no diagnosis."""
    return {
        "manufacturer": MANUFACTURER,
        "manufacturer_model_name": model_name[:_LONGEST_TEXT],
        "software_versions": f"{MANUFACTURER} {__version__}, model version {model_version}"[
            :_LONGEST_TEXT
        ],
        "series_description": f"{NOT_FOR_CLINICAL_USE}: {model_name}"[:_LONGEST_TEXT],
    }


def save(dataset: pydicom.Dataset, path: Path) -> None:
    """Writes a DICOM file beside its place, for its owner alone, and renames it."""
    with whole_file(path) as temporary:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        with os.fdopen(os.open(temporary, flags, 0o600), "wb") as file:
            pydicom.dcmwrite(file, dataset, enforce_file_format=True)
