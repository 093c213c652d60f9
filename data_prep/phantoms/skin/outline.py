"""The outline of a lesion: how far every pixel lies inside or outside."""

import numpy as np

from data_prep.phantoms.head_ct.shapes import smooth_min
from data_prep.phantoms.skin.canvas import X_MM, Y_MM
from data_prep.phantoms.skin.texture import smooth_noise


def outline(
    rng: np.random.Generator,
    radius_mm: float,
    elongation: float = 1.0,
    asymmetry: float = 0.0,
    waviness: float = 0.0,
    roughness: float = 0.0,
) -> np.ndarray:
    """Distance to the edge of a lesion, to first order.

    Args:
        rng: Source of randomness.
        radius_mm: Radius of a disc of about the same area.
        elongation: Length by width.
        asymmetry: From 0 for an ellipse to 1 for one with a second lobe as large as itself.
        waviness: Depth of bays and capes in mm.
        roughness: Depth of notches in mm.

    Returns:
        float32 of shape `(SIZE_PX, SIZE_PX)` in mm, negative inside.
    """
    x, y = X_MM, Y_MM
    for amount_mm, wavelength_mm in ((waviness, radius_mm * 1.3), (roughness, 0.9)):
        if amount_mm:
            x = x + np.float32(amount_mm) * smooth_noise(rng, wavelength_mm)
            y = y + np.float32(amount_mm) * smooth_noise(rng, wavelength_mm)

    angle = rng.uniform(0.0, np.pi)
    distance = _ellipse(x, y, radius_mm, elongation, angle)
    if asymmetry:
        direction = rng.uniform(0.0, 2.0 * np.pi)
        away = radius_mm * rng.uniform(0.7, 1.0)
        lobe = _ellipse(
            x - np.float32(away * np.cos(direction)),
            y - np.float32(away * np.sin(direction)),
            radius_mm * (0.45 + 0.55 * asymmetry),
            1.0 + rng.uniform(0.0, 0.6),
            rng.uniform(0.0, np.pi),
        )
        distance = smooth_min(distance, lobe, 0.5)

    return distance


def _ellipse(
    x: np.ndarray, y: np.ndarray, radius_mm: float, elongation: float, angle: float
) -> np.ndarray:
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    stretch = np.float32(elongation**0.5)
    along, across = (x * cos + y * sin) / stretch, (y * cos - x * sin) * stretch
    return np.sqrt(along * along + across * across) - np.float32(radius_mm)
