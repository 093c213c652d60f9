"""CT slices on their way into records and to a model: Hounsfield units."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from data_prep.modalities.head_ct.dicom import (
    CTHeader,
    UnreadableSlice,
    read_header,
    read_slice,
)
from data_prep.modalities.head_ct.treatment.treatment import (
    NONE,
    TREATMENTS,
    NoHead,
    treat,
)
from data_prep.modalities.reader import (
    COMPRESSION,
    SMALLEST_IMAGE_PX,
    Flag,
    Header,
    Image,
    Place,
    Reader,
    Settings,
    check_choice,
)
from keras_medformers.modalities import HEAD_CT

IMAGE_SIZE_PX = 256
"""Side of a record."""

WINDOWS_HU = {"brain": [40, 80], "subdural": [80, 200], "soft_tissue": [40, 380]}
"""Windows (level, width) that models look through; not applied: records keep HU."""

TWELVE_BIT = "twelve_bit"
UNTREATED = "untreated"
NO_HEAD = "shows no head: no tissue is thicker than a head holder's walls"


@dataclass(frozen=True)
class SliceSettings(Settings):
    """How slices are read.

    Attributes:
        image_size: Height and width to bring them to, in pixels; None leaves them.
        twelve_bit_correction: Whether to repair RSNA's 12-bit slices with a wrong intercept.
        compression: Whether records are compressed.
        treatment: One of `TREATMENTS`; None where not even a head is looked for.
    """

    image_size: int | None = None
    twelve_bit_correction: bool = True
    compression: bool = True
    treatment: str | None = None

    FLAGS = (
        Flag(
            "image_size",
            "--image-size",
            f"height and width to store, in pixels; {IMAGE_SIZE_PX} or the data set's own "
            "if not given",
            {"type": int},
            SMALLEST_IMAGE_PX,
        ),
        COMPRESSION,
        Flag(
            "twelve_bit_correction",
            "--no-twelve-bit-correction",
            "leave RSNA's 12-bit slices with a wrong intercept as they are",
            {"action": "store_const", "const": False},
        ),
        Flag(
            "treatment",
            "--treatment",
            "mask: air in place of the head holder; overlay: that on a slice clipped to the "
            "brain window; the data set's own if not given",
            {"choices": TREATMENTS},
        ),
    )
    OF_ANSWERS = ("treatment", "twelve_bit_correction")
    NEEDED = {"treatment": "how the slices were treated that the model learned from"}

    @classmethod
    def completed(
        cls, given: Mapping[str, Any], of_dataset: Mapping[str, Any]
    ) -> "SliceSettings":
        """See `Settings.completed`."""
        found = cls(**{"image_size": IMAGE_SIZE_PX, **of_dataset, **given})
        check_choice("--treatment", found.treatment, TREATMENTS)
        # Where nothing is treated by default, not even the search for a head takes place.
        if of_dataset.get("treatment") is None and found.treatment == NONE:
            return replace(found, treatment=None)
        return found


def header_of_slice(path: Path) -> Header:
    """Reads the names by which slices are grouped and ordered.

    Raises:
        UnreadableSlice: See `dicom.read_header`; or nothing in it keeps the slice to one split.
    """
    header = read_header(path)
    if not (header.patient_id or header.study_id or header.series_id):
        raise UnreadableSlice(
            path,
            "no PatientID (0010,0020), StudyInstanceUID or SeriesInstanceUID to keep it to one split",
        )
    return Header(
        # Without a patient's name the study is the narrowest thing known to be of one patient.
        header.patient_id or header.study_id or header.series_id,
        header.study_id,
        header.series_id,
        header.position_mm,
        header.rows,
        header.columns,
    )


def place_of_slice(path: Path) -> Place:
    """Reads where a slice belongs.

    Raises:
        UnreadableSlice: See `dicom.read_header`.
    """
    return _place(read_header(path))


def read(path: Path, settings: SliceSettings) -> Image:
    """Reads a slice in Hounsfield units, treats it and brings it to the size asked for.

    Raises:
        UnreadableSlice: See `dicom.read_slice`; or it is to be treated and there is no head
            in it.
    """
    ct_slice = read_slice(path, settings.twelve_bit_correction)
    hu, columns = ct_slice.hu, {"position_mm": ct_slice.position_mm}
    done = {TWELVE_BIT: ct_slice.corrected_twelve_bit}

    if settings.treatment:
        try:
            hu, treated = treat(hu, settings.treatment)
        except NoHead as error:
            raise UnreadableSlice(path, NO_HEAD) from error
        if settings.treatment != NONE:
            columns["treated"] = treated
            done[UNTREATED] = not treated

    if settings.image_size is not None:
        hu = resized(hu, settings.image_size)
    corrections = tuple(kind for kind, was_done in done.items() if was_done)
    return Image(hu[..., np.newaxis], corrections, columns, _place(ct_slice))


def resized(hu: np.ndarray, image_size: int) -> np.ndarray:
    """A slice at another size, by area averaging.

    Args:
        hu: int16 of shape `(height, width)`.
        image_size: Height and width in pixels.

    Returns:
        int16 of shape `(image_size, image_size)`.
    """
    if hu.shape == (image_size, image_size):
        return hu
    # One axis at a time: OpenCV averages areas only while neither axis mixes growing with shrinking.
    averaged = hu.astype(np.float32)
    for size in ((image_size, hu.shape[0]), (image_size, image_size)):
        averaged = cv2.resize(averaged, size, interpolation=cv2.INTER_AREA)
    return np.rint(averaged).astype(np.int16)


def shape_of_records(settings: SliceSettings) -> tuple[int, int]:
    """Height and width of every record."""
    return settings.image_size, settings.image_size


def _place(header: CTHeader) -> Place:
    study_id = header.study_id or header.series_id or header.patient_id
    return Place(study_id, header.series_id, header.position_mm)


READER = Reader(
    modality=HEAD_CT,
    words="CT",
    settings=SliceSettings,
    image_shape=shape_of_records,
    windows=WINDOWS_HU,
    corrections={
        TWELVE_BIT: "12-bit correction",
        UNTREATED: "Left untreated, since treatment would have lost the head",
    },
    read_header=header_of_slice,
    read_place=place_of_slice,
    read=read,
    unreadable=UnreadableSlice,
)
