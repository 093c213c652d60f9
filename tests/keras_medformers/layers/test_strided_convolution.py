"""Strided convolution where the output has one column, in half precision."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_medformers import create_model
from keras_medformers.layers import StridedConv2D

HALF = ["mixed_bfloat16", "mixed_float16"]
NARROW = [
    (3, 2, 6, 3),
    (3, 2, 11, 4),
    (2, 2, 9, 3),
    (4, 4, 12, 7),
    (7, 2, 19, 8),
    ((3, 5), (2, 3), 9, 7),
]
WIDE = [(3, 2, 6, 5), (2, 2, 9, 4)]


def inputs(height, width, channels=128):
    return (
        np.random.default_rng(0)
        .normal(size=(2, height, width, channels))
        .astype("float32")
    )


def layers(kernel_size, strides, policy, channels=128):
    """The layer in half precision, and Keras' own in float32, with the same kernel."""
    keras.utils.set_random_seed(0)
    plain = keras.layers.Conv2D(256, kernel_size, strides)
    ours = StridedConv2D(256, kernel_size, strides, dtype=policy)
    for layer in (plain, ours):
        layer.build((None, None, None, channels))
    ours.set_weights(plain.get_weights())
    return ours, plain


def result_and_gradients(layer, x):
    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.cast(layer(x), "float32")
        loss = tf.reduce_sum(y * np.random.default_rng(1).normal(size=y.shape))
    return [y, *tape.gradient(loss, [x, *layer.trainable_variables])]


def assert_near(results, expected):
    for a, b in zip(results, expected, strict=True):
        a, b = np.asarray(a, "float32"), np.asarray(b)
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, atol=0.02 * np.abs(b).max())


@pytest.mark.parametrize("policy", HALF)
@pytest.mark.parametrize("kernel_size, strides, height, width", NARROW + WIDE)
def test_is_the_convolution_and_its_gradients_are(
    kernel_size, strides, height, width, policy
):
    x = inputs(height, width)
    ours, plain = layers(kernel_size, strides, policy)

    assert_near(result_and_gradients(ours, x), result_and_gradients(plain, x))


@pytest.mark.parametrize("policy", HALF)
@pytest.mark.parametrize("kernel_size, strides, height, width", [NARROW[1], WIDE[0]])
def test_the_width_may_be_unknown(kernel_size, strides, height, width, policy):
    x = inputs(height, width)
    ours, plain = layers(kernel_size, strides, policy)
    traced = tf.function(ours, input_signature=[tf.TensorSpec((None, None, None, 128))])

    assert_near([traced(x)], [plain(x)])
    assert keras.Sequential([keras.Input((None, None, 128)), ours]).output_shape == (
        None,
        None,
        None,
        256,
    )


def strides_along_one_column(function, *shape):
    """Strides along the width of all convolutions in a graph whose result has one column."""
    graph = (
        tf.function(function)
        .get_concrete_function(tf.TensorSpec(shape, "float32"))
        .graph
    )
    return [
        node.get_attr("strides")[2]
        for node in graph.get_operations()
        if node.type == "Conv2D"
        and node.outputs[0].shape[2] == 1
        and node.inputs[1].shape[1] > 1
    ]


@pytest.mark.parametrize("policy", HALF)
def test_no_convolution_to_one_column_has_a_stride_along_it(policy):
    ours, plain = layers(3, 2, policy)

    assert strides_along_one_column(plain, 2, 11, 4, 128) == [2]
    assert strides_along_one_column(ours, 2, 11, 4, 128) == [1]


@pytest.mark.parametrize(
    "name, settings, shape",
    [
        ("hct", {"input_shape": (None, None, 1)}, (2, 160, 128, 1)),
        ("def_gmic", {"input_shape": (None, None, 1)}, (2, 160, 128, 1)),
        (
            "hifuse_narrow",
            {"input_shape": (64, 32, 3), "window_size": 1},
            (2, 64, 32, 3),
        ),
        ("vit_base", {"input_shape": (48, 16, 3), "num_layers": 1}, (2, 48, 16, 3)),
        (
            "dtvit_small",
            {"input_shape": (64, 16, 3), "patch_size": 16, "num_layers": 1},
            (2, 64, 16, 3),
        ),
    ],
)
def test_nor_has_one_of_a_model(name, settings, shape):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = create_model(name, **settings)
    finally:
        keras.config.set_dtype_policy("float32")

    strides = strides_along_one_column(model, *shape)

    assert strides and set(strides) == {1}


@pytest.mark.xfail(
    strict=False, reason="oneDNN on CPUs with AMX: see docs/precision.md"
)
def test_tensorflows_own_is_right():
    """Where this fails, `StridedConv2D` is needed; it passes on other CPUs."""
    x, kernel = (
        tf.cast(np.random.default_rng(seed).normal(size=shape), "bfloat16")
        for seed, shape in enumerate([(2, 33, 4, 128), (3, 3, 128, 256)])
    )

    results = [tf.nn.conv2d(x, kernel, 2, "VALID") for _ in range(3)]

    expected = tf.nn.conv2d(
        tf.cast(x, "float32"), tf.cast(kernel, "float32"), 2, "VALID"
    )
    assert_near(results, [expected] * 3)


def test_round_trip_through_a_file(tmp_path):
    model = keras.Sequential(
        [keras.Input((None, None, 8)), StridedConv2D(4, 3, 2, use_bias=False)]
    )
    model.save(tmp_path / "model.keras")

    loaded = keras.models.load_model(tmp_path / "model.keras")

    assert isinstance(loaded.layers[0], StridedConv2D)
    np.testing.assert_array_equal(loaded(inputs(9, 4, 8)), model(inputs(9, 4, 8)))


@pytest.mark.parametrize(
    "settings", [{"padding": "same"}, {"dilation_rate": 2, "strides": 1}]
)
def test_refuses_padding_and_dilation(settings):
    with pytest.raises(ValueError, match="padding=.*dilation_rate="):
        StridedConv2D(4, 3, **{"strides": 2, **settings})
