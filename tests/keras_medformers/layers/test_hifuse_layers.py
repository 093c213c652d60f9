"""HiFuse's layers: gradients, serialisation, half precision, drop path, attention over maps, merging."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_medformers.layers import (
    ChannelAttention,
    GlobalBlock,
    InvertedResidualMlp,
    LocalBlock,
    PatchMerging,
    SpatialAttention,
    WindowAttention,
)

MAP = np.random.default_rng(0).normal(size=(3, 8, 4, 6)).astype("float32")

LAYERS = [
    lambda **kwargs: ChannelAttention(2, **kwargs),
    lambda **kwargs: SpatialAttention(3, **kwargs),
    lambda **kwargs: InvertedResidualMlp(5, **kwargs),
    lambda **kwargs: InvertedResidualMlp(5, convolution="depthwise", **kwargs),
    lambda **kwargs: LocalBlock(0.5, **kwargs),
    lambda **kwargs: GlobalBlock(2, 4, shift_size=2, drop_path_rate=0.5, **kwargs),
    lambda **kwargs: PatchMerging(7, **kwargs),
    lambda **kwargs: WindowAttention(3, 2, shift_size=1, **kwargs),
]


@pytest.fixture(autouse=True)
def _seeded():
    keras.utils.set_random_seed(0)


@pytest.mark.parametrize("make", LAYERS)
def test_every_weight_gets_a_gradient(make):
    layer = make()
    layer.build(MAP.shape)
    target = (
        np.random.default_rng(1)
        .normal(size=layer.compute_output_shape(MAP.shape))
        .astype("float32")
    )
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(MAP) * target)
    gradients = tape.gradient(loss, [v.value for v in layer.trainable_variables])

    for variable, gradient in zip(layer.trainable_variables, gradients, strict=True):
        assert np.abs(gradient).max() > 0, variable.path


@pytest.mark.parametrize("make", LAYERS)
def test_saves_and_loads(make, tmp_path):
    model = keras.Sequential([keras.Input(MAP.shape[1:]), make(name="layer")])
    model.save(tmp_path / "model.keras")

    loaded = keras.models.load_model(tmp_path / "model.keras")

    np.testing.assert_array_equal(
        loaded.predict(MAP, verbose=0), model.predict(MAP, verbose=0)
    )
    assert loaded.layers[0].get_config() == model.layers[0].get_config()
    assert model.output_shape[1:] == model.predict(MAP, verbose=0).shape[1:]


@pytest.mark.parametrize("make", LAYERS)
def test_computes_in_half_precision_with_float32_weights(make):
    layer = make(dtype="mixed_bfloat16")

    result = layer(MAP)

    assert str(result.dtype).endswith("bfloat16'>")
    assert {v.dtype for v in layer.trainable_variables} == {"float32"}


@pytest.mark.parametrize(
    "make", [lambda rate: LocalBlock(rate), lambda rate: GlobalBlock(2, 4, 2, rate)]
)
def test_drop_path_leaves_out_whole_samples_in_training_alone(make):
    layer, images = make(0.5), np.repeat(MAP[:1], 64, axis=0)
    layer.build(images.shape)
    for (
        weight
    ) in layer.trainable_variables:  # so that the branch is as large as its input
        weight.assign(np.random.default_rng(1).normal(size=weight.shape))
    branch = np.asarray(layer(images) - images)[0]

    dropped = np.asarray(layer(images, training=True)) - images

    size = np.abs(branch).max()
    left_out = np.abs(dropped).max((1, 2, 3)) == 0
    doubled = np.abs(dropped - 2 * branch).max((1, 2, 3)) < 1e-3 * size
    assert np.all(left_out ^ doubled)
    assert 15 < left_out.sum() < 49


def test_channel_attention_weighs_channels():
    layer = ChannelAttention(2)
    mean, maximum = MAP.mean((1, 2)), MAP.max((1, 2))

    weights = np.asarray(layer(MAP)) / MAP

    squeeze, expand = layer.squeeze.kernel[0, 0], layer.expand.kernel[0, 0]
    scores = sum(
        np.maximum(pooled @ squeeze, 0) @ np.asarray(expand)
        for pooled in (mean, maximum)
    )
    expected = np.broadcast_to((1 / (1 + np.exp(-scores)))[:, None, None], MAP.shape)
    np.testing.assert_allclose(weights, expected, rtol=1e-4)


def test_channel_attention_keeps_one_channel_at_least():
    layer = ChannelAttention(16)
    layer.build(MAP.shape)

    assert layer.squeeze.kernel.shape == (1, 1, 6, 1)


def test_spatial_attention_weighs_positions_by_maximum_then_mean():
    layer = SpatialAttention(3)
    layer.build(MAP.shape)
    kernel = np.zeros((3, 3, 2, 1), "float32")
    kernel[1, 1, :, 0] = 2.0, -1.0
    layer.conv.kernel.assign(kernel)

    scores = np.asarray(layer.scores(MAP))[..., 0]

    np.testing.assert_allclose(
        scores, 2 * MAP.max(-1) - MAP.mean(-1), rtol=1e-3, atol=1e-4
    )


def test_patch_merging_joins_down_then_right():
    layer = PatchMerging(4)
    numbers = np.arange(4.0, dtype="float32").reshape(1, 2, 2, 1)  # rows 0 1 and 2 3
    layer.build(numbers.shape)
    layer.reduction.kernel.assign(np.eye(4))

    merged = np.asarray(layer(numbers)).reshape(-1)

    assert merged.argsort().tolist() == [
        0,
        2,
        1,
        3,
    ]  # joined as 0 2 1 3, and norm keeps their order


def test_forms_of_the_first_convolution():
    dense, depthwise = (
        InvertedResidualMlp(5),
        InvertedResidualMlp(5, convolution="depthwise"),
    )
    for layer in (dense, depthwise):
        layer.build(MAP.shape)

    assert dense.conv1.kernel.shape == (3, 3, 6, 6)
    assert depthwise.conv1.kernel.shape == (3, 3, 6, 1)


def test_refuses_an_unknown_convolution():
    with pytest.raises(ValueError, match="convolution='grouped'"):
        InvertedResidualMlp(5, convolution="grouped")
