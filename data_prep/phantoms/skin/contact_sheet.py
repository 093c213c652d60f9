"""Draws a sheet of example pictures, one line per class, so that one look tells what a phantom set holds."""

from pathlib import Path

import cv2
import numpy as np

from data_prep.labels import SKIN_LESION_LABELS
from data_prep.phantoms.skin.config import LesionPlan
from keras_medformers.support.whole_files import whole_file

COLUMNS = 8
_TILE_PX = 200
_CAPTION_PX = 28
_FONT = cv2.FONT_HERSHEY_SIMPLEX
NAMES = {
    "MEL": "melanoma",
    "NV": "melanocytic nevus",
    "BCC": "basal cell carcinoma",
    "AKIEC": "actinic keratosis",
    "BKL": "benign keratosis",
    "DF": "dermatofibroma",
    "VASC": "vascular lesion",
}


def write_contact_sheet(path: Path, images_dir: Path, plans: list[LesionPlan]) -> None:
    """Writes the sheet: of every class the first picture of up to `COLUMNS` lesions.

    Args:
        path: PNG to write.
        images_dir: Folder of the pictures.
        plans: The `LesionPlan` of every lesion.
    """
    lines = []
    for label in SKIN_LESION_LABELS:
        of_class = [plan for plan in plans if plan.label == label]
        images = sum(len(plan.files) for plan in of_class)
        title = f"{label}: {NAMES[label]} ({images} images of {len(of_class)} lesions)"
        lines.append(
            _line(title, [images_dir / plan.files[0] for plan in of_class[:COLUMNS]])
        )
    with whole_file(path) as temporary:
        cv2.imwrite(str(temporary), np.vstack(lines))


def _line(title: str, paths: list[Path]) -> np.ndarray:
    line = np.full((_TILE_PX + _CAPTION_PX, COLUMNS * _TILE_PX, 3), 255, np.uint8)
    cv2.putText(line, title, (6, 20), _FONT, 0.55, (0, 0, 0), 1, cv2.LINE_AA)
    for column, path in enumerate(paths):
        left = column * _TILE_PX
        line[_CAPTION_PX:, left : left + _TILE_PX] = _tile(cv2.imread(str(path)))
    return line


def _tile(picture: np.ndarray) -> np.ndarray:
    """The middle square of a picture, reduced."""
    height, width = picture.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = picture[top : top + side, left : left + side]
    return cv2.resize(square, (_TILE_PX, _TILE_PX), interpolation=cv2.INTER_AREA)
