"""The Scopeformer family at small size: structure, counts, class tokens, freezing, splitting, bad input."""

import math
import re

import keras
import numpy as np
import pytest

import keras_medformers
from keras_medformers.models.backbones import build_backbone
from keras_medformers.models.scopeformer import VARIANTS, split_backbones

SMALL = dict(
    input_shape=(64, 64, 3),
    backbones=("vgg16",),
    feature_size=12,
    num_layers=2,
    mlp_dim=16,
    num_heads=2,
)
IMAGES = np.random.default_rng(0).uniform(0, 255, (2, 64, 64, 3)).astype("float32")


def count(variables):
    return sum(math.prod(variable.shape) for variable in variables)


@pytest.fixture(scope="module")
def small():
    keras.utils.set_random_seed(0)
    return keras_medformers.create_model("scopeformer", **SMALL)


@pytest.fixture(scope="module")
def with_class_token():
    """Two instances of one backbone, with different weights, read through a class token."""
    keras.utils.set_random_seed(0)
    return keras_medformers.create_model(
        "scopeformer_small", **SMALL | {"backbones": ["vgg16"] * 2}
    )


def test_encoders_and_projections_have_the_sizes_of_the_formulas():
    model = keras_medformers.create_model(
        "efficient_scopeformer", **SMALL | {"num_layers": 8, "head_dim": 4}
    )

    encoders = [
        layer for layer in model.layers if re.fullmatch(r"encoder_\d", layer.name)
    ]
    by_formula = 8 * (
        2 * 2 * 4
        + 3 * (4 * 8 + 8)
        + 8 * 4
        + 4
        + (4 * 16 + 16)
        + (16 * 4 + 4)
        + 2 * 2
        + 2
        + 2 * 2
    )
    assert (
        count(sum((layer.trainable_variables for layer in encoders), [])) == by_formula
    )
    assert (
        count(model.get_layer("vgg16_projection").trainable_variables) == 512 * 12 + 12
    )
    assert model.get_layer("feature_map").output.shape == (None, 2, 2, 12)


def test_gives_logits_or_what_the_activation_makes_of_them(small):
    probabilities = keras_medformers.create_model(
        "scopeformer", classifier_activation="sigmoid", **SMALL
    )
    probabilities.set_weights(small.get_weights())

    logits = small.predict(IMAGES, verbose=0)

    np.testing.assert_allclose(
        probabilities.predict(IMAGES, verbose=0), 1 / (1 + np.exp(-logits)), rtol=1e-5
    )


def test_without_classes_it_ends_at_the_feature_map():
    model = keras_medformers.create_model("scopeformer", num_classes=0, **SMALL)

    assert model.output.shape == (None, 2, 2, 12)


def test_training_lowers_the_loss_and_leaves_the_backbone_alone(small):
    model = keras.models.clone_model(small)
    model.get_layer("vgg16").trainable = False
    model.set_weights(small.get_weights())
    backbone = [v.numpy() for v in model.get_layer("vgg16").variables]
    labels = np.array([[1, 0, 0, 0, 0, 0], [0, 1, 1, 1, 1, 1]], "float32")
    model.compile(
        keras.optimizers.Adam(1e-4), keras.losses.BinaryCrossentropy(from_logits=True)
    )

    losses = [model.train_on_batch(IMAGES, labels) for _ in range(10)]

    assert losses[-1] < losses[0]
    for before, variable in zip(
        backbone, model.get_layer("vgg16").variables, strict=True
    ):
        np.testing.assert_array_equal(before, variable)


def test_split_parts_share_variables_and_make_up_the_whole(small):
    extractor, rest = split_backbones(small)

    maps = extractor.predict(IMAGES, verbose=0)

    assert list(maps) == ["vgg16"]
    np.testing.assert_allclose(
        rest.predict(maps, verbose=0), small.predict(IMAGES, verbose=0), atol=1e-5
    )
    assert {v.path for v in rest.trainable_variables} == {
        v.path for v in small.trainable_variables
    }
    assert rest.get_layer("head").kernel is small.get_layer("head").kernel


def test_split_finds_both_instances_of_one_backbone(with_class_token):
    extractor, rest = split_backbones(with_class_token)

    maps = extractor.predict(IMAGES, verbose=0)

    assert list(maps) == ["vgg16", "vgg16_2"]
    assert not np.allclose(
        maps["vgg16"], maps["vgg16_2"]
    )  # each with random weights of its own
    np.testing.assert_allclose(
        rest.predict(maps, verbose=0),
        with_class_token.predict(IMAGES, verbose=0),
        atol=1e-5,
    )


def test_a_model_without_backbones_is_not_split():
    with pytest.raises(ValueError, match="built on backbones.*'hct'"):
        split_backbones(keras_medformers.create_model("hct", num_conv_stages=3))


@pytest.mark.parametrize("name", VARIANTS)
def test_every_name_has_its_tables_settings_and_classifies(name):
    settings = keras_medformers.registry.default_settings(name)
    assert settings["num_layers"] in (4, 8, 12, 16) and settings["mlp_dim"] in (
        3072,
        4096,
        5120,
    )
    small_sizes = {
        "num_layers": 2,
        "mlp_dim": 16,
        "backbones": ["vgg16"],
        "input_shape": (64, 64, 3),
    }
    if settings["feature_size"]:
        small_sizes["feature_size"] = settings["num_heads"] * 2

    model = keras_medformers.create_model(name, **small_sizes)

    width = settings["feature_size"] and settings["num_heads"] * 2 or 512
    names = [layer.name for layer in model.layers]
    assert ("vgg16_projection" in names) == (settings["feature_size"] is not None)
    assert model.get_layer("global_feature_map").output.shape == (None, 2, 2, width)
    assert model.get_layer("feature_map").output.shape == (None, 2, 2, width)
    tokens = (width, 4 + settings["class_token"])
    if settings["tokens"] == "positions":
        tokens = tokens[::-1]
    assert model.get_layer("encoder_1").output.shape == (None, *tokens)
    assert model.predict(IMAGES, verbose=0).shape == (2, 6)
    assert names[-1] == "head"


def test_the_class_token_is_what_the_head_reads(with_class_token):
    names = [layer.name for layer in with_class_token.layers]

    assert names[names.index("encoder_1") :] == [
        "encoder_1",
        "norm",
        "class_token_alone",
        "class_features",
        "head_hidden",
        "head",
    ]
    assert with_class_token.get_layer("head_hidden").units == SMALL["feature_size"]
    normed, token = keras.Model(
        with_class_token.input,
        [
            with_class_token.get_layer(name).output
            for name in ("norm", "class_features")
        ],
    ).predict(IMAGES, verbose=0)
    np.testing.assert_array_equal(token, normed[:, 0])


def test_the_class_column_is_read_from_every_feature():
    model = keras_medformers.create_model("deep_scopeformer_tr", **SMALL)

    encoded, column = keras.Model(
        model.input,
        [model.get_layer(name).output for name in ("encoder_1", "class_features")],
    ).predict(IMAGES, verbose=0)

    assert encoded.shape == (2, 12, 5)
    np.testing.assert_array_equal(column, encoded[:, :, 0])


def test_positions_without_a_class_token_are_pooled():
    model = keras_medformers.create_model(
        "scopeformer_small", **SMALL, class_token=False, pool_size=2, classifier_dim=7
    )

    assert model.get_layer("pooled_features").output.shape == (None, 12)
    assert model.get_layer("head_hidden").units == 7
    assert "class_token" not in [layer.name for layer in model.layers]


def test_preprocessor_takes_raw_slices_of_any_size():
    layer = keras_medformers.preprocessor("scopeformer", image_size=64)
    hu = np.full((2, 100, 90, 1), 40, "int16")

    windows = np.asarray(layer(hu))

    assert windows.shape == (2, 64, 64, 3)
    np.testing.assert_allclose(
        windows[0, 0, 0], [127.5, 255 * 60 / 200, 127.5], rtol=1e-6
    )


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"feature_size": 13, "backbones": ("vgg16", "vgg16")}, "feature_size=13"),
        ({"backbones": ()}, "at least one"),
        ({"backbones": "vgg16"}, "backbones='vgg16'"),
        ({"backbones": ("vgg61",)}, "'vgg61'.*Did you mean .*'vgg16'"),
        (
            {"backbones": ("vgg16", "mobilenetv3small"), "input_shape": (100, 100, 3)},
            "`backbones`.*vgg16 3 x 3, mobilenetv3small 4 x 4",
        ),
        ({"backbone_weights": ["a.h5", "b.h5"]}, "list of 1,.*for vgg16"),
        ({"backbone_weights": "a.h5"}, "backbone_weights='a.h5'"),
        ({"frozen_fraction": 1.5}, "frozen_fraction=1.5"),
        ({"tokens": "channels"}, "`tokens`.*tokens='channels'"),
        (
            {"tokens": "positions", "num_heads": 5},
            "`num_heads` to divide.*12 channels.*num_heads=5",
        ),
        ({"class_token": True, "pool_size": 2}, "pool_size=2"),
        ({"input_shape": (None, None, 3)}, "known height and width"),
    ],
)
def test_refuses_arguments_that_do_not_fit(arguments, message):
    with pytest.raises(ValueError, match=message):
        keras_medformers.create_model("scopeformer", **{**SMALL, **arguments})


def test_heads_need_not_divide_where_features_are_tokens_or_their_width_is_given(small):
    assert small.get_layer("encoder_0").attn.num_heads == 2
    three = keras_medformers.create_model("scopeformer", **SMALL | {"num_heads": 3})
    assert (
        three.get_layer("encoder_0").attn.qkv.units == 3 * 3 * 2
    )  # ceil(4 / 3) channels a head
    given = keras_medformers.create_model(
        "scopeformer_small", **SMALL | {"num_heads": 5, "head_dim": 2}
    )
    assert given.get_layer("encoder_0").attn.qkv.units == 3 * 5 * 2


def test_instances_take_weights_of_their_own(tmp_path):
    path = tmp_path / "vgg16.weights.h5"
    build_backbone("vgg16", SMALL["input_shape"]).save_weights(path)

    model = keras_medformers.create_model(
        "scopeformer",
        **SMALL | {"backbones": ["vgg16"] * 3, "backbone_weights": [path, None, path]},
    )

    first, other, same = (
        model.get_layer(name).get_weights() for name in ("vgg16", "vgg16_2", "vgg16_3")
    )
    assert all(np.array_equal(a, b) for a, b in zip(first, same, strict=True))
    assert not np.array_equal(first[0], other[0])


def test_scopeformer_without_pretrained_files_names_them_all(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))

    def no_network(**kwargs):
        raise Exception("URL fetch failure on somewhere: None")

    for constructor in ("ResNet152V2", "EfficientNetB5", "DenseNet201", "Xception"):
        monkeypatch.setattr(keras.applications, constructor, no_network)
    with pytest.raises(FileNotFoundError) as error:
        keras_medformers.create_model("scopeformer", weights="imagenet")
    assert str(error.value).count("notop.h5") == 4
