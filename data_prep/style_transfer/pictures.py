"""Pictures on their way into a style transfer and out of it."""

import hashlib
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from data_prep.datasets.lists import PICTURE_SUFFIXES, pictures_below
from data_prep.modalities.head_ct.dicom import UnreadableSlice, read_slice
from data_prep.modalities.photograph.pictures import (
    UnreadablePhotograph,
    read_photograph,
)
from keras_medformers.modalities import HEAD_CT
from keras_medformers.support.errors import UserError
from keras_medformers.support.whole_files import whole_file

JPEG_OPTIONS = {"format": "JPEG", "quality": 95, "subsampling": 0}
PNG_OPTIONS = {"format": "PNG"}


def pictures_in(folder: Path) -> list[str]:
    """The pictures in a folder and below, as paths with forward slashes.

    The order follows a digest of the paths: whatever comes first is a mixture of all class folders.

    Raises:
        UserError: If the folder is not there or has no picture.
    """
    if not folder.is_dir():
        raise UserError(
            f"--content {folder} is no folder; give one with pictures in it or below"
        )
    files = pictures_below(folder)
    if not files:
        raise UserError(
            f"--content {folder} has no picture ({', '.join(PICTURE_SUFFIXES)}) in it or below"
        )
    return sorted(
        files, key=lambda file: (hashlib.blake2b(file.encode()).digest(), file)
    )


def read_content(path: Path, size: int) -> np.ndarray:
    """Reads a photograph.

    Returns:
        Its middle square, uint8 RGB of shape `(size, size, 3)`.

    Raises:
        UnreadablePhotograph: See `photograph.read_photograph`.
    """
    return middle_square(read_photograph(path), size)


def read_style(path: Path, size: int) -> np.ndarray:
    """Reads a picture, or a CT slice in the brain window as grey RGB.

    Returns:
        uint8 RGB of shape `(size, size, 3)`.

    Raises:
        UserError: If the file is neither.
    """
    try:
        return middle_square(read_photograph(path), size)
    except UnreadablePhotograph as error:
        not_a_picture = error.reason
    try:
        hu = read_slice(path).hu
    except UnreadableSlice as error:
        raise UserError(
            f"--style {path} is neither a picture (it {not_a_picture}) nor a CT slice (it: {error.reason})"
        ) from error
    return middle_square(HEAD_CT.to_picture(hu), size)


def middle_square(rgb: np.ndarray, size: int) -> np.ndarray:
    """The largest square in the middle of a picture, resized."""
    side = min(rgb.shape[:2])
    top, left = ((length - side) // 2 for length in rgb.shape[:2])
    square = rgb[top : top + side, left : left + side]
    method = cv2.INTER_AREA if side > size else cv2.INTER_CUBIC
    return cv2.resize(square, (size, size), interpolation=method)


def write_picture(path: Path, rgb: np.ndarray) -> None:
    """Writes a picture as JPEG or PNG, as its name says, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    options = PNG_OPTIONS if path.suffix.lower() == ".png" else JPEG_OPTIONS
    with whole_file(path) as temporary:
        Image.fromarray(rgb).save(temporary, **options)
