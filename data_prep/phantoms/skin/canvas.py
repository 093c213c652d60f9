"""The patch of skin on which a lesion is drawn: pigment and blood that absorb light, and layers on top.

Skin is a pale scatterer; melanin and blood in it absorb light, each with its own spectrum (Beer-Lambert), so
that more pigment goes from tan over brown to black, and more blood from pink over red to dark red. What lies
deep (blue-grey) or on the surface (scale, scars, horn) covers what is below it.
"""

import cv2
import numpy as np

SIZE_PX = 544
FIELD_MM = 19.0
PX_PER_MM = SIZE_PX / FIELD_MM
"""Of a drawn patch, which views then magnify, turn and crop."""

MELANIN_ABSORPTION = np.array([0.52, 0.84, 1.12], np.float32)
BLOOD_ABSORPTION = np.array([0.24, 0.90, 0.74], np.float32)
SCATTER = np.array([0.95, 0.89, 0.86], np.float32)
"""What skin without melanin and blood sends back."""

_CENTERS_MM = ((np.arange(SIZE_PX) + 0.5) / PX_PER_MM - FIELD_MM / 2).astype(np.float32)
X_MM, Y_MM = np.meshgrid(_CENTERS_MM, _CENTERS_MM)
"""Coordinates of the pixels of a patch; its centre is (0, 0)."""


class Canvas:
    """Collects what lies in and on a patch of skin and renders it.

    Attributes:
        melanin: Optical density of melanin, float32 of shape `(SIZE_PX, SIZE_PX)`, to be added to.
        blood: The same of blood.
    """

    def __init__(self):
        self.melanin = np.zeros((SIZE_PX, SIZE_PX), np.float32)
        self.blood = np.zeros((SIZE_PX, SIZE_PX), np.float32)
        self._layers = []

    def cover(self, color: tuple[float, ...], coverage: np.ndarray) -> None:
        """Lays a colour over what is there.

        Args:
            color: Red, green and blue, from 0 to 1.
            coverage: From 0 to 1, float32 of shape `(SIZE_PX, SIZE_PX)`.
        """
        self._layers.append((np.asarray(color, np.float32), coverage))

    def render(self) -> np.ndarray:
        """The patch as uint8 RGB of shape `(SIZE_PX, SIZE_PX, 3)`."""
        absorption = np.stack([-MELANIN_ABSORPTION, -BLOOD_ABSORPTION], axis=1)
        image = cv2.exp(
            cv2.transform(cv2.merge([self.melanin, self.blood]), absorption)
        )
        image *= SCATTER
        for color, coverage in self._layers:
            image += (color - image) * np.clip(coverage, 0.0, 1.0)[..., None]
        return np.clip(image * np.float32(255.0), 0.0, 255.0).astype(np.uint8)
