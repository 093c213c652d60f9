"""Mammograms as pictures for the eye."""

import cv2
import numpy as np

BRIGHTEST_PERCENT = 99.8
"""Share of the values above the darkest that stay below white; clips and markers are the rest."""

SHEET_PX = 640


def mammogram_picture(
    image: np.ndarray, longest_px: int | None = SHEET_PX
) -> np.ndarray:
    """Grey values from the darkest to nearly the brightest of the breast, as uint8.

    Args:
        image: uint16, `(height, width)` or `(height, width, 1)`.
        longest_px: Larger images are made smaller, by area averaging, to this longer side; None leaves them.

    Returns:
        `(height, width)`.
    """
    grey = np.asarray(image).reshape(image.shape[:2])
    scale = 1 if longest_px is None else longest_px / max(grey.shape)
    if scale < 1:
        height, width = (max(1, round(scale * side)) for side in grey.shape)
        grey = cv2.resize(grey, (width, height), interpolation=cv2.INTER_AREA)
    darkest = grey.min()
    inside = grey[grey > darkest]
    if not inside.size:
        return np.zeros(grey.shape, np.uint8)
    brightest = np.percentile(inside, BRIGHTEST_PERCENT)
    shown = (grey.astype("float32") - darkest) * (255 / max(brightest - darkest, 1))
    return np.rint(np.clip(shown, 0, 255)).astype(np.uint8)
