"""Photographs: RGB pictures as JPEG and PNG files decode to."""

from collections.abc import Sequence

import numpy as np

from keras_medformers.modalities.modality import Modality


def sample_photographs(
    sizes_px: Sequence[tuple[int, int]] = ((300, 400), (260, 230)), seed: int = 0
) -> list[np.ndarray]:
    """Photographs of skin, roughly, to compare models on: a dark spot, unevenly lit.

    Args:
        sizes_px: Height and width of each batch's pictures.
        seed: Seed of the noise.

    Returns:
        One uint8 RGB batch per size, of shape `(batch, height, width, 3)`; the first has one
        picture, the next two, ...
    """
    generator = np.random.default_rng(seed)
    batches = []
    for count, (height, width) in enumerate(sizes_px, start=1):
        y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
        spot = 1 / (1 + np.exp(20 * (np.hypot(x - 0.1, y) - 0.5)))[..., None]
        skin = np.array([224, 172, 150]) * (1 - 0.2 * x * y)[..., None]
        picture = skin * (1 - spot) + np.array([96, 60, 48]) * spot
        noisy = picture + generator.normal(0, 8, (count, height, width, 3))
        batches.append(np.clip(np.rint(noisy), 0, 255).astype("uint8"))
    return batches


PHOTOGRAPH = Modality(
    name="photograph",
    dtype="uint8",
    channels=3,
    unit="levels of red, green and blue",
    noun="photograph",
    one="picture",
    pictures="photographs",
    is_file=True,
    augmentations=("none", "crop"),
    draw_samples=sample_photographs,
)
