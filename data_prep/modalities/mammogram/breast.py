"""Finds the breast in a mammogram: what is not air and not a label."""

from dataclasses import dataclass

import cv2
import numpy as np

WORK_HEIGHT_PX = 832
"""The search takes place at this height at most."""

LABEL_STROKE_SHARE = 0.02
"""Of the working height: nothing thinner than this belongs to the breast."""

LEAST_AREA_SHARE = 0.03
OTSU_SHARE = 0.5
"""The threshold lies at this share of Otsu's, which without it takes the thin edge for air."""


class NoBreast(ValueError):
    """There is no breast in an image."""


@dataclass(frozen=True)
class Breast:
    """Where the breast lies.

    Attributes:
        mask: bool of the image's shape.
        left, top, right, bottom: The smallest box around it, in pixels; right and bottom lie just beyond.
        side: "left" or "right": at which edge of the image the chest wall is; "" where it is not clear.
    """

    mask: np.ndarray
    left: int
    top: int
    right: int
    bottom: int
    side: str


def find_breast(grey: np.ndarray) -> Breast:
    """Finds the largest connected region above air, without letters and markers.

    A threshold below Otsu's on the square root of the grey values, in which the dark skin line is nearer to
    tissue than to air; an opening that cuts off what is thin; the largest component; its holes filled.

    Args:
        grey: uint16 of shape `(height, width)`, air dark.

    Raises:
        NoBreast: If nothing large enough stands out.
    """
    height, width = grey.shape
    scale = min(1.0, WORK_HEIGHT_PX / height)
    small = (
        cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        if scale < 1
        else grey
    )
    low, high = np.percentile(small, [1, 99.5])
    if high <= low:
        raise NoBreast

    level = np.sqrt(np.clip((small.astype(np.float32) - low) / (high - low), 0, 1))
    level = cv2.GaussianBlur(np.rint(level * 255).astype(np.uint8), (5, 5), 0)
    otsu, _ = cv2.threshold(level, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    tissue = (level > OTSU_SHARE * otsu).astype(np.uint8)
    stroke = max(3, round(LABEL_STROKE_SHARE * small.shape[0]))
    # The chest wall's edge is no edge of the breast: the opening must not round its corners.
    edge = 2 * stroke
    tissue = cv2.copyMakeBorder(tissue, edge, edge, edge, edge, cv2.BORDER_REPLICATE)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (stroke, stroke))
    tissue = cv2.morphologyEx(tissue, cv2.MORPH_OPEN, kernel)[edge:-edge, edge:-edge]
    count, of_pixel, stats, _ = cv2.connectedComponentsWithStats(tissue, connectivity=4)
    if count < 2:
        raise NoBreast

    largest = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
    breast = _filled(of_pixel == largest)
    if np.mean(breast) < LEAST_AREA_SHARE:
        raise NoBreast

    mask = cv2.resize(breast, (width, height), interpolation=cv2.INTER_NEAREST).astype(
        bool
    )
    columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    return Breast(
        mask,
        int(columns[0]),
        int(rows[0]),
        int(columns[-1]) + 1,
        int(rows[-1]) + 1,
        _side(mask),
    )


def _filled(region: np.ndarray) -> np.ndarray:
    outlines, _ = cv2.findContours(
        region.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
    )
    return cv2.drawContours(
        np.zeros(region.shape, np.uint8), outlines, -1, 1, cv2.FILLED
    )


def _side(mask: np.ndarray) -> str:
    """The edge of the image along which more of the breast lies."""
    columns = np.flatnonzero(mask.any(axis=0))
    strip = max(1, (columns[-1] - columns[0]) // 20)
    left = np.count_nonzero(mask[:, columns[0] : columns[0] + strip])
    right = np.count_nonzero(mask[:, columns[-1] + 1 - strip : columns[-1] + 1])
    if left == right:
        return ""
    return "left" if left > right else "right"
