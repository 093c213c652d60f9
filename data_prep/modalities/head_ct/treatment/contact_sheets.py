"""Sheets of pictures: what each step of the treatment does, and all slices of a patient to choose from."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from data_prep.modalities.head_ct.treatment.treatment import as_picture, mask_of_head
from keras_medformers.support.whole_files import whole_file

TILE_PX = 224
CAPTION_PX = 22
COLUMNS = 6
LONGEST_CAPTION = 30
STEP_CAPTIONS = (
    "before",
    "binarised",
    "eroded",
    "edges cleared",
    "holder cut",
    "mask",
    "after",
)


def steps_row(hu: np.ndarray, treated_hu: np.ndarray) -> np.ndarray:
    """One row of tiles: a slice, every step, and the treated slice.

    Args:
        hu: Hounsfield units before.
        treated_hu: The same after.

    Raises:
        NoHead: If there is no head in it.
    """
    steps = [255 * step for step in mask_of_head(hu)]
    pictures = [as_picture(hu), *steps, as_picture(treated_hu)]
    return np.hstack(
        [tile(*pair) for pair in zip(pictures, STEP_CAPTIONS, strict=True)]
    )


def tile(picture: np.ndarray, caption: str) -> np.ndarray:
    """A small picture with a caption below."""
    small = cv2.resize(picture, (TILE_PX, TILE_PX), interpolation=cv2.INTER_AREA)
    framed = np.vstack([small, np.zeros((CAPTION_PX, TILE_PX), np.uint8)])
    text = caption.encode("ascii", "replace").decode()[-LONGEST_CAPTION:]
    cv2.putText(
        framed,
        text,
        (4, TILE_PX + 15),
        cv2.FONT_HERSHEY_SIMPLEX,
        0.4,
        255,
        1,
        cv2.LINE_AA,
    )
    return framed


def sheet(tiles: Sequence[np.ndarray], columns: int = COLUMNS) -> np.ndarray:
    """Tiles of one size, in rows, the last one filled up with black."""
    columns = min(columns, len(tiles))
    filled = [*tiles, *[np.zeros_like(tiles[0])] * (-len(tiles) % columns)]
    return np.vstack(
        [
            np.hstack(filled[row : row + columns])
            for row in range(0, len(filled), columns)
        ]
    )


def write_picture(path: Path, picture: np.ndarray) -> None:
    """Writes a JPG or PNG, by the name's suffix; it appears under its name only when it is whole.

    Raises:
        OSError: If it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as temporary:
        if not cv2.imwrite(str(temporary), picture):
            raise OSError(f"{path} cannot be written")
