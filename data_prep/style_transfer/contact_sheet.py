"""Draws content, style and output side by side, as Fig. 2 of Efficient Scopeformer does."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from data_prep.modalities.photograph.pictures import read_photograph
from data_prep.style_transfer.pictures import read_content
from keras_medformers.support.whole_files import whole_file

ROWS = 8
TITLES = ("content", "style", "output")
_CAPTION_PX = 26
_GAP_PX = 4
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def write_contact_sheet(
    path: Path,
    files: Sequence[str],
    content_dir: Path,
    style: np.ndarray,
    output_dir: Path,
) -> None:
    """Writes the sheet: a line for each of the first `ROWS` pictures.

    Args:
        path: PNG to write.
        files: Redrawn pictures, as paths below both folders.
        content_dir: Where the photographs are.
        style: RGB, uint8 of shape `(size, size, 3)`.
        output_dir: Where the redrawn pictures are.
    """
    size = len(style)
    lines = [_captions(size)]
    for file in files[:ROWS]:
        pictures = (
            read_content(content_dir / file, size),
            style,
            read_photograph(output_dir / file),
        )
        lines.append(np.hstack([_with_gap(picture) for picture in pictures]))
    with whole_file(path) as temporary:
        cv2.imwrite(str(temporary), np.vstack(lines)[..., ::-1])


def _with_gap(picture: np.ndarray) -> np.ndarray:
    return np.pad(picture, ((0, _GAP_PX), (0, _GAP_PX), (0, 0)), constant_values=255)


def _captions(size: int) -> np.ndarray:
    line = np.full((_CAPTION_PX, len(TITLES) * (size + _GAP_PX), 3), 255, np.uint8)
    for column, title in enumerate(TITLES):
        place = (column * (size + _GAP_PX) + 4, _CAPTION_PX - 8)
        cv2.putText(line, title, place, _FONT, 0.5, (0, 0, 0), 1, cv2.LINE_AA)
    return line
