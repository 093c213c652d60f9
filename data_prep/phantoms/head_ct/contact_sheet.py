"""Draws a sheet of example slices, so that one look tells what a phantom set holds."""

from pathlib import Path

import cv2
import numpy as np
import pydicom

from data_prep.phantoms.head_ct.config import KINDS
from keras_medformers.support.whole_files import whole_file

COLUMNS = 8
BRAIN_WINDOW = (40.0, 80.0)
BONE_WINDOW = (500.0, 2500.0)
_TILE_PX = 232
_CAPTION_PX = 26
_MARGIN = 0.06
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def write_contact_sheet(path: Path, images_dir: Path, rows: list[dict]) -> None:
    """Writes the sheet: normal levels in two windows, then one line per kind of bleeding, small to large.

    Args:
        path: PNG to write.
        images_dir: Folder of the DICOM files.
        rows: What `patient.make_patient` said of every slice.
    """
    normal = _evenly(_normal_series(rows), "level")
    lines = [
        _line("normal, base to vertex", images_dir, normal, BRAIN_WINDOW),
        _line("the same, bone window", images_dir, normal, BONE_WINDOW),
    ]

    for kind in KINDS:
        shown = [
            row | {"area": row["areas_mm2"][kind]}
            for row in rows
            if kind in row["labels"]
        ]
        shown = [
            row for row in shown if row["area"] >= max(row["areas_mm2"].values())
        ] or shown
        lines.append(_line(kind, images_dir, _evenly(shown, "area"), BRAIN_WINDOW))

    with whole_file(path) as temporary:
        cv2.imwrite(str(temporary), np.vstack(lines))


def _normal_series(rows: list[dict]) -> list[dict]:
    """The slices of the first series without any bleeding; all normal slices where there is none."""
    normal = [row for row in rows if not row["labels"]]
    ill = {row["patient"] for row in rows if row["labels"]}
    healthy = sorted({row["patient"] for row in normal} - ill)
    if not healthy:
        return normal
    return [
        row for row in normal if row["patient"] == healthy[0] and row["series"] == 0
    ]


def _evenly(rows: list[dict], key: str) -> list[dict]:
    ordered = sorted(rows, key=lambda row: (row[key], row["id"]))
    if len(ordered) <= COLUMNS:
        return ordered
    return [ordered[round(k)] for k in np.linspace(0, len(ordered) - 1, COLUMNS)]


def _line(
    title: str, images_dir: Path, rows: list[dict], window: tuple[float, float]
) -> np.ndarray:
    line = np.zeros((_TILE_PX + 2 * _CAPTION_PX, COLUMNS * _TILE_PX), np.uint8)
    text = (
        f"{title} (level {window[0]:g}, width {window[1]:g})"
        if rows
        else f"{title}: none in this set"
    )
    cv2.putText(line, text, (6, 18), _FONT, 0.55, 255, 1, cv2.LINE_AA)

    for column, row in enumerate(rows):
        left = column * _TILE_PX
        line[_CAPTION_PX : _CAPTION_PX + _TILE_PX, left : left + _TILE_PX] = _tile(
            images_dir / f"{row['id']}.dcm", window
        )
        caption = (
            f"{row['area']:.0f} mm2" if "area" in row else f"level {row['level']:.2f}"
        )
        cv2.putText(
            line,
            caption,
            (left + 6, line.shape[0] - 10),
            _FONT,
            0.45,
            190,
            1,
            cv2.LINE_AA,
        )

    return line


def _tile(path: Path, window: tuple[float, float]) -> np.ndarray:
    level, width = window
    hu = read_hu(path).astype(np.float32)
    margin = int(_MARGIN * hu.shape[0])
    hu = hu[margin:-margin, margin:-margin]
    shown = np.clip((hu - level) / width + 0.5, 0.0, 1.0) * 255.0
    return cv2.resize(
        np.rint(shown).astype(np.uint8),
        (_TILE_PX, _TILE_PX),
        interpolation=cv2.INTER_AREA,
    )


def read_hu(path: Path) -> np.ndarray:
    """Hounsfield units of a slice written by `dicom_files`, the intercept fault mended."""
    dataset = pydicom.dcmread(path)
    pixels = dataset.pixel_array.astype(np.int32)
    intercept = int(dataset.RescaleIntercept)
    if dataset.BitsStored == 12 and intercept > -100:
        return np.mod(pixels + 1000, 4096) - 1000
    return pixels + intercept
