"""Classifiers on one backbone: structure, splitting, weights, what goes in."""

import keras
import numpy as np
import pytest

import keras_medformers
from keras_medformers.models.backbones import build_backbone
from keras_medformers.models.scopeformer import split_backbones

SHAPE = (64, 64, 3)
IMAGES = np.random.default_rng(0).uniform(0, 255, (2, *SHAPE)).astype("float32")


@pytest.fixture(scope="module")
def small():
    keras.utils.set_random_seed(0)
    return keras_medformers.create_model(
        "scopeformer_backbone", input_shape=SHAPE, backbone="vgg16"
    )


def test_backbone_map_pool_and_head(small):
    assert [layer.name for layer in small.layers] == [
        "image",
        "vgg16",
        "vgg16_map",
        "feature_map",
        "pool",
        "head",
    ]
    assert small.output.shape == (None, 6)
    assert len(small.trainable_variables) == 2 * 13 + 2  # nothing is frozen by default
    without_head = keras_medformers.create_model(
        "scopeformer_backbone", num_classes=0, input_shape=SHAPE, backbone="vgg16"
    )
    assert without_head.output.shape == (None, 2, 2, 512)


def test_splits_and_comes_back_from_a_file(small, tmp_path):
    extractor, rest = split_backbones(small)
    expected = small.predict(IMAGES, verbose=0)
    np.testing.assert_allclose(
        rest.predict(extractor.predict(IMAGES, verbose=0), verbose=0),
        expected,
        atol=1e-5,
    )

    small.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.predict(IMAGES, verbose=0), expected)


@pytest.mark.parametrize("in_a_list", [False, True])
def test_takes_a_file_alone_or_in_a_list(tmp_path, in_a_list):
    path = tmp_path / "vgg16.weights.h5"
    backbone = build_backbone("vgg16", SHAPE)
    backbone.save_weights(path)

    model = keras_medformers.create_model(
        "imagenet_backbone",
        num_classes=3,
        input_shape=SHAPE,
        backbone="vgg16",
        backbone_weights=[path] if in_a_list else str(path),
        frozen_fraction=1.0,
    )

    found = model.get_layer("vgg16").get_weights()
    assert all(
        np.array_equal(a, b) for a, b in zip(backbone.get_weights(), found, strict=True)
    )
    assert [variable.path for variable in model.trainable_variables] == [
        "head/kernel",
        "head/bias",
    ]


def test_refuses_an_unknown_backbone():
    with pytest.raises(ValueError, match="'vgg61'.*Did you mean .*'vgg16'"):
        keras_medformers.create_model(
            "scopeformer_backbone", input_shape=SHAPE, backbone="vgg61"
        )


def test_pictures_keep_their_levels():
    picture = np.random.default_rng(1).integers(0, 256, (1, 64, 96, 3), "uint8")
    flat = np.full((2, 40, 60, 3), 200, "uint8")
    layer = keras_medformers.preprocessor("imagenet_backbone", image_size=56)

    prepared = np.asarray(layer(picture))

    assert prepared.shape == (1, 56, 56, 3)
    # The shorter side of 64 stays as it is, so the middle is the picture's own.
    np.testing.assert_allclose(
        prepared[:, 1:-1, 1:-1], picture[:, 5:59, 21:75], atol=1e-3
    )
    np.testing.assert_allclose(np.asarray(layer(flat)), 200, rtol=1e-6)
    assert layer.get_layer("rescale")(picture).dtype == "float32"


def test_slices_are_windowed_as_for_the_scopeformers():
    of_both = [
        keras_medformers.preprocessor(name).get_layer("windows").get_config()
        for name in ("scopeformer_backbone", "scopeformer")
    ]
    assert of_both[0] == of_both[1]
