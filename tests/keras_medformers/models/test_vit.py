"""The vision transformer: counts, names, sizes, files, training, preprocessing."""

import math
import re

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_medformers
from keras_medformers.layers.position_embedding import resample_positions

TINY = dict(
    input_shape=(32, 48, 3),
    patch_size=8,
    num_layers=2,
    embed_dim=24,
    mlp_dim=32,
    num_heads=4,
)
IMAGES = np.random.default_rng(0).uniform(-1, 1, (2, 32, 48, 3)).astype("float32")


def build(num_classes=5, **settings):
    keras.utils.set_random_seed(0)
    return keras_medformers.create_model(
        "vit_base", num_classes, **{**TINY, **settings}
    )


def count(name, **settings):
    """Parameters, without memory for them."""
    with keras.StatelessScope(initialize_variables=False):
        model = keras_medformers.create_model(name, **settings)
    return sum(math.prod(weight.shape) for weight in model.weights)


@pytest.mark.parametrize(
    "name, settings, parameters",
    [
        ("vit_base", {}, 86_567_656),
        ("vit_base", {"num_classes": 0}, 85_798_656),
        ("vit_base", {"input_shape": (384, 384, 3)}, 86_859_496),
        ("vit_base_patch32", {}, 88_224_232),
        ("vit_base_patch32", {"input_shape": (384, 384, 3)}, 88_297_192),
        ("vit_large", {}, 304_326_632),
        ("vit_huge", {}, 632_045_800),
    ],
)
def test_counts_are_those_of_timm(name, settings, parameters):
    assert count(name, **settings) == parameters


def test_class_token_comes_first_and_is_what_the_head_reads():
    model = build()

    assert model.get_layer("patches").output.shape == (None, 24, 24)
    assert model.get_layer("position_embedding").output.shape == (None, 25, 24)
    assert model.get_layer("position_embedding").grid == (4, 6)
    tokens, features = keras.Model(
        model.input,
        [model.get_layer("norm").output, model.get_layer("class_features").output],
    )(IMAGES)
    np.testing.assert_array_equal(features, np.asarray(tokens)[:, 0])
    np.testing.assert_allclose(
        model(IMAGES), model.get_layer("head")(features), rtol=1e-5
    )


def test_patches_go_row_by_row():
    model = build()
    images = np.zeros((1, 32, 48, 3), "float32")
    images[0, 8:16, 40:48] = 1.0  # second row, last column
    patches = keras.Model(model.input, model.get_layer("patches").output)

    changed = np.any(
        np.asarray(patches(images)) != np.asarray(patches(0 * images)), axis=-1
    )

    assert np.flatnonzero(changed[0]).tolist() == [11]


@pytest.mark.parametrize("stem", ["patch", "conv"])
def test_no_layer_or_weight_has_an_automatic_name(stem):
    model = build(stem=stem)
    classes = (
        r"(dense|conv2d|re_lu|zero_padding2d|reshape|flatten|cropping1d|\w+_normalization|transformer_block)"
        r"(_\d+)?"
    )

    assert [
        layer.name for layer in model.layers if re.fullmatch(classes, layer.name)
    ] == []
    paths = [variable.path for variable in model.variables]
    assert len(set(paths)) == len(paths)
    assert {
        "encoder_1/attn/qkv/kernel",
        "head/kernel",
        "position_embedding/position",
    } <= set(paths)


def test_without_classes_it_gives_the_class_token():
    model, whole = build(num_classes=0), build()
    model.set_weights(whole.get_weights()[:-2])
    features = keras.Model(whole.input, whole.get_layer("class_features").output)

    assert model.output_shape == (None, 24)
    np.testing.assert_array_equal(model(IMAGES), features(IMAGES))


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"input_shape": (32, 44, 3)}, r"input_shape=\(32, 44, 3\), patch_size=8"),
        ({"input_shape": (None, 48, 3)}, r"input_shape=\(None, 48, 3\)"),
        ({"num_heads": 5}, "embed_dim=24, num_heads=5"),
        ({"stem": "convs"}, r"\['conv', 'patch'\]. Received: stem='convs'"),
        ({"stem": "conv", "patch_size": 1}, "power of two .*patch_size=1"),
        (
            {"stem": "conv", "input_shape": (48, 48, 3), "patch_size": 12},
            "power of two .*patch_size=12",
        ),
        (
            {"stem": "conv", "embed_dim": 22, "num_heads": 2},
            "divide by 4 .*embed_dim=22",
        ),
    ],
)
def test_refuses_arguments_that_do_not_fit(settings, message):
    with pytest.raises(ValueError, match=message):
        build(**settings)


def test_a_stem_of_convolutions_doubles_channels_and_halves_the_map():
    model = build(stem="conv")
    shapes = [
        layer.output.shape[1:]
        for layer in model.layers
        if layer.name.startswith("stem_relu")
    ]

    assert shapes == [(16, 24, 6), (8, 12, 12), (4, 6, 24)]
    assert all(
        model.get_layer(f"stem_conv_{index}").kernel.shape[:2] == (3, 3)
        for index in range(3)
    )
    assert model.get_layer("patch_embed").kernel.shape == (1, 1, 24, 24)
    assert model.get_layer("position_embedding").grid == (4, 6)
    assert model(IMAGES).shape == (2, 5)


def test_a_stem_of_convolutions_sees_most_of_the_patch_in_whose_place_a_token_stands():
    model = build(stem="conv", input_shape=(64, 64, 3))
    patches = keras.Model(model.input, model.get_layer("patch_embed").output)
    images = tf.random.stateless_normal((32, 64, 64, 3), (1, 2))
    with tf.GradientTape() as tape:
        tape.watch(images)
        token = tf.reduce_sum(
            patches(images)[:, 4, 3]
        )  # of rows 32 to 39 and columns 24 to 31
    seen = np.abs(tape.gradient(token, images)).mean(axis=(0, 3))

    middle = [np.average(np.arange(64), weights=seen.sum(axis=axis)) for axis in (1, 0)]
    np.testing.assert_allclose(middle, [35.5, 27.5], atol=1.0)


def test_a_stem_of_convolutions_is_saved_and_loaded_for_other_sizes(tmp_path):
    square = build(stem="conv", input_shape=(32, 32, 3))
    square.get_layer("stem_norm_0").moving_mean.assign(np.arange(6.0))
    square.save(tmp_path / "w.keras")

    loaded = keras.models.load_model(tmp_path / "w.keras")
    np.testing.assert_array_equal(loaded(IMAGES[:, :, :32]), square(IMAGES[:, :, :32]))
    model = build(stem="conv", input_shape=(64, 48, 3), weights=tmp_path / "w.keras")
    np.testing.assert_array_equal(
        model.get_layer("stem_norm_0").moving_mean, np.arange(6.0)
    )


def test_initial_values_are_those_of_timm():
    model = build(embed_dim=192, mlp_dim=384)
    weights = {variable.path: np.asarray(variable) for variable in model.variables}

    for path in ("encoder_0/attn/qkv", "encoder_1/mlp/fc2", "head"):
        assert abs(weights[f"{path}/kernel"].std() / 0.0176 - 1) < 0.1, (
            path
        )  # cut off at two deviations
        assert np.all(weights[f"{path}/bias"] == 0)
    bound = (8 * 8 * 3) ** -0.5
    assert 0.98 * bound < np.abs(weights["patch_embed/kernel"]).max() <= bound
    assert 0 < np.abs(weights["patch_embed/bias"]).max() <= bound


@pytest.mark.parametrize("ending", ["keras", "weights.h5"])
def test_weights_of_another_input_size_load(tmp_path, ending):
    square = build(input_shape=(32, 32, 3))
    square.save(tmp_path / "w.keras") if ending == "keras" else square.save_weights(
        tmp_path / "w.weights.h5"
    )

    model = build(input_shape=(64, 48, 3), weights=tmp_path / f"w.{ending}")

    ours, theirs = (
        np.asarray(m.get_layer("position_embedding").position) for m in (model, square)
    )
    np.testing.assert_allclose(ours, resample_positions(theirs, (8, 6), 1), rtol=1e-6)
    for a, b in zip(model.weights, square.weights, strict=True):
        if "position" not in a.path:
            np.testing.assert_array_equal(a, b, err_msg=a.path)


@pytest.mark.parametrize("stem", ["patch", "conv"])
def test_training_lowers_the_loss_and_moves_every_weight(stem):
    model = build(num_classes=2, stem=stem)
    before = model.get_weights()
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-3), loss, run_eagerly=True)

    losses = [
        model.train_on_batch(IMAGES, np.eye(2, dtype="float32")) for _ in range(3)
    ]

    assert losses[-1] < losses[0]
    still = [
        v.path
        for v, old in zip(model.weights, before, strict=True)
        if np.array_equal(v, old)
    ]
    assert still == []


def test_preprocessor_takes_pictures_of_any_size():
    pixels = np.zeros((2, 300, 512, 3), "uint8")
    pixels[:, :, 256:] = 255

    layer = keras_medformers.preprocessor("vit_large")
    x = np.asarray(layer(pixels))

    assert x.shape == (2, 224, 224, 3) and x.dtype == "float32"
    np.testing.assert_allclose(x[:, :, :110], -1.0, atol=1e-5)
    np.testing.assert_allclose(x[:, :, 114:], 1.0, atol=1e-5)
    assert layer.get_layer("resize_and_crop").resize_to == 248
