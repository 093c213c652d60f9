"""Takes a picture of a patch of skin: magnification, turn, light, focus, noise."""

import cv2
import numpy as np

from data_prep.phantoms.skin.canvas import PX_PER_MM, SIZE_PX

LEAST_SIDE_MM = 8.5
MOST_SIDE_MM = 12.5
"""What the shorter side of a picture shows."""


def view(
    rng: np.random.Generator, patch: np.ndarray, size_px: tuple[int, int]
) -> tuple[np.ndarray, float]:
    """Magnifies, turns and crops.

    Args:
        rng: Source of randomness.
        patch: Uint8 RGB of shape `(SIZE_PX, SIZE_PX, 3)`.
        size_px: Width and height of the picture.

    Returns:
        uint8 RGB of shape `(height, width, 3)`, and the picture's pixels per mm.
    """
    scale = min(size_px) / (rng.uniform(LEAST_SIDE_MM, MOST_SIDE_MM) * PX_PER_MM)
    shift_mm = rng.normal(0.0, 0.45, 2).clip(-1.2, 1.2)
    # The patch's pixel at `center` comes to the middle of the picture.
    center = SIZE_PX / 2 + shift_mm * PX_PER_MM
    matrix = cv2.getRotationMatrix2D(center.tolist(), rng.uniform(0.0, 360.0), scale)
    matrix[:, 2] += np.array(size_px) / 2 - center
    if rng.random() < 0.5:
        patch = np.ascontiguousarray(patch[:, ::-1])
    if scale < 0.8:
        patch = cv2.GaussianBlur(patch, (0, 0), 0.35 / scale)
    picture = cv2.warpAffine(patch, matrix, size_px, borderMode=cv2.BORDER_REFLECT_101)
    return picture, scale * PX_PER_MM


def expose(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    """Light that falls off to the corners and to one side, white balance, contrast, focus and noise.

    One picture in eight is taken through a round opening, with black corners.

    Args:
        rng: Source of randomness.
        picture: Uint8 RGB of shape `(height, width, 3)`.

    Returns:
        uint8 of the same shape.
    """
    height, width = picture.shape[:2]
    long_side = max(height, width)
    y = np.linspace(-1.0, 1.0, height, dtype=np.float32)[:, None] * np.float32(
        height / long_side
    )
    x = np.linspace(-1.0, 1.0, width, dtype=np.float32)[None, :] * np.float32(
        width / long_side
    )
    radius2 = x * x + y * y
    tilt = rng.normal(0.0, 0.06, 2).astype(np.float32)
    light = (
        1.0 + tilt[0] * x + tilt[1] * y - np.float32(rng.uniform(0.05, 0.32)) * radius2
    )
    noise = rng.standard_normal((height, width), dtype=np.float32)
    exposure, contrast = rng.uniform(0.88, 1.10), rng.uniform(0.85, 1.2)
    balance = exposure * (1.0 + rng.normal(0.0, 0.035, 3))
    if rng.random() < 0.125:
        opening = rng.uniform(0.85, 1.1)
        light = light * np.clip((opening - np.sqrt(radius2)) * 30.0, 0.02, 1.0)

    levels = np.arange(256) / 255.0
    table = [
        255.0 * np.clip(0.5 + contrast * (levels * gain - 0.5), 0.0, 1.0)
        for gain in balance
    ]
    picture = cv2.LUT(picture, np.stack(table, axis=-1).astype(np.uint8)[:, None])
    blur_px = rng.uniform(0.0, 1.1) * long_side / 640
    if blur_px > 0.3:
        picture = cv2.GaussianBlur(picture, (0, 0), blur_px)
    exposed = (
        picture * light[..., None]
        + (np.float32(rng.uniform(0.8, 3.0)) * noise)[..., None]
    )

    return np.clip(exposed, 0.0, 255.0).astype(np.uint8)
