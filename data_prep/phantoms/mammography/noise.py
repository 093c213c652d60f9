"""Random fields of several scales on a grid of pixels."""

import cv2
import numpy as np


def field(
    rng: np.random.Generator, shape: tuple[int, int], wavelength_px: float
) -> np.ndarray:
    """A smooth random field of unit deviation.

    Args:
        rng: Source of randomness.
        shape: Rows and columns.
        wavelength_px: Distance of neighbouring hills.

    Returns:
        float32 of that shape.
    """
    cells = [max(2, round(2 * length / wavelength_px) + 2) for length in shape]
    coarse = rng.standard_normal(cells, dtype=np.float32)
    fine = cv2.resize(coarse, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)
    return fine / max(float(fine.std()), 1e-6)


def fractal(
    rng: np.random.Generator,
    shape: tuple[int, int],
    longest_px: float,
    octaves: int,
    gain: float = 0.6,
) -> np.ndarray:
    """Fields of halving wavelengths and falling weights, together of unit deviation."""
    total = np.zeros(shape, np.float32)
    for octave in range(octaves):
        total += gain**octave * field(rng, shape, longest_px / 2**octave)
    return total / max(float(total.std()), 1e-6)


def smooth_step(
    values: np.ndarray, low: float | np.ndarray, high: float | np.ndarray
) -> np.ndarray:
    """0 up to `low`, 1 from `high` on, smooth between."""
    share = np.clip((values - low) / (high - low), 0.0, 1.0)
    return share * share * (3.0 - 2.0 * share)
