"""Training-time augmentation of windowed slices, from keras-cv's layers.

It belongs in tf.data: inside a model keras-cv's layers would stay active in prediction and export.
"""

import functools

import tensorflow as tf

# Largest changes: rotation as a share of a turn, shift and zoom as shares of the side.
STRENGTHS = {
    "soft": {"rotation": 0.02, "shift": 0.03, "zoom": 0.05},
    "hard": {"rotation": 0.08, "shift": 0.10, "zoom": 0.20, "cutout": 0.25},
}

DTVIT_TURN = 15 / 360
SHARPENED = -1.0
"""keras-cv's layer goes from a picture (0) to a blurred one (1); as far the other way is PIL's factor 2."""


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

    fill = {"fill_mode": "constant", "fill_value": 0.0}
    layers = [
        keras_cv.layers.RandomFlip("horizontal", seed=seed),
        keras_cv.layers.RandomRotation(settings["rotation"], seed=seed + 1, **fill),
        keras_cv.layers.RandomTranslation(
            settings["shift"], settings["shift"], seed=seed + 2, **fill
        ),
        keras_cv.layers.RandomZoom(settings["zoom"], seed=seed + 3, **fill),
    ]
    if "cutout" in settings:
        size = settings["cutout"]
        layers.append(keras_cv.layers.RandomCutout(size, size, seed=seed + 4))
    return layers


def _dtvit_layers(seed):
    import keras_cv

    sharpen = keras_cv.layers.RandomSharpness(keras_cv.core.ConstantFactorSampler(SHARPENED), (0, 255))

    def sharpen_half(images, training):
        chosen = tf.random.uniform((tf.shape(images)[0], 1, 1, 1), seed=seed + 1) < 0.5
        return tf.where(chosen, sharpen(images, training=training), images)

    turn = keras_cv.layers.RandomRotation(DTVIT_TURN, fill_mode="constant", fill_value=0.0, seed=seed)
    return [turn, sharpen_half]
