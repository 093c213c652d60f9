"""Augmentation: slices change, and stay slices."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageEnhance

from training.input.augmentation import make_augmentation

pytestmark = pytest.mark.slow  # keras-cv takes seconds to import

SIZE_PX = 64


@pytest.fixture(scope="module")
def images():
    """A bright disc off the centre, with a brighter spot on one side, on black."""
    rows, columns = np.mgrid[:SIZE_PX, :SIZE_PX]
    disc = np.hypot(rows - 32, columns - 36) < 20
    spot = np.hypot(rows - 24, columns - 44) < 5
    image = np.where(spot, 255, np.where(disc, 120, 0)).astype(np.float32)
    return np.repeat(np.repeat(image[None, :, :, None], 3, axis=3), 16, axis=0)


def augmented(strength, images, seed=0):
    """Batches as the input pipeline makes them."""
    keys = np.stack([np.full(len(images), seed), np.arange(len(images))], axis=1)
    batches = tf.data.Dataset.from_tensor_slices((images, keys)).batch(
        len(images), drop_remainder=True
    )
    return next(iter(batches.map(make_augmentation(strength))))


def test_none_is_no_function():
    assert make_augmentation("none") is None


@pytest.mark.parametrize("strength", ["soft", "hard", "dtvit"])
def test_a_slice_changes_by_its_key_alone(images, strength):
    augment = make_augmentation(strength)
    keys = np.stack([np.full(len(images), 3), np.arange(len(images))], axis=1)
    whole = augment(tf.constant(images), tf.constant(keys)).numpy()
    again = make_augmentation(strength)  # as in another process, after other batches
    again(tf.constant(images[:4]), tf.constant(keys[8:12]))
    for part in (slice(5, 9), slice(15, 16)):
        alone = again(tf.constant(images[part]), tf.constant(keys[part]))
        np.testing.assert_allclose(
            alone, whole[part], atol=0.01
        )  # sine and cosine round by place
    other = augment(tf.constant(images), tf.constant(keys + [1, 0])).numpy()
    assert all(
        np.abs(one - two).max() > 1 for one, two in zip(whole, other, strict=True)
    )


@pytest.mark.parametrize("strength", ["soft", "hard"])
def test_form_is_kept_and_every_slice_changed_differently(images, strength):
    result = augmented(strength, images)
    assert result.shape == images.shape and result.dtype == tf.float32
    result = result.numpy()
    assert result.min() >= 0 and result.max() <= 255
    assert all(
        np.abs(after - before).max() > 10
        for after, before in zip(result, images, strict=True)
    )
    assert all(np.abs(after - result[0]).max() > 1 for after in result[1:])
    # The channels are windows of the same slice: they move together.
    np.testing.assert_allclose(result[..., 0], result[..., 2], atol=1e-3)
    # Still the head: as bright as before, but for a margin, and not upside down.
    assert result.mean() == pytest.approx(images.mean(), rel=0.3)
    heights = [
        np.average(np.arange(SIZE_PX), weights=(slice_[..., 0] > 200).sum(axis=1))
        for slice_ in result
    ]
    assert np.mean(heights) < 32


def test_left_and_right_are_exchanged_in_about_half(images):
    result = augmented("soft", np.concatenate([images] * 4)).numpy()[..., 0]
    sides = [
        np.average(np.arange(SIZE_PX), weights=(slice_ > 200).sum(axis=0))
        for slice_ in result
    ]
    flipped = np.mean([side < 32 for side in sides])
    assert 0.25 < flipped < 0.75


def test_soft_and_hard_leave_slices_most_of_their_noise(images):
    noise = 100 + np.random.default_rng(0).normal(0, 10, images.shape[:3]).astype(
        "float32"
    )
    for strength in ("soft", "hard"):
        result = augmented(strength, np.repeat(noise[..., None], 3, axis=3)).numpy()
        # One bilinear resampling leaves two thirds of the deviation on average, three leave less than half.
        assert 0.6 < result[:, 24:40, 24:40, 0].std(axis=(1, 2)).mean() / 10, strength


def test_hard_cuts_pieces_out(images):
    white = np.full_like(images, 255)
    # A small turn or shift uncovers black at the border alone; a cut-out piece may lie anywhere.
    centre = (slice(None), slice(16, 48), slice(16, 48))
    soft = augmented("soft", white).numpy()
    assert soft[centre].min() > 250 and soft.min() < 5
    assert augmented("hard", white).numpy()[centre].min() < 5


def test_strength_of_hard_is_more_than_of_soft(images):
    soft, hard = (
        np.abs(augmented(strength, images) - images).mean()
        for strength in ("soft", "hard")
    )
    assert hard > soft


def test_dtvits_turns_by_up_to_15_degrees_and_sharpens_half(images):
    many = np.concatenate([images] * 4)
    result = augmented("dtvit", many)
    assert result.shape == many.shape and result.dtype == tf.float32
    result = result.numpy()
    assert result.min() >= 0 and result.max() <= 255
    rows, columns = np.mgrid[:SIZE_PX, :SIZE_PX] - (SIZE_PX - 1) / 2
    angles = []
    for slice_ in result[..., 0]:
        spot = slice_ > 200
        angles.append(np.degrees(np.arctan2(rows[spot].mean(), columns[spot].mean())))
    before = images[0, ..., 0] > 200
    angles = np.array(angles) - np.degrees(
        np.arctan2(rows[before].mean(), columns[before].mean())
    )
    assert np.abs(angles).max() < 16 and angles.min() < -8 and angles.max() > 8
    # Sharpening overshoots at the disc's border; a turn alone stays within the levels that are there.
    discs = augmented("dtvit", np.minimum(many, 120)).numpy()
    assert 0.25 < np.mean(discs.max(axis=(1, 2, 3)) > 121) < 0.75


def test_sharpening_is_that_of_pil():
    keras_cv = pytest.importorskip("keras_cv")
    from training.input.augmentation import SHARPENED

    picture = (
        np.random.default_rng(0).integers(0, 256, (1, 12, 12, 3)).astype("float32")
    )
    layer = keras_cv.layers.RandomSharpness(
        keras_cv.core.ConstantFactorSampler(SHARPENED), (0, 255)
    )
    expected = ImageEnhance.Sharpness(
        Image.fromarray(picture[0].astype("uint8"))
    ).enhance(2.0)
    np.testing.assert_allclose(
        layer(picture, training=True)[0], np.asarray(expected), atol=1.5
    )
