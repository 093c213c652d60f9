"""Draws a sheet of example mammograms, so that one look tells what a phantom set holds."""

from pathlib import Path

import cv2
import numpy as np

from data_prep.labels import FINDING_TYPES
from data_prep.modalities.mammogram.dicom import read_mammogram
from keras_medformers.support.whole_files import whole_file

COLUMNS = 8
_TILE_HEIGHT_PX = 312
_TILE_WIDTH_PX = 240
_CROP_MM = 45.0
_CAPTION_PX = 26
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def write_contact_sheet(path: Path, output_dir: Path, rows: list[dict]) -> None:
    """Writes the sheet: exams without findings, then two lines for each type of finding.

    One is of whole images, one of the findings at a larger scale, malignant ones and benign ones.

    Args:
        path: PNG to write.
        output_dir: The set's folder.
        rows: What `exam.make_exam` said of every view.
    """
    normal = [row for row in rows if not row["finding_type"]]
    lines = [
        _line("no finding, fatty to dense", output_dir, _evenly(normal, "density"))
    ]
    for name in FINDING_TYPES:
        for kind in ("malignant", "benign"):
            shown = [
                row
                for row in rows
                if (row["finding_type"], row["finding_label"]) == (name, kind)
            ]
            if not shown:
                continue
            shown = _evenly(
                [row | {"area": row["box"][2] * row["box"][3]} for row in shown], "area"
            )
            lines.append(_line(f"{kind}: {name.replace('_', ' ')}", output_dir, shown))
            lines.append(_line("the findings", output_dir, shown, close=True))

    with whole_file(path) as temporary:
        cv2.imwrite(str(temporary), np.vstack(lines))


def _evenly(rows: list[dict], key: str) -> list[dict]:
    ordered = sorted(rows, key=lambda row: (row[key], row["file"]))
    if len(ordered) <= COLUMNS:
        return ordered
    return [ordered[round(k)] for k in np.linspace(0, len(ordered) - 1, COLUMNS)]


def _line(
    title: str, output_dir: Path, rows: list[dict], close: bool = False
) -> np.ndarray:
    height = _TILE_WIDTH_PX if close else _TILE_HEIGHT_PX
    line = np.zeros((height + _CAPTION_PX, COLUMNS * _TILE_WIDTH_PX), np.uint8)
    cv2.putText(line, title, (6, 18), _FONT, 0.55, 255, 1, cv2.LINE_AA)
    for column, row in enumerate(rows):
        grey = (read_mammogram(output_dir / row["file"]).grey >> 8).astype(np.uint8)
        tile = _close_up(grey, row["box"]) if close else _whole(grey, row["box"])
        left = column * _TILE_WIDTH_PX
        line[_CAPTION_PX:, left : left + _TILE_WIDTH_PX] = tile
    return line


def _whole(grey: np.ndarray, box: list[int] | None) -> np.ndarray:
    scale = _TILE_HEIGHT_PX / grey.shape[0]
    tile = cv2.resize(
        grey, (_TILE_WIDTH_PX, _TILE_HEIGHT_PX), interpolation=cv2.INTER_AREA
    )
    if box:
        x, y, width, height = (round(side * scale) for side in box)
        cv2.rectangle(tile, (x - 2, y - 2), (x + width + 2, y + height + 2), 255, 1)
    return tile


def _close_up(grey: np.ndarray, box: list[int]) -> np.ndarray:
    """The surroundings of a box, those of all boxes at one scale."""
    x, y, width, height = box
    half = round(_CROP_MM / 2 / 232.96 * grey.shape[0])
    padded = cv2.copyMakeBorder(grey, half, half, half, half, cv2.BORDER_CONSTANT)
    left, top = x + width // 2, y + height // 2
    crop = padded[top : top + 2 * half, left : left + 2 * half]
    return cv2.resize(
        crop, (_TILE_WIDTH_PX, _TILE_WIDTH_PX), interpolation=cv2.INTER_LINEAR
    )
