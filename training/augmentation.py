"""Training-time augmentation of windowed slices, from keras-cv's layers, and of mammograms.

It belongs in tf.data: inside a model keras-cv's layers would stay active in prediction and export.
"""

import functools
import math

import keras
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


def make_augmentation(strength, seed):
    """A function from and to a batch of slices in [0, 255], or None for `"none"`.

    Left and right are exchanged, since hemorrhage has no side; up and down are not. DTViT's is a turn of up
    to 15 degrees, and half of the slices are sharpened.

    Args:
        strength: `"none"`, `"soft"`, `"hard"` or `"dtvit"`.
        seed: Seed of the layers. Reruns are bit-identical only with deterministic operations on.

    Reference:
        Fan et al., DTViT, section 2.2.3; the odds of sharpening are torchvision's.
    """
    if strength == "none":
        return None
    layers = _dtvit_layers(seed) if strength == "dtvit" else _layers(STRENGTHS[strength], seed)

    def augment(images):
        augmented = functools.reduce(lambda x, layer: layer(x, training=True), layers, images)
        return tf.ensure_shape(augmented, images.shape)

    return augment


def _layers(settings, seed):
    import keras_cv  # seconds to import, and most runs do without

    layers = [
        keras_cv.layers.RandomFlip("horizontal", seed=seed),
        functools.partial(_move, settings=settings, numbers=keras.random.SeedGenerator(seed + 1)),
    ]
    if "cutout" in settings:
        size = settings["cutout"]
        layers.append(keras_cv.layers.RandomCutout(size, size, seed=seed + 4))
    return layers


def _move(images, training, settings, numbers):
    """Turns, zooms and shifts each slice around its middle, black beyond its borders.

    At once: a resampling for each, as keras-cv's layers do it, would leave less and less of the slices'
    noise, which is all there in the slices to be classified.
    """
    count, (height, width) = tf.shape(images)[0], images.shape[1:3]
    shift = settings["shift"]
    limits = (2 * math.pi * settings["rotation"], settings["zoom"], shift * width, shift * height)
    turn, zoom, right, down = (
        keras.random.uniform((count,), -limit, limit, seed=numbers) for limit in limits
    )
    along, across = (1 + zoom) * tf.cos(turn), (1 + zoom) * tf.sin(turn)
    x, y = (width - 1) / 2, (height - 1) / 2
    to_x = [along, -across, x - along * x + across * y + right]
    to_y = [across, along, y - across * x - along * y + down]
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=tf.stack([*to_x, *to_y, tf.zeros_like(turn), tf.zeros_like(turn)], axis=1),
        output_shape=[height, width],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
    )


def _dtvit_layers(seed):
    import keras_cv

    sharpen = keras_cv.layers.RandomSharpness(keras_cv.core.ConstantFactorSampler(SHARPENED), (0, 255))

    def sharpen_half(images, training):
        chosen = tf.random.uniform((tf.shape(images)[0], 1, 1, 1), seed=seed + 1) < 0.5
        return tf.where(chosen, sharpen(images, training=training), images)

    turn = keras_cv.layers.RandomRotation(DTVIT_TURN, fill_mode="constant", fill_value=0.0, seed=seed)
    return [turn, sharpen_half]


def flips_and_noise(image, key):
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
