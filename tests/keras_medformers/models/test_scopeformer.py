"""Efficient Scopeformer: structure, counts, freezing, splitting; full size once."""

import math
import re

import keras
import numpy as np
import pytest

import keras_medformers
from keras_medformers.models.scopeformer import split_backbones

SMALL = dict(
    input_shape=(64, 64, 3),
    backbones=("densenet201",),
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


@pytest.mark.slow
def test_full_size_counts_shapes_and_names():
    model = keras_medformers.create_model("efficient_scopeformer")

    encoders = [layer for layer in model.layers if re.fullmatch(r"encoder_\d", layer.name)]
    projections = [layer for layer in model.layers if layer.name.endswith("_projection")]
    by_formula = 8 * (
        2 * 2 * 64 + 3 * (64 * 64 + 64) + 64 * 64 + 64 + (64 * 4096 + 4096) + (4096 * 64 + 64)
        + 16 * 16 + 16 + 2 * 16
    )
    assert len(encoders) == 8
    assert count(sum((layer.trainable_variables for layer in encoders), [])) == by_formula
    trained = count(sum((layer.trainable_variables for layer in encoders + projections), []))
    assert round(trained / 1e6, 1) == 5.1
    assert round(count(model.trainable_variables) / 1e6, 1) == 5.2  # design: 5.2; Table 5 prints 5
    backbone_total = count(model.variables) - count(model.trainable_variables)
    assert 126.0e6 < backbone_total < 126.1e6
    assert model.get_layer("feature_map").output.shape == (None, 8, 8, 384)
    assert model.output.shape == (None, 6)
    blocks = [layer.attn for layer in encoders]
    assert {(block.num_heads, block._head_dim) for block in blocks} == {(16, 4)}


def test_no_layer_or_weight_has_an_automatic_name(small):
    classes = "dense|conv2d|batch_normalization|functional|reshape|permute|concatenate|flatten"
    automatic = re.compile(rf"^({classes})(_\d+)?$")

    assert [layer.name for layer in small.layers if automatic.match(layer.name)] == []
    paths = [variable.path for variable in small.variables]
    assert len(set(paths)) == len(paths)
    assert "encoder_1/attn/qkv/kernel" in paths


def test_gives_logits_or_what_the_activation_makes_of_them(small):
    probabilities = keras_medformers.create_model("scopeformer", classifier_activation="sigmoid", **SMALL)
    probabilities.set_weights(small.get_weights())

    logits = small.predict(IMAGES, verbose=0)

    np.testing.assert_allclose(
        probabilities.predict(IMAGES, verbose=0), 1 / (1 + np.exp(-logits)), rtol=1e-5
    )


def test_without_classes_it_ends_at_the_feature_map():
    model = keras_medformers.create_model("scopeformer", num_classes=0, **SMALL)

    assert model.output.shape == (None, 2, 2, 12)


def test_round_trip_through_a_file(small, tmp_path):
    small.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")

    np.testing.assert_array_equal(loaded.predict(IMAGES, verbose=0), small.predict(IMAGES, verbose=0))
    assert len(loaded.trainable_variables) == len(small.trainable_variables)

    again = keras_medformers.create_model("scopeformer", weights=tmp_path / "model.keras", **SMALL)
    np.testing.assert_array_equal(again.predict(IMAGES, verbose=0), small.predict(IMAGES, verbose=0))


def test_training_lowers_the_loss_and_leaves_the_backbone_alone(small):
    model = keras.models.clone_model(small)
    model.get_layer("densenet201").trainable = False
    model.set_weights(small.get_weights())
    backbone = [v.numpy() for v in model.get_layer("densenet201").variables]
    labels = np.array([[1, 0, 0, 0, 0, 0], [0, 1, 1, 1, 1, 1]], "float32")
    model.compile(keras.optimizers.Adam(1e-4), keras.losses.BinaryCrossentropy(from_logits=True))

    losses = [model.train_on_batch(IMAGES, labels) for _ in range(10)]

    assert losses[-1] < losses[0]
    for before, variable in zip(backbone, model.get_layer("densenet201").variables, strict=True):
        np.testing.assert_array_equal(before, variable)


def test_split_parts_share_variables_and_make_up_the_whole(small):
    extractor, rest = split_backbones(small, ("densenet201",))

    maps = extractor.predict(IMAGES, verbose=0)

    assert list(maps) == ["densenet201"]
    np.testing.assert_allclose(rest.predict(maps, verbose=0), small.predict(IMAGES, verbose=0), atol=1e-5)
    assert {v.path for v in rest.trainable_variables} == {v.path for v in small.trainable_variables}
    assert rest.get_layer("head").kernel is small.get_layer("head").kernel


def test_preprocessor_takes_raw_slices_of_any_size():
    layer = keras_medformers.preprocessor("scopeformer", image_size=64)
    hu = np.full((2, 100, 90, 1), 40, "int16")

    windows = np.asarray(layer(hu))

    assert windows.shape == (2, 64, 64, 3)
    np.testing.assert_allclose(windows[0, 0, 0], [127.5, 255 * 60 / 200, 127.5], rtol=1e-6)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"feature_size": 13, "backbones": ("densenet201", "xception")}, "feature_size=13"),
        ({"backbones": ("densenet201", "densenet201")}, "different backbones"),
        ({"backbones": ()}, "at least one"),
        ({"backbones": ("vgg16",)}, "vgg16"),
        ({"backbone_weights": ["a.h5", "b.h5"]}, "list of 1 paths"),
        ({"frozen_fraction": 1.5}, "frozen_fraction=1.5"),
    ],
)
def test_refuses_arguments_that_do_not_fit(arguments, message):
    with pytest.raises(ValueError, match=message):
        keras_medformers.create_model("scopeformer", **{**SMALL, **arguments})


def test_scopeformer_without_pretrained_files_names_them_all(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))

    def no_network(**kwargs):
        raise Exception("URL fetch failure on somewhere: None")

    for constructor in ("ResNet152V2", "EfficientNetB5", "DenseNet201", "Xception"):
        monkeypatch.setattr(keras.applications, constructor, no_network)
    with pytest.raises(FileNotFoundError) as error:
        keras_medformers.create_model("scopeformer", weights="imagenet")
    assert str(error.value).count("notop.h5") == 4
