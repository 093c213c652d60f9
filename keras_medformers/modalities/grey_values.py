"""Pictures of X-rays for the eye: grey values from the darkest to nearly the brightest."""

import numpy as np

BRIGHTEST_PERCENT = 99.8
"""Share of the values above the darkest that stay below white; clips and markers are the
rest."""


def darkest_to_brightest(grey: np.ndarray) -> np.ndarray:
    """Grey values from the darkest to nearly the brightest of what is above it, as uint8.

    Args:
        grey: uint16 of shape `(height, width)`.
    """
    darkest = grey.min()
    inside = grey[grey > darkest]
    if not inside.size:
        return np.zeros(grey.shape, np.uint8)
    brightest = np.percentile(inside, BRIGHTEST_PERCENT)
    shown = (grey.astype("float32") - darkest) * (255 / max(brightest - darkest, 1))
    return np.rint(np.clip(shown, 0, 255)).astype(np.uint8)
