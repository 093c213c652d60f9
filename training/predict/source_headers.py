"""The headers of the slices that a report is about."""

import logging
from collections.abc import Sequence
from pathlib import Path

import pydicom
from pydicom import config as pydicom_config
from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.errors import InvalidDicomError
from pydicom.uid import UID
from pydicom.valuerep import DA, TM

from keras_medformers.support.errors import UserError
from training.predict.discretion import silent_libraries

logger = logging.getLogger(__name__)

_IDENTIFIERS = (
    "SOPClassUID",
    "SOPInstanceUID",
    "StudyInstanceUID",
    "SeriesInstanceUID",
)
_PRESENT_BUT_MAYBE_EMPTY = (
    "PatientID", "PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID", "StudyDate",
    "StudyTime", "ReferringPhysicianName",
)  # fmt: skip
_CHECKS = {
    "PatientBirthDate": DA,
    "StudyDate": DA,
    "StudyTime": TM,
    "PatientSex": lambda value: ("M", "F", "O").index(value),
}


def read_headers(paths: Sequence[Path]) -> list[pydicom.Dataset]:
    """Reads the headers of a study's slices and checks that a report can refer to them.

    What a report takes over from the patient and the study is there in each of them, empty where the file
    does not have it, or has something that DICOM does not allow there, which is logged without the value.

    Args:
        paths: Files of one study.

    Returns:
        The headers, without pixels, in the same order.

    Raises:
        UserError: If a file is not DICOM, its identifiers are no DICOM identifiers, as in RSNA's files, or
            the files are of several studies or patients.
    """
    with silent_libraries("pydicom"):
        headers = [_read(path) for path in paths]
        for keyword in ("StudyInstanceUID", "PatientID"):
            if len({header[keyword].value for header in headers}) > 1:
                several = (
                    f"{len(paths)} files: they have more than one {_named(keyword)}"
                )
                raise UserError(f"cannot write one report on {several}")
        faults = {keyword for header in headers for keyword in _drop_faulty(header)}
    for keyword in sorted(faults):
        logger.warning(
            "%s is not what DICOM allows there; the report leaves it empty",
            _named(keyword),
        )
    return headers


def _read(path: Path) -> pydicom.Dataset:
    try:
        header = pydicom.dcmread(path, stop_before_pixels=True)
    except (OSError, InvalidDicomError) as error:
        raise UserError(
            f"cannot report on {path}: it is not there, or not a DICOM file"
        ) from error

    for keyword in _IDENTIFIERS:
        value = UID(
            str(header.get(keyword) or ""), validation_mode=pydicom_config.IGNORE
        )
        if not value.is_valid:
            found = "is not a valid identifier" if value else "is missing"
            raise UserError(
                f"cannot report on {path}: {_named(keyword)} {found}, as in RSNA's public files; a report "
                "has to name the images it is about. Leave the report out for such files"
            )

    for keyword in _PRESENT_BUT_MAYBE_EMPTY:
        if header.get(keyword) is None:
            setattr(header, keyword, "")
    return header


def _drop_faulty(header: pydicom.Dataset) -> list[str]:
    """Empties what is not allowed, and gives its keywords."""
    faulty = []
    for keyword, check in _CHECKS.items():
        value = header[keyword].value
        try:
            if value not in (None, ""):
                check(value)
        except ValueError:
            faulty.append(keyword)
            header[keyword] = DataElement(
                tag_for_keyword(keyword), header[keyword].VR, ""
            )
    return faulty


def _named(keyword: str) -> str:
    tag = pydicom.tag.Tag(keyword)
    return f"{keyword} ({tag.group:04X},{tag.element:04X})"
