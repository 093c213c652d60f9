"""Marks drawn one by one into a lesion: round spots and branching vessels."""

import cv2
import numpy as np

from data_prep.phantoms.skin.canvas import FIELD_MM, PX_PER_MM, SIZE_PX

_SHIFT_BITS = 4


def scatter(
    rng: np.random.Generator, region: np.ndarray, count: int, apart_mm: float = 0.0
) -> np.ndarray:
    """Places points at random where a map allows.

    Args:
        rng: Source of randomness.
        region: Chance of every pixel, relative to others, float32 of shape `(SIZE_PX, SIZE_PX)`.
        count: Number of points wished; fewer come where the region is empty or full.
        apart_mm: Least distance between points.

    Returns:
        float64 of shape `(points, 2)`: x and y in mm.
    """
    coarse = np.maximum(region[::8, ::8], 0.0).astype(np.float64).ravel()
    total = coarse.sum()
    if count < 1 or total < 1e-6:
        return np.zeros((0, 2))

    tries = count * 6 if apart_mm else count
    cells = rng.choice(coarse.size, size=tries, p=coarse / total)
    columns = SIZE_PX // 8
    pixels = np.stack([cells % columns, cells // columns], axis=1) * 8 + rng.uniform(
        0, 8, (tries, 2)
    )
    points = pixels / PX_PER_MM - FIELD_MM / 2
    if not apart_mm:
        return points

    kept = []
    for point in points:
        if all(np.hypot(*(point - other)) >= apart_mm for other in kept):
            kept.append(point)
        if len(kept) == count:
            break

    return np.array(kept).reshape(-1, 2)


def spots(
    points_mm: np.ndarray,
    radii_mm: np.ndarray,
    strengths: np.ndarray | None = None,
    elongations: np.ndarray | None = None,
    blur_mm: float = 0.03,
) -> np.ndarray:
    """Round or oval spots.

    Args:
        points_mm: Centres, of shape `(spots, 2)`.
        radii_mm: Of shape `(spots,)`.
        strengths: From 0 to 1, of shape `(spots,)`; all 1 when None.
        elongations: Length by width, of shape `(spots,)`; turned by golden angles. Discs when None.
        blur_mm: Softness of their edges.

    Returns:
        float32 of shape `(SIZE_PX, SIZE_PX)`, from 0 to 1.
    """
    drawn = np.zeros((SIZE_PX, SIZE_PX), np.uint8)
    scale = 1 << _SHIFT_BITS
    for k, (point, radius) in enumerate(zip(points_mm, radii_mm, strict=True)):
        level = 255.0 if strengths is None else 255.0 * strengths[k]
        stretch = 1.0 if elongations is None else float(elongations[k]) ** 0.5
        center = _pixels(point).tolist()
        axes = np.rint(
            np.array([radius * stretch, radius / stretch]) * PX_PER_MM * scale
        ).astype(int)
        cv2.ellipse(
            drawn,
            center,
            axes.tolist(),
            137.5 * k % 360,
            0,
            360,
            level,
            -1,
            cv2.LINE_AA,
            _SHIFT_BITS,
        )

    return _soft(drawn, blur_mm)


def vessels(
    rng: np.random.Generator,
    starts_mm: np.ndarray,
    width_mm: float,
    length_mm: float,
    branching: float = 0.0,
    winding: float = 0.35,
    blur_mm: float = 0.03,
) -> np.ndarray:
    """Vessels that wind, taper and, if told to, branch like a tree.

    Args:
        rng: Source of randomness.
        starts_mm: Where each begins, of shape `(vessels, 2)`.
        width_mm: Width where it begins.
        length_mm: Its length; branches are shorter and thinner.
        branching: Chance of a branch at each of its steps.
        winding: Standard deviation of the change of direction at each step, in radians.
        blur_mm: Softness of their edges.

    Returns:
        float32 of shape `(SIZE_PX, SIZE_PX)`, from 0 to 1.
    """
    drawn = np.zeros((SIZE_PX, SIZE_PX), np.uint8)
    waiting = [
        (point, rng.uniform(0.0, 2.0 * np.pi), width_mm, length_mm)
        for point in starts_mm
    ]

    while waiting:
        point, heading, width, length = waiting.pop()
        steps = max(4, int(length / 0.25))
        headings = heading + np.cumsum(rng.normal(0.0, winding, steps))
        path = point + np.cumsum(
            np.stack([np.cos(headings), np.sin(headings)], axis=1) * 0.25, axis=0
        )
        forks = np.flatnonzero(rng.random(steps) < branching)
        _taper(drawn, np.vstack([point, path]), width)
        for fork in forks if width > 0.035 else ():
            turn = rng.choice((-1.0, 1.0)) * rng.uniform(0.5, 1.1)
            rest = 1.0 - fork / steps
            waiting.append(
                (
                    path[fork],
                    headings[fork] + turn,
                    width * 0.65,
                    length * (0.3 + 0.4 * rest),
                )
            )

    return _soft(drawn, blur_mm)


def _taper(drawn: np.ndarray, path_mm: np.ndarray, width_mm: float) -> None:
    pixels = _pixels(path_mm).astype(np.int32)
    for share, part in zip(
        (1.0, 0.75, 0.5), np.array_split(np.arange(len(pixels)), 3), strict=True
    ):
        part = np.arange(part[0], min(part[-1] + 2, len(pixels)))
        width_px = width_mm * share * PX_PER_MM
        level = int(255 * min(1.0, 0.35 + 0.65 * width_px))
        thickness = max(1, round(width_px))
        cv2.polylines(
            drawn, [pixels[part]], False, level, thickness, cv2.LINE_AA, _SHIFT_BITS
        )


def _pixels(point_mm: np.ndarray) -> np.ndarray:
    """Pixel coordinates as OpenCV's drawing wants them: integers with `_SHIFT_BITS` bits of fraction."""
    pixels = (np.asarray(point_mm) + FIELD_MM / 2) * PX_PER_MM
    return np.rint(pixels * (1 << _SHIFT_BITS)).astype(int)


def _soft(drawn: np.ndarray, blur_mm: float) -> np.ndarray:
    return cv2.GaussianBlur(drawn, (0, 0), max(blur_mm * PX_PER_MM, 0.4)) * np.float32(
        1 / 255
    )
