"""The steps of the morphological treatment, each from picture to picture: arrays uint8, 0 or 1.

Lengths are shares of the picture's width, since a head CT shows about 240 mm whatever its size in pixels.
"""

import cv2
import numpy as np

TISSUE_ABOVE_HU = -470
"""Half way between air and soft tissue: a pixel above it is more tissue than air."""

EROSION_RADIUS = 5 / 512
PASSAGE_RADIUS = 9 / 512
EDGE_COLUMNS = 4 / 512


def binarise(hu: np.ndarray) -> np.ndarray:
    """1 where there is tissue or anything else as dense, the walls of the head holder, too.

    Args:
        hu: Hounsfield units of shape `(height, width)`.
    """
    return (hu > TISSUE_ABOVE_HU).astype(np.uint8)


def erode(binary: np.ndarray) -> np.ndarray:
    """Erosion by a disk wider than the holder's walls are thick; beyond the borders all counts as 1."""
    return cv2.erode(
        binary,
        _disk(binary, EROSION_RADIUS),
        borderType=cv2.BORDER_CONSTANT,
        borderValue=1,
    )


def clear_edge_columns(binary: np.ndarray) -> np.ndarray:
    """0 in the first and the last columns, where a table or a holder leaves the picture."""
    columns = pixels(EDGE_COLUMNS, binary)
    cleared = binary.copy()
    cleared[:, :columns] = cleared[:, -columns:] = 0
    return cleared


def largest_region(binary: np.ndarray) -> np.ndarray:
    """The connected region with most pixels; nothing where there is none."""
    _, regions, figures, _ = cv2.connectedComponentsWithStats(binary, connectivity=8)
    areas = figures[1:, cv2.CC_STAT_AREA]
    if not areas.size:
        return np.zeros_like(binary)
    return (regions == 1 + areas.argmax()).astype(np.uint8)


def grow_back(core: np.ndarray, binary: np.ndarray) -> np.ndarray:
    """What the erosion took from a region that is left: dilation by the same disk, within `binary`."""
    return cv2.dilate(core, _disk(core, EROSION_RADIUS)) & binary


def flood_fill(binary: np.ndarray) -> np.ndarray:
    """Fills holes: floods what is outside, from beyond the borders, and takes all the rest."""
    flooded = cv2.copyMakeBorder(binary, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    cv2.floodFill(flooded, None, (0, 0), 2)
    return (flooded[1:-1, 1:-1] != 2).astype(np.uint8)


def seal(head: np.ndarray) -> np.ndarray:
    """Adds the air inside that a narrow passage connects with the outside, as the ear canals do."""
    sealed = cv2.morphologyEx(head, cv2.MORPH_CLOSE, _disk(head, PASSAGE_RADIUS))
    inside = flood_fill(sealed) & ~sealed & 1
    return head | (cv2.dilate(inside, _disk(head, PASSAGE_RADIUS)) & sealed)


def normalise(hu: np.ndarray, window: tuple[float, float]) -> np.ndarray:
    """0 to 1 within a window of Hounsfield units, clipped; float32.

    Args:
        hu: Hounsfield units.
        window: Level and width in HU.
    """
    level, width = window
    return np.clip((hu.astype(np.float32) - level) / width + 0.5, 0.0, 1.0)


def to_eight_bits(normalised: np.ndarray) -> np.ndarray:
    """0 to 1 as uint8 from 0 to 255."""
    return np.rint(normalised * 255.0).astype(np.uint8)


def pixels(share: float, picture: np.ndarray) -> int:
    """A length in whole pixels, at least 1, from a share of the picture's width."""
    return max(1, round(share * picture.shape[1]))


def _disk(picture: np.ndarray, share: float) -> np.ndarray:
    radius = pixels(share, picture)
    place = np.arange(-radius, radius + 1)
    return (place[:, None] ** 2 + place**2 <= (radius + 0.5) ** 2).astype(np.uint8)
