"""Random fields on a patch of skin: smooth noise, the distance to a lattice of points, ridges."""

import cv2
import numpy as np

from data_prep.phantoms.skin.canvas import FIELD_MM, PX_PER_MM, SIZE_PX

_PIXELS = np.meshgrid(
    np.arange(SIZE_PX, dtype=np.float32), np.arange(SIZE_PX, dtype=np.float32)
)


def smooth_noise(rng: np.random.Generator, wavelength_mm: float) -> np.ndarray:
    """Smooth noise of mean 0 and a standard deviation near 1, float32 of shape `(SIZE_PX, SIZE_PX)`."""
    cells = int(np.ceil(FIELD_MM / wavelength_mm * 2.0)) + 3
    values = rng.standard_normal((cells, cells), dtype=np.float32) * np.float32(1.4)
    return cv2.resize(values, (SIZE_PX, SIZE_PX), interpolation=cv2.INTER_CUBIC)


def sway(
    rng: np.random.Generator, patch: np.ndarray, amount_mm: float = 0.10
) -> np.ndarray:
    """Bends a finished patch a little, uint8 to uint8: nothing in skin is quite straight, round or even."""
    x, y = (
        _PIXELS[axis] + np.float32(amount_mm * PX_PER_MM) * smooth_noise(rng, 2.6)
        for axis in (0, 1)
    )
    return cv2.remap(patch, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)


def ridges(
    rng: np.random.Generator, wavelength_mm: float, sharpness: float = 4.0
) -> np.ndarray:
    """Winding lines, 1 on their crests and 0 between: where smooth noise crosses zero."""
    noise = smooth_noise(rng, wavelength_mm)
    return np.exp(-np.float32(sharpness) * noise * noise)


def lattice_points(
    rng: np.random.Generator, spacing_mm: float, jitter: float
) -> np.ndarray:
    """Points of a shaken hexagonal lattice over the patch.

    Args:
        rng: Source of randomness.
        spacing_mm: Mean distance of neighbours.
        jitter: Standard deviation of each point's shift, in spacings.

    Returns:
        float64 of shape `(points, 2)`: x and y in mm.
    """
    rows = int(FIELD_MM / (spacing_mm * 0.866)) + 2
    columns = int(FIELD_MM / spacing_mm) + 2
    row, column = np.mgrid[:rows, :columns]
    x = (column + 0.5 * (row % 2)) * spacing_mm - FIELD_MM / 2
    y = row * spacing_mm * 0.866 - FIELD_MM / 2
    points = np.stack([x.ravel(), y.ravel()], axis=1)
    points += rng.normal(0.0, jitter * spacing_mm, points.shape)
    angle = rng.uniform(0.0, np.pi)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    # Turned, the square of points leaves the patch's corners empty, where no lesion reaches.
    return points @ turn


def distance_to_points(points_mm: np.ndarray) -> np.ndarray:
    """Distance in mm of every pixel to the nearest of the points, float32 of shape `(SIZE_PX, SIZE_PX)`."""
    pixels = np.floor((points_mm + FIELD_MM / 2) * PX_PER_MM).astype(int)
    pixels = pixels[((pixels >= 0) & (pixels < SIZE_PX)).all(axis=1)]
    empty = np.full((SIZE_PX, SIZE_PX), 255, np.uint8)
    empty[pixels[:, 1], pixels[:, 0]] = 0
    return cv2.distanceTransform(empty, cv2.DIST_L2, cv2.DIST_MASK_5) / np.float32(
        PX_PER_MM
    )
