"""Draws one patient's exam, four views, and writes it."""

import json
from pathlib import Path

import cv2
import numpy as np

from data_prep.phantoms.mammography import anatomy, findings
from data_prep.phantoms.mammography.anatomy import Breast, Outline
from data_prep.phantoms.mammography.config import (
    VIEWS,
    BreastPlan,
    PatientPlan,
    PhantomMammographyConfig,
)
from data_prep.phantoms.mammography.dicom_files import DISPLAYS, ViewHeader, write_view
from data_prep.phantoms.mammography.findings import Tile
from keras_medformers.support.whole_files import write_json

IMAGES = "images"
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_PLACES_TRIED = 200


def make_exam(
    job: tuple[str, str, PhantomMammographyConfig, PatientPlan],
) -> list[dict]:
    """Draws the views of a patient, unless it was done before.

    Args:
        job: The set's folder, the folder of reports, the settings and the `PatientPlan`.

    Returns:
        One dict per view, with the manifest's columns and what the contact sheet needs.
    """
    output_dir, progress_dir, config, plan = job
    report = Path(progress_dir) / f"{plan.name}.json"
    if report.exists():
        return json.loads(report.read_text())

    folder = Path(output_dir) / IMAGES / plan.name
    folder.mkdir(exist_ok=True)
    breasts, radii = _patient(config, plan)
    storage = _storage(config, plan)
    rows = []
    for number, (laterality, view) in enumerate(VIEWS):
        breast_plan = plan.breasts[laterality == "right"]
        rng = np.random.default_rng([config.seed, 2, plan.number, number])
        level, box = draw_view(
            breasts[laterality],
            view,
            breast_plan,
            radii[laterality],
            config.shape_px,
            config.spacing_mm,
            rng,
            config.finding_scale,
        )
        name = f"{laterality[0].upper()}{view}"
        file = f"{IMAGES}/{plan.name}/{name}.dcm"
        header = ViewHeader(
            plan.name,
            plan.number,
            number,
            laterality,
            view,
            config.spacing_mm,
            *storage,
        )
        write_view(Path(output_dir) / file, level, header)
        rows.append(
            {
                "file": file,
                "patient": plan.name,
                "exam": "1",
                "view": name,
                "laterality": name[0],
                "label": "malignant" if breast_plan.malignant else "non_malignant",
                "finding_type": breast_plan.finding_type,
                "finding_label": _finding_label(breast_plan),
                "box": [int(side) for side in box] if box else None,
                "density": breasts[laterality].density,
            }
        )

    write_json(report, rows, indent=None)
    return rows


def draw_view(
    breast: Breast,
    view: str,
    plan: BreastPlan,
    radius_mm: float,
    shape: tuple[int, int],
    spacing_mm: float,
    rng: np.random.Generator,
    finding_scale: float = 1.0,
) -> tuple[np.ndarray, tuple[int, ...] | None]:
    """Draws one view.

    Args:
        breast: `anatomy.Breast`.
        view: "CC" or "MLO".
        plan: `BreastPlan`.
        radius_mm: Of the finding.
        shape: Rows and columns.
        spacing_mm: Distance of pixels.
        rng: Of this view.
        finding_scale: See `PhantomMammographyConfig`.

    Returns:
        Brightness from 0, air, to about 1, float32 of that shape, with letters in a corner; and the finding's
        box as x, y, width, height, None without one.
    """
    outlined = anatomy.outline(breast, view, shape, spacing_mm, rng)
    level = anatomy.tissue(breast, shape, outlined, spacing_mm, rng)
    box = None
    if plan.finding_type:
        finding_spacing_mm = spacing_mm / finding_scale
        tile = findings.draw(
            plan.finding_type, plan.malignant, radius_mm, finding_spacing_mm, rng
        )
        column, row = _place(outlined, finding_scale * radius_mm, spacing_mm, rng)
        level, box = _with_finding(level, outlined.inside_mm > 0, tile, column, row)

    level = cv2.GaussianBlur(level, (0, 0), max(0.12 / spacing_mm, 0.45))
    noise = rng.standard_normal(shape, dtype=np.float32) * 0.009
    level = np.where(
        outlined.inside_mm > 0, np.clip(level + noise, 0.01, 1.0), 0
    ).astype(np.float32)
    if plan.laterality == "right":
        level = np.ascontiguousarray(level[:, ::-1])
        if box:
            box = (shape[1] - box[0] - box[2], *box[1:])

    return _with_letters(
        level, f"{plan.laterality[0].upper()} {view}", plan.laterality, rng
    ), box


def _patient(
    config: PhantomMammographyConfig, plan: PatientPlan
) -> tuple[dict[str, Breast], dict[str, float]]:
    """Both breasts, and the radius of their findings, by laterality."""
    rng = np.random.default_rng([config.seed, 1, plan.number])
    left = anatomy.draw_breast(rng)
    breasts = {"left": left, "right": anatomy.like(left, rng)}
    radii = {
        one.laterality: findings.size_of(one.finding_type, one.malignant, rng)
        if one.finding_type
        else 0.0
        for one in plan.breasts
    }
    return breasts, radii


def _storage(
    config: PhantomMammographyConfig, plan: PatientPlan
) -> tuple[int, str, str]:
    """How the exam is stored: bits, photometric interpretation and way of display."""
    rng = np.random.default_rng([config.seed, 3, plan.number])
    bits = int(rng.choice([12, 14, 16]))
    photometric = "MONOCHROME1" if rng.random() < config.monochrome1 else "MONOCHROME2"
    return bits, photometric, DISPLAYS[int(rng.integers(len(DISPLAYS)))]


def _place(
    outlined: Outline, radius_mm: float, spacing_mm: float, rng: np.random.Generator
) -> tuple[int, int]:
    """Column and row of a finding's centre: in glandular depth, its body inside the skin, off the muscle."""
    wanted = radius_mm + 4.0
    deepest = float(outlined.inside_mm.max())
    rows, columns = np.nonzero(
        (outlined.inside_mm > min(wanted, 0.9 * deepest)) & (outlined.muscle < 0.05)
    )
    # Near the middle of the breast: most findings are where glandular tissue is.
    nipple_x, nipple_y = outlined.nipple
    height = outlined.span[1] - outlined.span[0]
    away = np.hypot(
        (columns - 0.5 * nipple_x) / (0.42 * nipple_x),
        (rows - nipple_y) / (0.33 * height),
    )
    margin = radius_mm / spacing_mm
    weights = np.exp(-(away**2)) * (columns > margin)
    if not weights.any():
        weights = np.exp(-(away**2))
    place = rng.choice(len(rows), p=weights / weights.sum())

    return int(columns[place]), int(rows[place])


def _with_finding(
    level: np.ndarray, inside: np.ndarray, tile: Tile, column: int, row: int
) -> tuple[np.ndarray, tuple[int, ...]]:
    """Adds a tile, centred at a pixel, inside the breast; returns its box in the image, too."""
    half = tile.added.shape[0] // 2
    rows, columns = level.shape
    top, bottom = max(row - half, 0), min(row + half + 1, rows)
    left, right = max(column - half, 0), min(column + half + 1, columns)
    there = slice(top, bottom), slice(left, right)
    of_tile = (
        slice(top - row + half, bottom - row + half),
        slice(left - column + half, right - column + half),
    )
    added, smoothed = (
        part[of_tile] * inside[there] for part in (tile.added, tile.smoothed)
    )
    soft = cv2.GaussianBlur(level[there], (0, 0), max(half / 12, 1.0))
    level = level.copy()
    level[there] += smoothed * (soft - level[there]) + added
    x, y, width, height = findings.box_of(added)
    x, y = x + left, y + top

    return level, (x, y, width, height)


def _with_letters(
    level: np.ndarray, text: str, laterality: str, rng: np.random.Generator
) -> np.ndarray:
    """Burns the view's name into the upper corner on the side of the air."""
    rows, columns = level.shape
    scale, thickness = rows / 832, max(1, round(rows / 416))
    (width, height), _ = cv2.getTextSize(text, _FONT, scale, thickness)
    margin = round(rows * rng.uniform(0.02, 0.05))
    left = columns - margin - width if laterality == "left" else margin
    canvas = np.zeros(level.shape, np.uint8)
    cv2.putText(
        canvas, text, (left, margin + height), _FONT, scale, 255, thickness, cv2.LINE_AA
    )

    if rng.random() < 0.5:
        pad = round(0.5 * height)
        corners = (
            (left - pad, margin - pad),
            (left + width + pad, margin + height + pad),
        )
        cv2.rectangle(canvas, *corners, 255, thickness, cv2.LINE_AA)

    return np.maximum(level, canvas.astype(np.float32) * np.float32(0.95 / 255))


def _finding_label(plan: BreastPlan) -> str:
    if not plan.finding_type:
        return ""
    return "malignant" if plan.malignant else "benign"
