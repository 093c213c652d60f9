"""Radiographs on their way into records and to a model: grey values, not larger than asked."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from data_prep.modalities.radiograph.dicom import (
    RadiographHeader,
    UnreadableRadiograph,
    read_header,
    read_radiograph,
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
)
from keras_medformers.modalities import RADIOGRAPH

IMAGE_SIZE_PX = 512
"""Longer side of a record."""


@dataclass(frozen=True)
class RadiographSettings(Settings):
    """How radiographs are read.

    Attributes:
        image_size: Longer side in pixels to which larger ones are brought; others keep theirs.
        compression: Whether records are compressed.
    """

    image_size: int = IMAGE_SIZE_PX
    compression: bool = True

    FLAGS = (
        Flag(
            "image_size",
            "--image-size",
            f"longer side to store at most, in pixels; {IMAGE_SIZE_PX} if not given",
            {"type": int},
            SMALLEST_IMAGE_PX,
        ),
        COMPRESSION,
    )
    OF_ANSWERS = ("image_size",)


def header_of_radiograph(path: Path) -> Header:
    """Reads who and what a radiograph belongs to, as far as its file says.

    Raises:
        UnreadableRadiograph: See `dicom.read_header`.
    """
    header = read_header(path)
    return Header(
        header.patient_id,
        header.study_id,
        header.series_id,
        height=header.rows,
        width=header.columns,
    )


def place_of_radiograph(path: Path) -> Place:
    """Reads where a radiograph belongs.

    Raises:
        UnreadableRadiograph: See `dicom.read_header`.
    """
    return _place(read_header(path))


def read(path: Path, settings: RadiographSettings) -> Image:
    """Reads a radiograph.

    Raises:
        UnreadableRadiograph: See `dicom.read_radiograph`.
    """
    found = read_radiograph(path)
    grey = not_longer_than(settings.image_size, found.grey)
    return Image(
        grey[..., np.newaxis],
        columns={"view": found.header.view},
        place=_place(found.header),
    )


def not_longer_than(longest_px: int, grey: np.ndarray) -> np.ndarray:
    """An image made smaller by area averaging if a side is longer.

    Args:
        longest_px: Longest side in pixels.
        grey: uint16 of shape `(height, width)`.
    """
    height, width = grey.shape
    scale = longest_px / max(height, width)
    if scale >= 1:
        return grey
    size = max(1, round(scale * width)), max(1, round(scale * height))
    return cv2.resize(grey, size, interpolation=cv2.INTER_AREA)


def shape_of_records(settings: RadiographSettings) -> tuple[None, None]:
    """Height and width of every record: radiographs keep their proportions."""
    return None, None


def _place(header: RadiographHeader) -> Place:
    return Place(header.study_id or header.series_id, header.series_id)


READER = Reader(
    modality=RADIOGRAPH,
    words="radiographs",
    settings=RadiographSettings,
    image_shape=shape_of_records,
    windows={},
    corrections={},
    read_header=header_of_radiograph,
    read_place=place_of_radiograph,
    read=read,
    unreadable=UnreadableRadiograph,
)
