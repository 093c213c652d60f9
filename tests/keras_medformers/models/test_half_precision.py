"""Every family of models in half precision: outputs, gradients and twenty steps beside float32's."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_medformers import create_model

POLICIES = ["mixed_bfloat16", "mixed_float16"]
MAMMOGRAMS = np.random.default_rng(0).normal(size=(4, 160, 128, 1)).astype("float32")
PICTURES = np.random.default_rng(0).uniform(-1, 1, (2, 64, 64, 3)).astype("float32")
SLICES = np.random.default_rng(0).uniform(0, 255, (2, 64, 64, 3)).astype("float32")

HCT = dict(input_shape=(None, None, 1), attention_dropout_rate=0.0)
GMIC = dict(input_shape=(None, None, 1))
HIFUSE = dict(
    input_shape=(64, 64, 3), window_size=2, drop_path_rate=0.0, depths=(1, 1, 1, 2)
)
VIT = dict(
    input_shape=(64, 64, 3),
    patch_size=16,
    num_layers=2,
    embed_dim=24,
    mlp_dim=32,
    num_heads=4,
)
# VGG has no BatchNorm, without whose statistics a random backbone's maps vanish.
SCOPEFORMER = dict(
    input_shape=(64, 64, 3),
    backbones=("vgg16",),
    feature_size=12,
    num_layers=2,
    mlp_dim=16,
    num_heads=2,
)
FAMILIES = {
    "hct": ("hct", HCT, MAMMOGRAMS),
    "def_gmic": ("def_gmic", GMIC, MAMMOGRAMS),
    "vit": ("vit_base", VIT | {"num_classes": 5}, PICTURES),
    "dtvit": ("dtvit_small", VIT, PICTURES),
    "scopeformer_vit": (
        "scopeformer_vit",
        VIT | {"num_classes": 5, "classifier_dim": 8},
        SLICES,
    ),
}
SLOW_FAMILIES = {
    "hifuse": ("hifuse_narrow", HIFUSE, PICTURES),
    "hct_softmax": ("hct_softmax", HCT, MAMMOGRAMS),
    "hct_nystrom": ("hct_nystrom", HCT, MAMMOGRAMS),
    "gmic": ("gmic", GMIC, MAMMOGRAMS),
    "hifuse_depthwise": ("hifuse_narrow", HIFUSE | {"irmlp": "depthwise"}, PICTURES),
    "deep_scopeformer": ("deep_scopeformer", SCOPEFORMER, SLICES),
    "efficient_scopeformer": ("efficient_scopeformer", SCOPEFORMER, SLICES),
    "scopeformer_small": ("scopeformer_small", SCOPEFORMER, SLICES),
}
ALL = FAMILIES | SLOW_FAMILIES


def families(quick):
    return [
        family if family in quick else pytest.param(family, marks=pytest.mark.slow)
        for family in ALL
    ]


def build(family, policy="float32"):
    name, settings, _ = ALL[family]
    keras.utils.set_random_seed(0)
    keras.config.set_dtype_policy(policy)
    try:
        model = create_model(name, **settings)
    finally:
        keras.config.set_dtype_policy("float32")
    # Zeros stop gradients, and a class token of zeros is below float16's range after two blocks. Offsets stay
    # zero: where they are between pixels, gradients jump.
    random = np.random.default_rng(0)
    for weight in model.trainable_variables:
        if not np.any(weight) and "/offset/" not in weight.path:
            weight.assign(random.normal(0, 0.02, weight.shape))
    return model


def outputs_and_gradient(model, images, loss_scale=1.0):
    """All outputs in a row per image, and the gradient of a sum over them in one piece, both float32."""
    with tf.GradientTape() as tape:
        outputs = [
            tf.cast(x, "float32") for x in tf.nest.flatten(model(images, training=True))
        ]
        outputs = tf.concat(outputs, axis=-1)
        loss = loss_scale * tf.reduce_sum(
            outputs * np.random.default_rng(1).normal(size=outputs.shape)
        )
    gradients = tape.gradient(loss, model.trainable_variables)
    return np.asarray(outputs), np.concatenate(
        [np.ravel(g) for g in gradients]
    ) / loss_scale


def distance(a, b):
    return np.linalg.norm(a - b) / np.linalg.norm(b)


@functools.cache
def of_float32(family, rounded_to=None):
    """Outputs and gradient in float32; of images and weights rounded to another type, if one is named."""
    model, images = build(family), ALL[family][2]
    if rounded_to is not None:
        for weight in model.trainable_variables:
            weight.assign(tf.cast(tf.cast(weight, rounded_to), "float32"))
        images = tf.cast(tf.cast(images, rounded_to), "float32")
    return outputs_and_gradient(model, images)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("family", families(FAMILIES))
def test_outputs_and_gradients_are_near_float32(family, policy):
    model = build(family, policy)
    dtype = tf.as_dtype(policy.removeprefix("mixed_"))

    results = outputs_and_gradient(
        model, ALL[family][2], 256.0 if dtype == tf.float16 else 1.0
    )

    assert {variable.dtype for variable in model.trainable_variables} == {"float32"}
    assert all(tensor.dtype == dtype.name for tensor in model.outputs)
    # Deep networks make much of a rounding before they are trained, of 0.4% a third of the gradient. So the
    # yardstick is what float32 itself makes of images and weights that are rounded once.
    rounding = 2.0**-8 if dtype == tf.bfloat16 else 2.0**-11
    yardsticks = of_float32(family, dtype)
    for result, yardstick, expected in zip(
        results, yardsticks, of_float32(family), strict=True
    ):
        assert np.isfinite(result).all()
        assert (
            distance(result, expected)
            <= 3 * distance(yardstick, expected) + 6 * rounding
        )


@functools.cache
def losses(family, policy):
    """Losses of 20 steps, with the loss scaled in float16, as training does."""
    model, images = build(family, policy), ALL[family][2]
    optimizer = keras.optimizers.SGD(1e-2)
    if policy == "mixed_float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=256.0)
    labels = np.arange(len(images)) % 2
    crossentropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            outputs = tf.nest.flatten(model(images, training=True))
            loss = sum(
                crossentropy(labels, tf.cast(output, "float32")) for output in outputs
            )
            scaled = optimizer.scale_loss(loss)
        gradients = tape.gradient(scaled, model.trainable_variables)
        optimizer.apply_gradients(
            zip(gradients, model.trainable_variables, strict=True)
        )
        return loss

    return np.array([step() for _ in range(20)])


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("family", families(["vit"]))
def test_twenty_steps_follow_float32(family, policy):
    half, single = losses(family, policy), losses(family, "float32")

    assert np.isfinite(half).all()
    assert single[-1] < single[0]
    np.testing.assert_allclose(
        half, single, atol=0.05 * (single[0] - single.min()) + 1e-3
    )
