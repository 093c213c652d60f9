"""Mammograms on their way into records and to a model: the breast's grey values at one scale."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from data_prep.modalities.mammogram.breast import Breast, NoBreast, find_breast
from data_prep.modalities.mammogram.dicom import (
    UnreadableMammogram,
    read_header,
    read_mammogram,
    study_and_series,
)
from data_prep.modalities.mammogram.frame import (
    Box,
    Frame,
    frame_around,
    frame_of_breast,
)
from data_prep.modalities.mammogram.scale import (
    FULL_HEIGHT_PX,
    patch_side_px,
    shape_of_images,
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
from keras_medformers.modalities import MAMMOGRAM
from keras_medformers.support.errors import UserError

LEAST_BREAST_SHARE = 0.5
"""Of a negative patch, where the image has such a place."""

CROPPED = "cropped"
LINEARISED = "linearised"
SIDE_DIFFERS = "side_differs"

NO_BREAST = "shows no breast: nothing large stands out from the air"


@dataclass(frozen=True)
class MammogramSettings(Settings):
    """How mammograms are read.

    Attributes:
        image_size: Height to bring them to, in pixels; the width is 10/13 of it. Patches are
            at the scale of such images.
        source_height: Pixels of the files that this height stands for.
        flip: Whether right breasts are flipped, so that all have the chest wall at the left.
        compression: Whether records are compressed.
    """

    image_size: int = FULL_HEIGHT_PX
    source_height: int | None = None
    flip: bool = True
    compression: bool = True

    FLAGS = (
        Flag(
            "image_size",
            "--image-size",
            f"height to store, in pixels, and 10/13 of it as width; {FULL_HEIGHT_PX} or the "
            "data set's own if not given. Patches are stored at the scale of such images",
            {"type": int},
            SMALLEST_IMAGE_PX,
        ),
        COMPRESSION,
        Flag(
            "source_height",
            "--source-height",
            f"pixels of the files that the stored height stands for; {FULL_HEIGHT_PX}, or the "
            "phantoms' height, if not given. Larger breasts are cropped, smaller ones padded",
            {"type": int},
            SMALLEST_IMAGE_PX,
        ),
        Flag(
            "flip",
            "--keep-laterality",
            "leave right breasts at the right instead of flipping them to the left",
            {"action": "store_const", "const": False},
        ),
    )
    OF_ANSWERS = ("image_size", "source_height", "flip")
    NEEDED = {"image_size": "at which scale the model takes mammograms"}

    @property
    def source_height_px(self) -> int:
        """Pixels of the files that the height stands for, full resolution if not said."""
        return FULL_HEIGHT_PX if self.source_height is None else self.source_height

    def in_folder(
        self, data_dir: Path, of_folder: Mapping[str, Any]
    ) -> "MammogramSettings":
        """See `Settings.in_folder`.

        Raises:
            UserError: If the height to store is larger than that of the files.
        """
        height = self.source_height or of_folder.get("source_height", FULL_HEIGHT_PX)
        if self.image_size > height:
            raise UserError(
                f"--image-size is {self.image_size}, expected at most the {height} pixels of the files in "
                f"{data_dir} (--source-height): mammograms are not enlarged"
            )
        return replace(self, source_height=height)


@dataclass(frozen=True)
class PatchSettings(MammogramSettings):
    """How patches of mammograms are read.

    Attributes:
        negatives_per_image: Patches cut from each non-malignant image.
    """

    negatives_per_image: int = 1

    FLAGS = (
        *MammogramSettings.FLAGS,
        Flag(
            "negatives_per_image",
            "--negatives-per-image",
            "patches to cut from each non-malignant image; the data set's own number if not "
            "given",
            {"type": int},
            0,
        ),
    )


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
        linearised: See `dicom.Mammogram`.
        laterality: "left" or "right" where the file says so, else "".
    """

    grey: np.ndarray
    breast: Breast
    side: str
    side_differs: bool
    linearised: bool
    laterality: str


def header_of_mammogram(path: Path) -> Header:
    """Reads a mammogram's size; the data set's lists name the patient.

    Raises:
        UnreadableMammogram: See `dicom.read_header`.
    """
    header = read_header(path)
    return Header(height=header.rows, width=header.columns)


def place_of_mammogram(path: Path) -> Place:
    """Reads where a mammogram belongs.

    Raises:
        UnreadableMammogram: If the file is not there, or is no DICOM image.
    """
    if path.suffix.lower() == ".png":
        return Place()
    return Place(*study_and_series(path))


def read(path: Path, settings: MammogramSettings, region: tuple = Region("")) -> Image:
    """Reads the grey values of a breast.

    Args:
        path: A DICOM or PNG file.
        settings: Scale and flip.
        region: A `Region` of the whole image.

    Raises:
        UnreadableMammogram: See `dicom.read_mammogram`; or it shows no breast, or is smaller than a
            patch.
    """
    region = Region(*region)
    prepared = _prepare(
        path, region.laterality, patch_side_px(settings.source_height_px)
    )
    height, width = shape_of_images(settings.image_size)
    size = shape_of_images(settings.source_height_px)[::-1]
    frame = frame_of_breast(
        prepared.breast, prepared.side, settings.flip, size, (width, height)
    )
    breast = prepared.breast
    cropped = (
        breast.right - breast.left > size[0] or breast.bottom - breast.top > size[1]
    )
    return _image(frame, path, prepared, region.boxes, cropped)


def read_patch(path: Path, settings: PatchSettings, region: tuple) -> Image:
    """Reads a square patch of a mammogram.

    Args:
        path: A DICOM or PNG file.
        settings: Scale and flip.
        region: A `Region` with `centre` or `draw`.

    Raises:
        UnreadableMammogram: As `read`.
    """
    region = Region(*region)
    side_px = patch_side_px(settings.source_height_px)
    prepared = _prepare(path, region.laterality, side_px)
    centre = region.centre or draw_centre(prepared.breast.mask, side_px, region.draw)
    flipped = settings.flip and prepared.side == "right"
    frame = frame_around(
        centre,
        prepared.grey.shape,
        flipped,
        side_px,
        patch_side_px(settings.image_size),
    )
    return _image(frame, path, prepared, region.boxes, cropped=False)


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


def shape_of_whole_records(settings: MammogramSettings) -> tuple[int, int]:
    """Height and width of every record."""
    return shape_of_images(settings.image_size)


def shape_of_patches(settings: PatchSettings) -> tuple[int, int]:
    """Height and width of every patch."""
    return (patch_side_px(settings.image_size),) * 2


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
        grey,
        breast,
        side,
        bool(said) and said != side,
        mammogram.linearised,
        mammogram.laterality,
    )


def _image(
    frame: Frame, path: Path, prepared: Prepared, boxes: tuple, cropped: bool
) -> Image:
    done = {
        CROPPED: cropped,
        LINEARISED: prepared.linearised,
        SIDE_DIFFERS: prepared.side_differs,
    }
    moved = (frame.moved(Box(*box)) for box in boxes)
    return Image(
        frame.cut(prepared.grey)[..., np.newaxis],
        corrections=tuple(kind for kind, was_done in done.items() if was_done),
        columns={"laterality": prepared.laterality},
        place=place_of_mammogram(path),
        boxes=tuple(tuple(box) for box in moved if box),
    )


READER = Reader(
    modality=MAMMOGRAM,
    words="mammograms",
    settings=MammogramSettings,
    image_shape=shape_of_whole_records,
    windows={},
    corrections={
        CROPPED: "Cropped to the size of records, being larger",
        LINEARISED: "Turned from images for processing into attenuation",
        SIDE_DIFFERS: "With the chest wall at the other side than their laterality says",
    },
    read_header=header_of_mammogram,
    read_place=place_of_mammogram,
    read=read,
    unreadable=UnreadableMammogram,
)
PATCHES = replace(
    READER,
    words="patches of mammograms",
    settings=PatchSettings,
    image_shape=shape_of_patches,
    read=read_patch,
    nouns_of_parts="patches",
)
