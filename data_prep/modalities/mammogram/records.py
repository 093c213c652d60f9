"""Mammograms on their way into records: grey values of the breast, whole or in patches, at one scale."""

import functools
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from data_prep.modalities.mammogram.breast import Breast, NoBreast, find_breast
from data_prep.modalities.mammogram.dicom import (
    UnreadableMammogram,
    read_header,
    read_mammogram,
)
from data_prep.modalities.mammogram.frame import (
    Box,
    Frame,
    frame_around,
    frame_of_breast,
)
from data_prep.modalities.mammogram.scale import patch_side_px, shape_of_images
from data_prep.modalities.modality import EncodedImage, Header, Modality
from data_prep.records import schema
from data_prep.records.build_config import BuildConfig
from keras_medformers.modalities import MAMMOGRAM

LEAST_BREAST_SHARE = 0.5
"""Of a negative patch, where the image has such a place."""

CROPPED = "cropped"
LINEARISED = "linearised"
SIDE_DIFFERS = "side_differs"

NO_BREAST = "shows no breast: nothing large stands out from the air"


class Region(NamedTuple):
    """What of a file becomes a record.

    Attributes:
        laterality: "left" or "right" where the data set's lists say so, else "".
        boxes: Boxes around findings, in pixels of the file.
        centre: x and y of a patch's centre in pixels of the file; None where it is drawn at random, and for
            the whole image.
        draw: Seed of the random draw of a patch's centre; None where there is none to draw.
    """

    laterality: str
    boxes: tuple[Box, ...] = ()
    centre: tuple[float, float] | None = None
    draw: tuple[int, ...] | None = None


class Prepared(NamedTuple):
    """A file's mammogram.

    Attributes:
        grey: uint16, 0 outside the breast.
        breast: Where it lies.
        side: "left" or "right", where the chest wall is.
        side_differs: Whether the laterality says otherwise.
        linearised: See `dicom_mammogram.Mammogram`.
    """

    grey: np.ndarray
    breast: Breast
    side: str
    side_differs: bool
    linearised: bool


def header_of_mammogram(path: Path) -> Header:
    """Reads a mammogram's size; the data set's lists name the patient.

    Raises:
        UnreadableMammogram: See `dicom_mammogram.read_header`.
    """
    header = read_header(path)
    return Header(height=header.rows, width=header.columns)


def encode_mammogram(path: Path, config: BuildConfig, region: tuple) -> EncodedImage:
    """Reads a mammogram and encodes the breast's grey values.

    Args:
        path: A DICOM or PNG file.
        config: Scale, flip and compression.
        region: A `Region` of the whole image.

    Raises:
        UnreadableMammogram: See `dicom_mammogram.read_mammogram`; or it shows no breast, or is smaller than a
            patch.
    """
    region = Region(*region)
    prepared = _prepare(path, region.laterality, patch_side_px(config.source_height))
    height, width = shape_of_images(config.image_size)
    size = shape_of_images(config.source_height)[::-1]
    frame = frame_of_breast(
        prepared.breast, prepared.side, config.flip, size, (width, height)
    )
    breast = prepared.breast
    cropped = (
        breast.right - breast.left > size[0] or breast.bottom - breast.top > size[1]
    )
    return _encoded(frame, prepared, config, region.boxes, cropped)


def encode_patch(path: Path, config: BuildConfig, region: tuple) -> EncodedImage:
    """Reads a mammogram and encodes a square patch of it.

    Args:
        path: A DICOM or PNG file.
        config: Scale, flip and compression.
        region: A `Region` with `centre` or `draw`.

    Raises:
        UnreadableMammogram: As `encode_mammogram`.
    """
    region = Region(*region)
    side_px = patch_side_px(config.source_height)
    prepared = _prepare(path, region.laterality, side_px)
    centre = region.centre or draw_centre(prepared.breast.mask, side_px, region.draw)
    flipped = config.flip and prepared.side == "right"
    frame = frame_around(
        centre, prepared.grey.shape, flipped, side_px, patch_side_px(config.image_size)
    )
    return _encoded(frame, prepared, config, region.boxes, cropped=False)


def draw_centre(
    mask: np.ndarray, side_px: int, seed: tuple[int, ...]
) -> tuple[int, int]:
    """Draws a patch's centre from inside the breast.

    Args:
        mask: bool of the image's shape, the breast.
        side_px: Side of the patch; half of it should be breast.
        seed: Of the draw.

    Returns:
        x and y.
    """
    rows, columns = mask.shape
    integral = cv2.integral(mask.astype(np.uint8))
    near = side_px // 2
    top = np.clip(np.arange(rows) - near, 0, rows - side_px)[:, None]
    left = np.clip(np.arange(columns) - near, 0, columns - side_px)[None, :]
    inside = (
        integral[top + side_px, left + side_px]
        - integral[top, left + side_px]
        - integral[top + side_px, left]
        + integral[top, left]
    )
    wanted = min(LEAST_BREAST_SHARE * side_px**2, inside[mask].max())
    places = np.flatnonzero(mask & (inside >= wanted))
    y, x = divmod(int(np.random.default_rng(seed).choice(places)), columns)
    return x, y


def shape_of_whole_records(config: BuildConfig) -> tuple[int, int]:
    """Height and width of every record."""
    return shape_of_images(config.image_size)


def shape_of_patches(config: BuildConfig) -> tuple[int, int]:
    """Height and width of every patch."""
    return (patch_side_px(config.image_size),) * 2


def format_of_records(config: BuildConfig) -> str:
    """The image format that the settings ask for."""
    return schema.UINT16_ZLIB if config.compression else schema.UINT16_RAW


# Parts of one file follow each other: it is read once for all of them.
@functools.lru_cache(maxsize=1)
def _prepare(path: Path, laterality: str, least_px: int) -> Prepared:
    mammogram = read_mammogram(path)
    if min(mammogram.grey.shape) < least_px:
        raise UnreadableMammogram(
            path,
            f"has {mammogram.columns} x {mammogram.rows} pixels, less than the {least_px} of a patch",
        )
    try:
        breast = find_breast(mammogram.grey)
    except NoBreast as error:
        raise UnreadableMammogram(path, NO_BREAST) from error
    said = laterality or mammogram.laterality
    side = breast.side or said or "left"
    grey = np.where(breast.mask, mammogram.grey, np.uint16(0))
    return Prepared(
        grey, breast, side, bool(said) and said != side, mammogram.linearised
    )


def _encoded(
    frame: Frame, prepared: Prepared, config: BuildConfig, boxes: tuple, cropped: bool
) -> EncodedImage:
    image_format = format_of_records(config)
    done = {
        CROPPED: cropped,
        LINEARISED: prepared.linearised,
        SIDE_DIFFERS: prepared.side_differs,
    }
    moved = (frame.moved(Box(*box)) for box in boxes)
    return EncodedImage(
        encoded=schema.encode_uint16(frame.cut(prepared.grey), image_format),
        image_format=image_format,
        height=frame.out_height,
        width=frame.out_width,
        channels=1,
        corrections=tuple(kind for kind, was_done in done.items() if was_done),
        boxes=tuple(tuple(box) for box in moved if box),
    )


_CORRECTIONS = {
    CROPPED: "Cropped to the size of records, being larger",
    LINEARISED: "Turned from images for processing into attenuation",
    SIDE_DIFFERS: "With the chest wall at the other side than their laterality says",
}
MAMMOGRAMS = Modality(
    name=MAMMOGRAM.name,
    noun="mammogram",
    group_noun="patient",
    image_format=format_of_records,
    image_shape=shape_of_whole_records,
    windows={},
    corrections=_CORRECTIONS,
    read_header=header_of_mammogram,
    encode=encode_mammogram,
)
PATCHES = Modality(
    name=MAMMOGRAM.name,
    noun="mammogram",
    group_noun="patient",
    image_format=format_of_records,
    image_shape=shape_of_patches,
    windows={},
    corrections=_CORRECTIONS,
    read_header=header_of_mammogram,
    encode=encode_patch,
    nouns_of_parts="patches",
)
