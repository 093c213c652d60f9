"""Training-time augmentation of windowed slices, in part by keras-cv's layers, and of mammograms.

It belongs in tf.data: inside a model keras-cv's layers would stay active in prediction and export. Each
image's key decides on all that is random. Layers that draw numbers themselves would draw others whenever
batches are made in parallel, and in a run that goes on after an interruption; they are given theirs.
"""

import math
from collections.abc import Callable

import tensorflow as tf

# Largest changes: rotation as a share of a turn, shift and zoom as shares of the side.
STRENGTHS = {
    "soft": {"rotation": 0.02, "shift": 0.03, "zoom": 0.05},
    "hard": {"rotation": 0.08, "shift": 0.10, "zoom": 0.20, "cutout": 0.25},
}

DTVIT_TURN = 15 / 360
SHARPENED = -1.0
"""keras-cv's layer goes from a picture (0) to a blurred one (1); as far the other way is PIL's factor 2."""

NOISE = 0.05
"""Standard deviation of a mammogram's noise, as a share of that of its grey values."""


def make_augmentation(
    strength: str,
) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor] | None:
    """A function from a batch of slices in [0, 255] and their keys to such slices, or None for `"none"`.

    The keys are two int64 an image, `(batch, 2)`; an image changes by its own alone. Left and right are
    exchanged, since hemorrhage has no side; up and down are not. DTViT's is a turn of up to 15 degrees, and
    half of the slices are sharpened.

    Args:
        strength: `"none"`, `"soft"`, `"hard"` or `"dtvit"`.

    Reference:
        Fan et al., DTViT, section 2.2.3; the odds of sharpening are torchvision's.
    """
    if strength == "none":
        return None
    count, change = (
        _dtvits_change() if strength == "dtvit" else _change(**STRENGTHS[strength])
    )

    def augment(images: tf.Tensor, keys: tf.Tensor) -> tf.Tensor:
        numbers = tf.map_fn(
            lambda key: tf.random.stateless_uniform((count,), key),
            keys,
            fn_output_signature=tf.float32,
        )
        return tf.ensure_shape(
            change(images, *tf.unstack(numbers, axis=1)), images.shape
        )

    return augment


def _change(
    rotation: float, shift: float, zoom: float, cutout: float | None = None
) -> tuple[int, Callable[..., tf.Tensor]]:
    """How many numbers in [0, 1) a change of a slice needs, and the change."""

    def moved(
        images: tf.Tensor,
        side: tf.Tensor,
        turn: tf.Tensor,
        larger: tf.Tensor,
        right: tf.Tensor,
        down: tf.Tensor,
    ) -> tf.Tensor:
        images = tf.where(_each(side < 0.5), tf.reverse(images, axis=[2]), images)
        height, width = images.shape[1:3]
        return _move(
            images,
            turn=_within(2 * math.pi * rotation, turn),
            zoom=_within(zoom, larger),
            right=_within(shift * width, right),
            down=_within(shift * height, down),
        )

    if cutout is None:
        return 5, moved
    import keras_cv  # seconds to import, and most runs do without

    cut_out = keras_cv.layers.RandomCutout(cutout, cutout)

    def moved_and_cut(images: tf.Tensor, *numbers: tf.Tensor) -> tf.Tensor:
        *numbers, x, y, piece_width, piece_height = numbers
        height, width = images.shape[1:3]
        pieces = {
            "centers_x": _whole(x * width),
            "centers_y": _whole(y * height),
            "rectangles_width": _whole(tf.math.ceil(piece_width * cutout * width)),
            "rectangles_height": _whole(tf.math.ceil(piece_height * cutout * height)),
        }
        return cut_out.augment_images(moved(images, *numbers), pieces)

    return 9, moved_and_cut


def _dtvits_change() -> tuple[int, Callable[..., tf.Tensor]]:
    """How many numbers in [0, 1) DTViT's change of a slice needs, and the change."""
    import keras_cv  # as above

    sharpen = keras_cv.layers.RandomSharpness(
        keras_cv.core.ConstantFactorSampler(SHARPENED), (0, 255)
    )

    def turned_and_sharpened(
        images: tf.Tensor, turn: tf.Tensor, sharpness: tf.Tensor
    ) -> tf.Tensor:
        images = _move(images, turn=_within(2 * math.pi * DTVIT_TURN, turn))
        return tf.where(_each(sharpness < 0.5), sharpen(images, training=True), images)

    return 2, turned_and_sharpened


def _move(
    images: tf.Tensor,
    turn: tf.Tensor,
    zoom: tf.Tensor | float = 0.0,
    right: tf.Tensor | float = 0.0,
    down: tf.Tensor | float = 0.0,
) -> tf.Tensor:
    """Turns, zooms and shifts each slice around its middle, black beyond its borders.

    At once: a resampling for each, as keras-cv's layers do it, would leave less and less of the slices'
    noise, which is all there in the slices to be classified.
    """
    height, width = images.shape[1:3]
    along, across = (1 + zoom) * tf.cos(turn), (1 + zoom) * tf.sin(turn)
    x, y = (width - 1) / 2, (height - 1) / 2
    to_x = [along, -across, x - along * x + across * y + right]
    to_y = [across, along, y - across * x - along * y + down]
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=tf.stack(
            [*to_x, *to_y, tf.zeros_like(turn), tf.zeros_like(turn)], axis=1
        ),
        output_shape=[height, width],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
    )


def _within(limit: float, number: tf.Tensor) -> tf.Tensor:
    """A number in [0, 1) spread over [-limit, limit)."""
    return limit * (2 * number - 1)


def _whole(numbers: tf.Tensor) -> tf.Tensor:
    return tf.cast(numbers, tf.int32)


def _each(chosen: tf.Tensor) -> tf.Tensor:
    """One truth per image, for all of its values."""
    return chosen[:, tf.newaxis, tf.newaxis, tf.newaxis]


def flips_and_noise(image: tf.Tensor, key: tf.Tensor) -> tf.Tensor:
    """Exchanges left and right, and top and bottom, each of half of the images, and adds Gaussian noise.

    Args:
        image: A standardised mammogram, float32 `(height, width, 1)`.
        key: Two int64, which decide on all of it.

    Returns:
        An image like it.

    Reference:
        Taha et al., HCT, section 3: "standard augmentation techniques (e.g. random flipping and Gaussian
        noise)"; which flips and how much noise is ours.
    """
    sides_key, ends_key, noise_key = tf.unstack(tf.random.split(key, 3))
    image = tf.image.stateless_random_flip_left_right(image, sides_key)
    image = tf.image.stateless_random_flip_up_down(image, ends_key)
    return image + tf.random.stateless_normal(tf.shape(image), noise_key, stddev=NOISE)
