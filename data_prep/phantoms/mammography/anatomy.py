"""A breast pressed flat: outline, pectoral muscle, and tissue as shown brightness.

Everything is drawn with the chest wall at the left; right breasts are flipped afterwards.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from data_prep.phantoms.mammography.noise import field, fractal, smooth_step

FAT = 0.30
GLAND = 0.34
MUSCLE = 0.30
SKIN = 0.10
"""Brightness of fat, and what the others add to it."""


@dataclass(frozen=True)
class Breast:
    """What both views of a breast have in common.

    Attributes:
        depth_mm: From the chest wall to the nipple.
        half_height_mm: Of the compressed breast.
        density: From 0, fatty, to 1, dense.
    """

    depth_mm: float
    half_height_mm: float
    density: float


@dataclass(frozen=True)
class Outline:
    """Where the breast is in one view.

    Attributes:
        inside_mm: Distance from the skin, 0 in air; float32 (rows, columns).
        muscle: Share of muscle, 0 to 1; float32 (rows, columns).
        nipple: Its x and y in pixels.
        span: First and last row of the breast at the chest wall.
    """

    inside_mm: np.ndarray
    muscle: np.ndarray
    nipple: tuple
    span: tuple


def draw_breast(rng: np.random.Generator) -> Breast:
    """A breast like other women's; her two breasts differ little, see `like`."""
    return Breast(rng.uniform(75, 125), rng.uniform(72, 98), rng.beta(1.6, 1.8))


def like(breast: Breast, rng: np.random.Generator) -> Breast:
    """The other breast of the same woman."""
    return Breast(
        breast.depth_mm * rng.uniform(0.95, 1.05),
        breast.half_height_mm * rng.uniform(0.97, 1.03),
        float(np.clip(breast.density + rng.normal(0, 0.05), 0, 1)),
    )


def outline(
    breast: Breast,
    view: str,
    shape: tuple[int, int],
    spacing_mm: float,
    rng: np.random.Generator,
) -> Outline:
    """Draws the outline of a breast in a view, "CC" or "MLO"."""
    rows, columns = shape
    depth, half = breast.depth_mm / spacing_mm, breast.half_height_mm / spacing_mm
    y = np.arange(rows, dtype=np.float32)
    if view == "CC":
        middle = rows * rng.uniform(0.46, 0.54)
        top, bottom = middle - half, middle + half
        share = np.clip(np.abs(y - middle) / half, 0, 1)
        skin = depth * np.sqrt(1 - share ** rng.uniform(2.0, 2.5))
    else:
        middle, top = rows * rng.uniform(0.54, 0.6), 0.0
        bottom = min(middle + 0.85 * half, 0.97 * rows)
        at_top = depth * rng.uniform(0.35, 0.5)
        above = np.sin(0.5 * np.pi * np.clip(y / middle, 0, 1)) ** rng.uniform(1.4, 1.8)
        below = np.clip((y - middle) / (bottom - middle), 0, 1)
        skin = np.where(
            y < middle,
            at_top + (depth - at_top) * above,
            depth * np.sqrt(1 - below ** rng.uniform(2.0, 2.6)),
        )

    # No outline is smooth to the eye.
    skin = skin + np.where(
        skin > 0, field(rng, (1, rows), rows / 4)[0] * 0.012 * depth, 0
    )
    skin += 3.0 / spacing_mm * np.exp(-(((y - middle) * spacing_mm / 5.0) ** 2))
    skin[(y < top) | (y > bottom)] = 0
    inside = np.arange(columns)[None, :] < skin[:, None]
    # The chest wall, and the upper edge of an oblique view, are edges of the picture, not skin.
    padding = (rows if view == "MLO" else 0, 0, columns, 0)
    padded = cv2.copyMakeBorder(inside.astype(np.uint8), *padding, cv2.BORDER_REPLICATE)
    distance = cv2.distanceTransform(padded, cv2.DIST_L2, 5)[padding[0] :, padding[2] :]
    muscle = np.zeros(shape, np.float32)
    if view == "MLO":
        muscle = _muscle(shape, rng) * (distance > 0)
    nipple = (float(depth), float(middle))

    return Outline(
        np.ascontiguousarray(distance * np.float32(spacing_mm)),
        muscle,
        nipple,
        (float(top), float(bottom)),
    )


def _muscle(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Share of the pectoral muscle: a triangle in the upper corner, its edge slightly convex."""
    rows, columns = shape
    reach, down = columns * rng.uniform(0.22, 0.34), rows * rng.uniform(0.42, 0.62)
    y = np.arange(rows, dtype=np.float32)[:, None] / down
    edge = reach * (1 - y) + reach * rng.uniform(0.0, 0.35) * y * (1 - y)
    edge = edge + 0.02 * columns * field(rng, (rows, 1), rows / 3)
    x = np.arange(columns, dtype=np.float32)[None, :]
    return 1 - smooth_step(x, edge - 0.006 * columns, edge + 0.006 * columns)


def tissue(
    breast: Breast,
    shape: tuple[int, int],
    outlined: Outline,
    spacing_mm: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """Brightness of a breast without findings; float32 (rows, columns), 0 in air.

    Glandular tissue lies between nipple and chest wall, in streaks that run to the nipple, in as many places
    as the density says; fat around it, thin bright ligaments through it, a few vessels over it.
    """
    inside = outlined.inside_mm
    thick = np.sqrt(1 - (1 - np.clip(inside / 22.0, 0, 1)) ** 2)
    polar = _around_nipple(shape, outlined)
    gland = _gland(breast, shape, outlined, polar, spacing_mm, rng)
    fine = fractal(rng, shape, 4.0 / spacing_mm, 3)
    coarse = fractal(rng, shape, 26.0 / spacing_mm, 4)
    level = FAT * (1 + 0.10 * coarse + 0.05 * fine)
    level += GLAND * gland * (1 + 0.12 * fine + 0.10 * coarse)
    level += 0.07 * _ligaments(shape, polar, spacing_mm, rng) * (0.4 + gland)
    level += 0.06 * _vessels(shape, outlined, spacing_mm, rng)
    muscle = (
        FAT
        + MUSCLE * (0.9 + 0.06 * field(rng, shape, 30.0 / spacing_mm))
        + 0.015 * fine
    )
    level = level * (1 - outlined.muscle) + muscle * outlined.muscle
    # Makers' processing shows the thin edge nearly as bright as the rest.
    level *= thick**0.55
    level += SKIN * np.exp(-(((inside - 1.2) / 0.8) ** 2))

    return np.where(inside > 0, np.maximum(level, 0.02), 0).astype(np.float32)


def _gland(
    breast: Breast,
    shape: tuple[int, int],
    outlined: Outline,
    polar: tuple[np.ndarray, np.ndarray],
    spacing_mm: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """Share of glandular tissue, 0 to 1."""
    y, x = _rows_and_columns(shape)
    nipple_x, nipple_y = outlined.nipple
    depth, half = breast.depth_mm / spacing_mm, breast.half_height_mm / spacing_mm
    place = ((x - 0.5 * nipple_x) / (0.5 * depth)) ** 2 + (
        (y - nipple_y) / (0.66 * half)
    ) ** 2
    streaks = _towards_nipple(polar, rng, across=26, along_px=30.0 / spacing_mm)
    patchy = fractal(rng, shape, 34.0 / spacing_mm, 5)
    height = (
        1.15
        - 1.1 * np.sqrt(place)
        + 0.34 * streaks
        + 0.36 * patchy
        + 1.5 * (breast.density - 0.62)
    )
    fat_under_skin = smooth_step(outlined.inside_mm, 3.0, 12.0)
    return smooth_step(height, -0.3, 1.05) * fat_under_skin * (1 - outlined.muscle)


def _around_nipple(
    shape: tuple[int, int], outlined: Outline
) -> tuple[np.ndarray, np.ndarray]:
    """Angle, as a share of a turn, and distance of every pixel from a point in front of the nipple."""
    y, x = _rows_and_columns(shape)
    away_x, away_y = np.broadcast_arrays(
        outlined.nipple[0] * 1.06 - x, y - outlined.nipple[1]
    )
    distance, angle = cv2.cartToPolar(
        np.ascontiguousarray(away_x), np.ascontiguousarray(away_y)
    )
    return np.mod(angle / np.float32(2 * np.pi) + np.float32(0.5), 1), distance


def _towards_nipple(
    polar: tuple[np.ndarray, np.ndarray],
    rng: np.random.Generator,
    across: int,
    along_px: float,
) -> np.ndarray:
    """A random field drawn out along the lines that meet at the nipple.

    Args:
        polar: From `_around_nipple`.
        rng: Source of randomness.
        across: How many streaks a whole turn has.
        along_px: Length of the streaks.
    """
    turn, distance = polar
    table = fractal(rng, (256, 256), 256 / across, 3)
    # There and back, so that no seam shows.
    columns = np.abs(np.mod(distance * np.float32(24 / along_px), 510) - 255)
    return cv2.remap(table, columns, turn * np.float32(255), cv2.INTER_LINEAR)


def _ligaments(
    shape: tuple[int, int],
    polar: tuple[np.ndarray, np.ndarray],
    spacing_mm: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """Thin bright arcs: where a smooth field changes its sign."""
    ridges = np.zeros(shape, np.float32)
    for wavelength_mm in (30.0, 18.0):
        waves = field(rng, shape, wavelength_mm / spacing_mm)
        streaks = _towards_nipple(polar, rng, across=14, along_px=60.0 / spacing_mm)
        ridges = np.maximum(
            ridges, 1 - np.clip(np.abs(waves + 0.6 * streaks) / 0.09, 0, 1)
        )
    return ridges


def _vessels(
    shape: tuple[int, int],
    outlined: Outline,
    spacing_mm: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """A few winding lines of even width."""
    canvas = np.zeros(shape, np.uint8)
    top, bottom = outlined.span
    for _ in range(rng.integers(2, 5)):
        x, y = (
            0.0,
            rng.uniform(top + 0.2 * (bottom - top), bottom - 0.15 * (bottom - top)),
        )
        heading, points = rng.normal(0, 0.4), []
        while x < outlined.nipple[0] * 0.9 and len(points) < 60:
            points.append((x, y))
            heading = 0.9 * heading + rng.normal(0, 0.16)
            x += 3.0 / spacing_mm * np.cos(heading)
            y += 3.0 / spacing_mm * np.sin(heading)
        width = max(1, round(rng.uniform(1.0, 1.9) / spacing_mm))
        line = np.rint(np.array(points) * 8).astype(np.int32)
        cv2.polylines(canvas, [line], False, 255, width, cv2.LINE_AA, shift=3)

    soft = cv2.GaussianBlur(canvas, (0, 0), 0.5 / spacing_mm)
    return soft.astype(np.float32) / 255


def _rows_and_columns(shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Indices that broadcast to an image of this shape."""
    return np.arange(shape[0], dtype=np.float32)[:, None], np.arange(
        shape[1], dtype=np.float32
    )[None, :]
