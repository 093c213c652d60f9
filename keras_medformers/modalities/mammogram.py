"""Mammograms: grey values in presentation order, the breast cut out at one scale."""

from collections.abc import Sequence

import numpy as np

from keras_medformers.modalities.grey_values import darkest_to_brightest
from keras_medformers.modalities.modality import Modality


def sample_mammograms(
    sizes_px: Sequence[tuple[int, int]] = ((416, 320), (208, 160)), seed: int = 0
) -> list[np.ndarray]:
    """Mammograms, roughly, to compare models on: half a disc of tissue with a bright spot.

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
        y, x = np.mgrid[-1 : 1 : height * 1j, 0 : 1 : width * 1j]
        breast = np.where(np.hypot(x / 0.8, y / 0.9) < 1, 1400, 0)
        breast = np.where(np.hypot(x - 0.3, y - 0.1) < 0.1, 2600, breast)
        noisy = breast + generator.normal(0, 60, (count, height, width)) * (breast > 0)
        batches.append(np.clip(np.rint(noisy), 0, 4095).astype("uint16")[..., None])
    return batches


MAMMOGRAM = Modality(
    name="mammogram",
    dtype="uint16",
    channels=1,
    unit="grey values, 0 for air",
    noun="mammogram",
    one="mammogram",
    group_noun="patient",
    pictures="mammograms",
    dicom_modalities=("MG",),
    procedure="XRUnspecifiedBodyRegion",
    record_format="uint16",
    keeps_size=True,
    varies=True,
    refusal="expected mammograms; these images have the same value everywhere",
    augmentations=("none", "flips_noise"),
    few_positive=True,
    has_receptive_fields=True,
    to_grey=darkest_to_brightest,
    draw_samples=sample_mammograms,
)
