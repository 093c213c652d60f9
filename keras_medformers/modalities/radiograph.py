"""Radiographs: projection X-rays in presentation order, from DX, CR and PNG files."""

from collections.abc import Sequence

import numpy as np

from keras_medformers.modalities.grey_values import darkest_to_brightest
from keras_medformers.modalities.modality import Modality


def sample_radiographs(
    sizes_px: Sequence[tuple[int, int]] = ((300, 260), (240, 280)), seed: int = 0
) -> list[np.ndarray]:
    """Chests, roughly, to compare models on: two dark fields in grey, with a bright spot.

    Args:
        sizes_px: Height and width of each batch's images.
        seed: Seed of the noise.

    Returns:
        One uint16 batch per size, of shape `(batch, height, width, 1)`; the first has one
        image, the next two, ...
    """
    generator = np.random.default_rng(seed)
    batches = []
    for count, (height, width) in enumerate(sizes_px, start=1):
        y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
        lung = np.hypot((np.abs(x) - 0.42) / 0.33, y / 0.75) < 1
        grey = np.where(lung, 16000, 42000)
        grey = np.where(np.hypot(x - 0.4, y - 0.2) < 0.1, 36000, grey)
        noisy = grey + generator.normal(0, 900, (count, height, width))
        batches.append(np.clip(np.rint(noisy), 0, 65535).astype("uint16")[..., None])
    return batches


RADIOGRAPH = Modality(
    name="radiograph",
    dtype="uint16",
    channels=1,
    unit="grey values, 0 for black as shown",
    noun="radiograph",
    one="radiograph",
    group_noun="patient",
    pictures="radiographs",
    dicom_modalities=("DX", "CR"),
    procedure="XRUnspecifiedBodyRegion",
    record_format="uint16",
    varies=True,
    refusal="expected radiographs; these images have the same value everywhere",
    augmentations=("none", "soft", "hard"),
    to_grey=darkest_to_brightest,
    draw_samples=sample_radiographs,
)
