"""Head CT: slices in Hounsfield units."""

import functools
from collections.abc import Sequence

import numpy as np

from keras_medformers.modalities.modality import Modality, level_and_width

BRAIN_WINDOW_HU = (40, 80)
"""Level and width."""


def sample_slices_hu(
    sizes_px: Sequence[int] = (512, 256), seed: int = 0
) -> list[np.ndarray]:
    """Head-like slices to compare models on: air, a ring of bone, noisy brain with a spot.

    Args:
        sizes_px: Side of each batch's slices.
        seed: Seed of the noise.

    Returns:
        One int16 batch of HU per size, of shape `(batch, size, size, 1)`; the first has one
        slice, the next two, ...
    """
    generator = np.random.default_rng(seed)
    batches = []
    for count, size in enumerate(sizes_px, start=1):
        y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
        radius = np.hypot(x / 0.75, y / 0.9)
        head = np.where(radius > 1, -1000, np.where(radius > 0.92, 1200, 35))
        head = np.where(np.hypot(x - 0.2, y) < 0.12, 70, head)
        noisy = head + generator.normal(0, 5, (count, size, size))
        batches.append(np.rint(noisy).astype("int16")[..., None])
    return batches


_LEVEL, _WIDTH = BRAIN_WINDOW_HU

HEAD_CT = Modality(
    name="ct",
    dtype="int16",
    channels=1,
    unit="Hounsfield units",
    noun="slice",
    one="CT slice",
    group_noun="patient",
    in_series=True,
    pictures="slices of head CT",
    dicom_modalities=("CT",),
    procedure="CTUnspecifiedBodyRegion",
    record_format="hu-int16",
    background=-1000,
    a_value_below=0,
    refusal="expected Hounsfield units, in which air is about -1000; these images have no "
    "value below 0, so they are grey values, or stored values before rescale slope and "
    "intercept",
    augmentations=("none", "soft", "hard", "dtvit"),
    to_grey=functools.partial(level_and_width, level=_LEVEL, width=_WIDTH),
    picture_words=f"Brain window (level {_LEVEL}, width {_WIDTH} HU)",
    draw_samples=sample_slices_hu,
)
