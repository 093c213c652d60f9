"""What data sets of radiographs share."""

import collections
from pathlib import Path

import numpy as np

from data_prep.datasets.base import Listing
from data_prep.modalities.reader import Header
from data_prep.records.split_rules import OPEN
from data_prep.records.splits import SPLITS

RADIOGRAPH_SUFFIXES = (".dcm", ".dicom", ".png")


def patients_or_files(
    listing: Listing, headers: dict[int, Header]
) -> tuple[dict[int, Header], dict[int, str]]:
    """Groups files by the patients that their headers name, else each by itself.

    Args:
        listing: The files, with the splits that they are said to be in, if any.
        headers: By index into the listing.

    Returns:
        Headers that all name a patient, and the reasons by which files of patients who are in
        several splits are set aside.
    """
    named = {
        index: header._replace(patient_id=patient, study_id=header.study_id or patient)
        for index, header in headers.items()
        for patient in (_patient(listing.files[index], header),)
    }
    if listing.published_splits is None:
        return named, {}

    splits_of = collections.defaultdict(set)
    for index, header in named.items():
        splits_of[header.patient_id].add(int(listing.published_splits[index]))
    reasons = {}
    for index, header in named.items():
        splits = splits_of[header.patient_id]
        if len(splits) > 1:
            names = [_name(split) for split in sorted(splits)]
            reasons[index] = f"its patient is in several splits: {', '.join(names)}"
    return named, reasons


def published_or_none(splits: np.ndarray) -> np.ndarray | None:
    """The splits, None where all are open."""
    return splits if (splits != OPEN).any() else None


def size_on_disk(data_dir: Path, file: str) -> int | str:
    """Size of a file in bytes, or the reason why it cannot be had."""
    if Path(file).is_absolute() or ".." in Path(file).parts:
        return "its path leads out of the data folder"
    path = data_dir / file
    return path.stat().st_size if path.is_file() else "is not on disk"


def _patient(file: str, header: Header) -> str:
    return header.patient_id or header.study_id or header.series_id or file


def _name(split: int) -> str:
    return "none" if split == OPEN else SPLITS[split]
