"""HiFuse's layers: drop path, attention over maps, merging, forms of the first convolution."""

import keras
import numpy as np
import pytest

from keras_medformers.layers import (
    ChannelAttention,
    GlobalBlock,
    InvertedResidualMlp,
    LocalBlock,
    PatchMerging,
    SpatialAttention,
)

MAP = np.random.default_rng(0).normal(size=(3, 8, 4, 6)).astype("float32")


@pytest.fixture(autouse=True)
def _seeded():
    keras.utils.set_random_seed(0)


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
