"""Random crops: inside the picture, of the areas and shapes asked for, and the same for the same key."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from training.input.random_crop import random_box, random_resized_crop

SIZE_PX = 32


def key_of(number):
    return tf.constant([7, number], tf.int64)


@tf.function
def boxes(height, width, min_area, count):
    keys = tf.stack(
        [tf.fill([count], tf.constant(7, tf.int64)), tf.range(count, dtype=tf.int64)],
        axis=1,
    )
    one = lambda key: tf.stack(random_box(height, width, key, min_area))
    return tf.map_fn(one, keys, fn_output_signature=tf.int32)


@pytest.mark.parametrize(
    "height, width", [(450, 600), (600, 450), (40, 40), (100, 320), (1, 1), (3, 500)]
)
@pytest.mark.parametrize("min_area", [0.08, 0.5, 1.0])
def test_boxes_lie_in_the_picture_and_have_the_shape_asked_for(height, width, min_area):
    top, left, box_height, box_width = boxes(height, width, min_area, 200).numpy().T
    assert np.all((box_height >= 1) & (box_width >= 1) & (top >= 0) & (left >= 0))
    assert np.all((top + box_height <= height) & (left + box_width <= width))
    # Whole pixels: half a pixel more or less on either side.
    assert np.all((box_width + 0.5) / (box_height - 0.5) >= 0.75)
    assert np.all((box_width - 0.5) / (box_height + 0.5) <= 4 / 3)
    largest = min(height * width, height * (height * 4 / 3), width * (width * 4 / 3))
    least = min(min_area * height * width, largest)
    assert np.all((box_height + 0.5) * (box_width + 0.5) >= least)


def test_areas_and_places_are_drawn_evenly():
    top, left, box_height, box_width = boxes(450, 600, 0.08, 4000).numpy().T
    shares = box_height * box_width / (450 * 600)
    # Large boxes of unfit shape are drawn anew, so that the evenness holds below.
    small = shares[shares < 0.7]
    np.testing.assert_allclose(
        np.histogram(small, bins=5, range=(0.08, 0.7))[0] / len(small), 0.2, atol=0.03
    )
    ratios = np.log(box_width / box_height)[shares < 0.3]
    counts = np.histogram(ratios, bins=4, range=(-np.log(4 / 3), np.log(4 / 3)))[0]
    np.testing.assert_allclose(counts / len(ratios), 0.25, atol=0.05)
    for start, room in ((top, 450 - box_height), (left, 600 - box_width)):
        movable = room > 50
        assert np.mean(start[movable] / room[movable]) == pytest.approx(0.5, abs=0.02)


def test_picture_that_no_box_fits_gives_its_middle():
    # 1:20 pictures hold no box of 8% or more of their area that is at most 4:3.
    for top, left, height, width in boxes(400, 20, 0.5, 5).numpy():
        assert (height, width, left) == (27, 20, 0) and top == (400 - 27) // 2
    for top, left, height, width in boxes(20, 400, 0.5, 5).numpy():
        assert (height, width, top) == (20, 27, 0) and left == (400 - 27) // 2


@pytest.fixture(scope="module")
def picture():
    """Structure on all scales: noise over a gradient and a disc off the middle."""
    rows, columns = np.mgrid[:90, :120]
    disc = np.where(np.hypot(rows - 30, columns - 80) < 20, 90, 0)
    noise = np.random.default_rng(0).normal(0, 25, (90, 120, 3))
    ramps = np.stack([rows, columns, 60 + 0 * rows], axis=2)
    return (disc[:, :, None] + ramps + noise).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("number", range(4))
def test_crop_is_the_boxs_content_resized_as_pillow_does(picture, number):
    result = random_resized_crop(picture, key_of(number), SIZE_PX, 0.08)
    assert result.shape == (SIZE_PX, SIZE_PX, 3) and result.dtype == tf.float32
    box_key = tf.unstack(tf.random.split(key_of(number), 2))[0]
    top, left, height, width = (
        int(value) for value in random_box(90, 120, box_key, 0.08)
    )
    cut = Image.fromarray(picture[top : top + height, left : left + width])
    expected = np.asarray(
        cut.resize((SIZE_PX, SIZE_PX), Image.Resampling.BILINEAR), "float32"
    )
    plain, exchanged = (
        np.abs(result - side).max() for side in (expected, expected[:, ::-1])
    )
    assert min(plain, exchanged) < 1.01 < max(plain, exchanged)


def test_left_and_right_are_exchanged_in_about_half(picture):
    ramp = np.repeat(
        np.tile(np.arange(120, dtype=np.uint8), (90, 1))[:, :, None], 3, axis=2
    )
    crops = [
        random_resized_crop(ramp, key_of(number), SIZE_PX, 0.08).numpy()
        for number in range(60)
    ]
    assert 0.3 < np.mean([crop[0, 0, 0] > crop[0, -1, 0] for crop in crops]) < 0.7


def test_same_key_same_bits_eagerly_and_in_a_dataset(picture):
    def crop(number):
        return random_resized_crop(
            picture, tf.stack([tf.constant(7, tf.int64), number]), SIZE_PX, 0.08
        )

    numbers = tf.data.Dataset.range(6)
    mapped = list(numbers.map(crop, num_parallel_calls=3).as_numpy_iterator())
    tf.random.set_seed(5)
    for number, expected in enumerate(mapped):
        np.testing.assert_array_equal(crop(tf.constant(number, tf.int64)), expected)
    assert all(np.abs(crop - mapped[0]).max() > 5 for crop in mapped[1:])
