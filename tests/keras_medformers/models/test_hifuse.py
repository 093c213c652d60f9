"""HiFuse: sizes, names, ablations, drop path, files, one step of training, preprocessing."""

import keras
import numpy as np
import pytest

import keras_medformers
from keras_medformers.models.hifuse import COMPONENTS

SMALL = dict(input_shape=(128, 128, 3), window_size=4)
IMAGES = np.random.default_rng(0).uniform(-1, 1, (2, 128, 128, 3)).astype("float32")
TABLE_3 = [COMPONENTS[:count] for count in range(len(COMPONENTS) + 1)]


def build(**config):
    return keras_medformers.create_model("hifuse_narrow", **{**SMALL, **config})


def layer_names(model):
    return {layer.name for layer in model.layers}


@pytest.fixture(scope="module")
def narrow():
    keras.utils.set_random_seed(0)
    return build()


def test_maps_and_names_per_stage(narrow):
    shapes = {
        f"stage_{stage}_{branch}_block_1": (None, 32 >> stage, 32 >> stage, 24 << stage)
        for stage in range(4)
        for branch in ("local", "global")
    }

    assert {name: narrow.get_layer(name).output.shape for name in shapes} == shapes
    assert narrow.get_layer("feature_map").output.shape == (None, 4, 4, 192)
    assert narrow.output.shape == (None, 7)
    assert narrow.name == "hifuse"


def test_every_second_global_block_is_shifted():
    model = build(depths=(3, 1, 1, 1))
    blocks = [model.get_layer(f"stage_0_global_block_{block}") for block in range(3)]

    assert [block.attn.shift_size for block in blocks] == [0, 2, 0]
    assert model.get_layer("stage_3_global_block_0").attn.shift_size == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    "name, dense, depthwise",
    [("tiny", 119.7, 56.3), ("small", 123.3, 59.9), ("base", 134.0, 70.6)],
)
def test_counts_of_both_forms(name, dense, depthwise):
    """In millions, with the official code's unused parameters, which are not built here."""
    model = keras_medformers.create_model(f"hifuse_{name}", irmlp="depthwise")
    unused = {"tiny": 1603783, "small": 1606855, "base": 1616071}[name]
    count = (
        sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)
        + unused
    )
    convolutions = sum((dim * 3) ** 2 * 9 - dim * 3 * 9 for dim in (96, 192, 384, 768))

    assert round(count / 1e6, 1) == depthwise
    assert round((count + convolutions) / 1e6, 1) == dense


def test_initial_values_are_the_official_ones():
    keras.utils.set_random_seed(0)
    model = build(embed_dims=(48, 96, 96, 96))
    variables = {variable.path: np.asarray(variable) for variable in model.variables}

    block = "stage_1_global_block_0"
    for path in (
        "stage_1_local_block_0/pwconv",
        f"{block}/attn/qkv",
        "stage_1_global_downsample/reduction",
    ):
        assert abs(variables[f"{path}/kernel"].std() / 0.02 - 1) < 0.05, path
    assert abs(variables[f"{block}/attn/relative_position_bias"].std() / 0.02 - 1) < 0.1
    for path in ("local_stem_conv", "global_stem_conv", "stage_1_local_block_0/dwconv"):
        assert abs(variables[f"{path}/kernel"].std() / 0.2 - 1) < 0.1, path
        assert np.all(variables[f"{path}/bias"] == 0)
    for path, fan_in in (
        ("stage_1_local_projection_conv", 96),
        ("stage_1_irmlp/conv1", 9 * 288),
    ):
        kernel = variables[f"{path}/kernel"]
        assert 0.98 < np.abs(kernel).max() * fan_in**0.5 <= 1
        assert abs(kernel.std() * (3 * fan_in) ** 0.5 - 1) < 0.05
    assert (
        0.8
        < np.abs(variables["stage_1_local_projection_conv/bias"]).max() * 96**0.5
        <= 1
    )


@pytest.mark.parametrize("components", TABLE_3, ids=lambda c: "+".join(c) or "local")
def test_ablations_build_and_run(components):
    model = build(components=components, embed_dims=(12, 24, 48, 96), num_classes=3)
    names = layer_names(model)

    assert model(IMAGES).shape == (2, 3)
    assert model.get_layer("feature_map").output.shape == (None, 4, 4, 96)
    assert ("stage_0_global_block_0" in names) == ("global" in components)
    assert ("stage_3_channel_attention" in names) == ("attention" in components)
    assert ("stage_3_spatial_attention" in names) == ("attention" in components)
    assert ("stage_3_irmlp" in names) == ("irmlp" in components)
    assert ("stage_3_shortcut" in names) == ("shortcut" in components)


@pytest.mark.parametrize(
    "components", [("attention",), ("irmlp", "shortcut"), ("global", "mlp")]
)
def test_refuses_ablations_that_make_no_sense(components):
    with pytest.raises(ValueError, match="`components`"):
        build(components=components)


def test_other_sizes_whose_maps_divide_by_the_window():
    large = build(input_shape=(448, 448, 3), window_size=7)
    wide = build(input_shape=(64, 192, 1), window_size=2)

    assert large.get_layer("feature_map").output.shape[1:3] == (14, 14)
    assert wide.get_layer("feature_map").output.shape[1:3] == (2, 6)
    assert wide(np.zeros((1, 64, 192, 1), "float32")).shape == (1, 7)


@pytest.mark.parametrize(
    "config, message",
    [
        ({"window_size": 7}, r"stage_0, 1/4 .*window_size=7, but it is 32 x 32"),
        (
            {"input_shape": (192, 128, 3)},
            r"stage_3, 1/32 .*window_size=4, but it is 6 x 4",
        ),
        ({"input_shape": (130, 128, 3)}, r"stage_0, .* 32.5 x 32\."),
        ({"input_shape": (None, 128, 3)}, r"unknown x 32"),
        ({"depths": (2, 2, 2)}, r"depths=\(2, 2, 2\)"),
        ({"irmlp": "grouped"}, "grouped"),
        ({"num_heads": (3, 6, 12, 25)}, "num_heads=25"),
    ],
)
def test_refuses_arguments_that_do_not_fit(config, message):
    with pytest.raises(ValueError, match=message):
        build(**config)


def test_without_classes_it_ends_at_the_feature_map():
    assert build(num_classes=0).output.shape == (None, 4, 4, 192)


def test_gives_logits_or_what_the_activation_makes_of_them(narrow):
    probabilities = build(classifier_activation="softmax")
    probabilities.set_weights(narrow.get_weights())

    logits = np.asarray(narrow(IMAGES))

    expected = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    np.testing.assert_allclose(probabilities(IMAGES), expected, rtol=1e-5)


def test_drop_path_rates_grow_from_nothing_and_act_in_training_alone(narrow):
    model = build(drop_path_rate=0.7)
    blocks = [
        f"stage_{stage}_local_block_{block}" for stage in range(4) for block in range(2)
    ]
    rates = [model.get_layer(name).drop_path_rate for name in blocks]
    model.set_weights(narrow.get_weights())

    np.testing.assert_allclose(rates, np.arange(8) / 10)
    assert model.get_layer("stage_3_global_block_1").drop_path_rate == rates[-1]
    np.testing.assert_array_equal(
        model(IMAGES, training=False), narrow(IMAGES, training=False)
    )
    branch = keras.Model(model.input, model.get_layer("stage_3_local_block_1").output)
    assert not np.allclose(branch(IMAGES, training=True), branch(IMAGES, training=True))


def test_training_lowers_the_loss_and_moves_every_weight():
    keras.utils.set_random_seed(0)
    model = build(num_classes=2, depths=(2, 1, 1, 2))
    before = model.get_weights()
    labels = np.eye(2, dtype="float32")
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    model.compile(
        keras.optimizers.Adam(1e-3), loss, run_eagerly=True
    )  # tracing takes longer than steps

    losses = [model.train_on_batch(IMAGES, labels) for _ in range(3)]

    assert losses[-1] < losses[0]
    still = [
        v.path
        for v, old in zip(model.weights, before, strict=True)
        if np.array_equal(v, old)
    ]
    assert still == []


def test_preprocessor_takes_pictures_of_any_size():
    layer = keras_medformers.preprocessor("hifuse_tiny")
    pixels = np.zeros((2, 300, 512, 3), "uint8")
    pixels[:, :, 256:] = 255

    x = np.asarray(layer(pixels))

    assert x.shape == (2, 224, 224, 3) and x.dtype == "float32"
    np.testing.assert_allclose(x[:, :, :110], -1.0, atol=1e-5)
    np.testing.assert_allclose(x[:, :, 114:], 1.0, atol=1e-5)


def test_preprocessor_resizes_to_256_before_it_crops_224():
    assert (
        keras_medformers.preprocessor("hifuse_tiny")
        .get_layer("resize_and_crop")
        .resize_to
        == 256
    )
    other = keras_medformers.preprocessor("hifuse_narrow", image_size=128).get_layer(
        "resize_and_crop"
    )
    assert (other.resize_to, other.crop_to) == (146, 128)


def test_preprocessor_stays_in_float32_whatever_the_policy():
    pixels = np.random.default_rng(0).integers(0, 256, (1, 40, 50, 3)).astype("uint8")
    expected = np.asarray(keras_medformers.preprocessor("hifuse_tiny", 32)(pixels))
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        layer = keras_medformers.preprocessor("hifuse_tiny", 32)
    finally:
        keras.config.set_dtype_policy("float32")

    np.testing.assert_array_equal(layer(pixels), expected)
