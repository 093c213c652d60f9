"""Drawn pictures on which an exported model is compared with the model it came from."""

from collections.abc import Sequence

import numpy as np

from keras_medformers.serving.pixels import Pixels


def sample_pixels(kind: Pixels) -> list[np.ndarray]:
    """Batches of images of a kind."""
    if kind.are_photographs:
        return sample_photographs()
    return sample_mammograms() if kind.are_mammograms else sample_slices_hu()


def sample_slices_hu(
    sizes_px: Sequence[int] = (512, 256), seed: int = 0
) -> list[np.ndarray]:
    """Head-like slices to compare models on: air, a ring of bone, noisy brain with a bright spot.

    Args:
        sizes_px: Side of each batch's slices.
        seed: Seed of the noise.

    Returns:
        One int16 batch of HU per size, of shape `(batch, size, size, 1)`; the first has one slice, the next
        two, ...
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


def sample_photographs(
    sizes_px: Sequence[tuple[int, int]] = ((300, 400), (260, 230)), seed: int = 0
) -> list[np.ndarray]:
    """Photographs of skin, roughly, to compare models on: a dark spot, unevenly lit, with noise.

    Args:
        sizes_px: Height and width of each batch's pictures.
        seed: Seed of the noise.

    Returns:
        One uint8 RGB batch per size, of shape `(batch, height, width, 3)`; the first has one picture, the
        next two, ...
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


def sample_mammograms(
    sizes_px: Sequence[tuple[int, int]] = ((416, 320), (208, 160)), seed: int = 0
) -> list[np.ndarray]:
    """Mammograms, roughly, to compare models on: half a disc of tissue at the left, with a bright spot.

    Args:
        sizes_px: Height and width of each batch's images.
        seed: Seed of the noise.

    Returns:
        One uint16 batch per size, of shape `(batch, height, width, 1)`; the first has one image, the next
        two, ...
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
