"""Pictures brought to the network's size, against Pillow's resize and a crop of its centre."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_medformers.layers import ResizeAndCrop

SIZES = [
    (450, 600),
    (601, 451),
    (301, 1003),
    (143, 76),
    (100, 143),
    (256, 256),
    (224, 224),
]


def photograph(height, width):
    """Smooth shading, hard edges and grain."""
    rows, columns = np.mgrid[:height, :width]
    image = np.stack(
        [
            128 + 60 * np.sin(columns / 17 + c) + 50 * np.cos(rows / 23)
            for c in range(3)
        ],
        -1,
    )
    image[height // 3 : height // 2, width // 4 : width // 2] = 200, 30, 60
    image += np.random.default_rng(0).normal(0, 12, image.shape)
    return image.clip(0, 255).astype("uint8")


def by_pillow(image, resize_to, crop_to):
    height, width = image.shape[:2]
    shorter = min(height, width)
    height, width = resize_to * height // shorter, resize_to * width // shorter
    resized = Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR)
    left, top = round((width - crop_to) / 2), round((height - crop_to) / 2)
    return np.asarray(
        resized.crop((left, top, left + crop_to, top + crop_to)), "float32"
    )


@pytest.mark.parametrize("size", SIZES)
def test_equals_pillow_but_for_its_rounding(size):
    image = photograph(*size)

    ours = np.asarray(ResizeAndCrop(256, 224)(image[None]))[0]

    difference = ours - by_pillow(image, 256, 224)
    assert np.abs(difference).max() < 1.01
    assert np.abs(difference).mean() < 0.35
    assert abs(difference.mean()) < 0.1


def test_odd_margins_are_cropped_as_torchvision_rounds_them():
    image = photograph(90, 150)

    ours = np.asarray(ResizeAndCrop(33, 20)(image[None]))[0]

    assert np.abs(ours - by_pillow(image, 33, 20)).max() < 1.01


def test_same_values_in_a_dataset_that_does_not_know_the_size():
    layer, images = ResizeAndCrop(64, 56), [photograph(*size) for size in SIZES]
    unknown = tf.TensorSpec((None, None, 3), "uint8")
    dataset = tf.data.Dataset.from_generator(lambda: images, output_signature=unknown)

    mapped = dataset.map(lambda image: layer(image[None])[0])

    assert mapped.element_spec.shape == (56, 56, 3)
    for ours, image in zip(mapped, images, strict=True):
        np.testing.assert_allclose(ours, np.asarray(layer(image[None]))[0], atol=1e-3)


def test_whole_batches_at_once():
    layer, images = (
        ResizeAndCrop(64, 56),
        np.stack([photograph(80, 90), 255 - photograph(80, 90)]),
    )

    together = np.asarray(layer(images))

    for result, image in zip(together, images):
        np.testing.assert_allclose(result, np.asarray(layer(image[None]))[0], atol=1e-3)


@pytest.mark.parametrize("sizes", [(50, 56), (10, 0)])
def test_refuses_a_crop_that_does_not_fit(sizes):
    with pytest.raises(ValueError, match=f"crop_to={sizes[1]}"):
        ResizeAndCrop(*sizes)
