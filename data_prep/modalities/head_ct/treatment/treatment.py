"""The treatments by name, from Hounsfield units to Hounsfield units.

Records keep Hounsfield units, so that windows are applied in the models' graph, and treated slices go where
others go: outside the head there is air.

Reference:
    DTViT, section 2.2.1; both versions make the same mask. The later one applies it to the normalised slice
    (`MASK`), the first one superimposes it on a windowed one (`OVERLAY`): it does not say how, here they are
    multiplied.
"""

from typing import NamedTuple

import numpy as np

from data_prep.modalities.head_ct.dicom import HU_MIN
from data_prep.modalities.head_ct.treatment import morphology
from data_prep.modalities.head_ct.treatment.holder import cut_walls
from keras_medformers.modalities.head_ct import BRAIN_WINDOW_HU

MASK = "mask"
OVERLAY = "overlay"
NONE = "none"
TREATMENTS = (MASK, OVERLAY, NONE)

WINDOW_HU = BRAIN_WINDOW_HU

SMALLEST_HEAD = 0.001
"""Share of a picture that a head fills at least, after the erosion."""

SMALLEST_SHARE_KEPT = 0.5
"""Of the tissue that the erosion left; a mask that keeps less of it has missed the head."""


class NoHead(Exception):
    """A slice shows no head."""


class Steps(NamedTuple):
    """What each step makes of a slice: pictures of 0 and 1, `mask` the last."""

    binarised: np.ndarray
    eroded: np.ndarray
    edges_cleared: np.ndarray
    holder_cut: np.ndarray
    mask: np.ndarray


class TreatedSlice(NamedTuple):
    """A slice after treatment.

    Attributes:
        hu: Hounsfield units, int16.
        treated: Whether it is another than before; False where the mask would have lost the head.
    """

    hu: np.ndarray
    treated: bool


def mask_of_head(hu: np.ndarray) -> Steps:
    """Finds the head.

    Args:
        hu: Hounsfield units of shape `(height, width)`.

    Raises:
        NoHead: If no tissue is thicker than the walls of a head holder.
    """
    binarised = morphology.binarise(hu)
    eroded = morphology.erode(binarised)
    edges_cleared = morphology.clear_edge_columns(eroded)
    core = morphology.largest_region(edges_cleared)
    if np.count_nonzero(core) < SMALLEST_HEAD * core.size:
        raise NoHead
    head = cut_walls(morphology.grow_back(core, binarised), binarised)
    mask = morphology.flood_fill(morphology.seal(head))
    return Steps(binarised, eroded, edges_cleared, head, mask)


def treat(hu: np.ndarray, treatment: str) -> TreatedSlice:
    """Treats a slice; it is never emptied: where the mask misses the head, it stays as it is.

    Args:
        hu: Hounsfield units, int16 of shape `(height, width)`.
        treatment: One of `TREATMENTS`. `MASK` puts air outside the head, `OVERLAY` also clips the head to
            `WINDOW_HU`, `NONE` only looks whether there is a head.

    Raises:
        NoHead: If there is no head in it.
    """
    steps = mask_of_head(hu)
    if treatment == NONE or not keeps_head(steps):
        return TreatedSlice(hu, False)
    level, width = WINDOW_HU
    shown = (
        np.clip(hu, level - width // 2, level + width // 2)
        if treatment == OVERLAY
        else hu
    )
    return TreatedSlice(np.where(steps.mask, shown, HU_MIN).astype(np.int16), True)


def keeps_head(steps: Steps) -> bool:
    """Whether the mask has most of the tissue that the erosion left."""
    kept = np.count_nonzero(steps.eroded & steps.mask)
    return kept >= SMALLEST_SHARE_KEPT * np.count_nonzero(steps.eroded)


def as_picture(hu: np.ndarray) -> np.ndarray:
    """Normalises a slice within `WINDOW_HU` to 8 bits."""
    return morphology.to_eight_bits(morphology.normalise(hu, WINDOW_HU))
