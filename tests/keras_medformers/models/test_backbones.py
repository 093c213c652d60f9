"""Backbones: input scaling, weights files of every kind, freezing."""

import dataclasses
import hashlib
import os

import keras
import numpy as np
import pytest

from keras_medformers.models import backbones
from keras_medformers.models.backbones import BACKBONES, build_backbone, imagenet_weights_files

SHAPE = (64, 64, 3)
PIXELS = np.random.default_rng(0).uniform(0, 255, (1, *SHAPE)).astype("float32")
PREPROCESS = {
    "xception": keras.applications.xception.preprocess_input,
    "resnet152v2": keras.applications.resnet_v2.preprocess_input,
    "densenet201": keras.applications.densenet.preprocess_input,
}


@pytest.fixture(autouse=True)
def _seeded():
    keras.utils.set_random_seed(0)


def save_application(name, path):
    """Weights of a random application whose BatchNorm statistics keep the signal's size."""
    model = getattr(keras.applications, BACKBONES[name].constructor)(
        include_top=False, weights=None, input_shape=(None, None, 3)
    )
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
    model(keras.ops.convert_to_tensor(PIXELS / 128 - 1), training=True)
    model.save_weights(path)
    return model


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(PREPROCESS))
def test_scales_its_input_as_the_application_does(name, tmp_path):
    path = tmp_path / f"{name}.weights.h5"
    application = save_application(name, path)

    ours = build_backbone(name, SHAPE, weights=path).predict(PIXELS, verbose=0)
    theirs = application.predict(PREPROCESS[name](PIXELS.copy()), verbose=0)

    # Random deep networks magnify rounding; another scaling changes everything.
    np.testing.assert_allclose(ours, theirs, atol=5e-3 * np.abs(theirs).max())


@pytest.mark.slow
def test_efficientnet_is_the_same_whichever_way_its_file_comes_in(tmp_path, monkeypatch):
    """Released files store deviations as variances; only weights="imagenet" makes up for it in Keras."""
    cache = tmp_path / "models"
    cache.mkdir()
    path = cache / "efficientnetb5_notop.weights.h5"
    model = keras.applications.EfficientNetB5(include_top=False, weights=None, input_shape=SHAPE)
    normalization = model.get_layer(index=2)
    assert isinstance(normalization, keras.layers.Normalization)
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    normalization.set_weights([mean, std, np.array(0)])
    model.save_weights(path)
    spec = dataclasses.replace(
        BACKBONES["efficientnetb5"],
        weights_file=path.name,
        md5=hashlib.md5(path.read_bytes()).hexdigest(),
    )
    monkeypatch.setitem(backbones.BACKBONES, "efficientnetb5", spec)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))

    by_path = build_backbone("efficientnetb5", SHAPE, weights=path)
    by_name = build_backbone("efficientnetb5", SHAPE, weights="imagenet")

    np.testing.assert_allclose(
        by_path.predict(PIXELS, verbose=0), by_name.predict(PIXELS, verbose=0), rtol=1e-6
    )
    scaled = keras.Model(by_path.input, by_path.get_layer("efficientnetb5_normalization_1").output)
    expected = (PIXELS / 255 - mean) / std
    np.testing.assert_allclose(scaled.predict(PIXELS, verbose=0), expected, rtol=1e-4, atol=1e-5)


def test_every_layer_carries_the_backbones_name_whatever_was_built_before():
    first = [layer.name for layer in build_backbone("densenet201", SHAPE).layers]
    again = [layer.name for layer in build_backbone("densenet201", SHAPE).layers]

    assert first == again
    assert all(name.startswith("densenet201_") for name in first)


def test_frozen_fraction_freezes_from_the_input_up():
    model = build_backbone("densenet201", SHAPE, frozen_fraction=0.7)

    flags = [layer.trainable for layer in model.layers]
    assert flags == sorted(flags)
    assert abs(flags.index(True) / len(flags) - 0.7) < 0.01


def test_frozen_backbone_has_nothing_to_train():
    assert build_backbone("densenet201", SHAPE).trainable_variables == []


def test_offline_error_lists_every_missing_file_with_its_hash(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))

    def no_network(**kwargs):
        raise Exception("URL fetch failure on somewhere: None")

    monkeypatch.setattr(keras.applications, "Xception", no_network)
    with pytest.raises(FileNotFoundError) as error:
        imagenet_weights_files(["xception", "densenet201"])
    for name in ("xception", "densenet201"):
        assert str(tmp_path / "models" / BACKBONES[name].weights_file) in str(error.value)
        assert BACKBONES[name].md5 in str(error.value)


def test_file_with_another_hash_is_named_and_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    path = tmp_path / "models" / BACKBONES["xception"].weights_file
    os.makedirs(path.parent)
    path.write_bytes(b"other weights")

    with pytest.raises(ValueError, match=BACKBONES["xception"].md5):
        build_backbone("xception", SHAPE, weights="imagenet")
    assert path.read_bytes() == b"other weights"


def test_weights_of_another_backbone_are_refused(tmp_path):
    path = tmp_path / "other.weights.h5"
    keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]).save_weights(path)

    with pytest.raises(ValueError, match="other.weights.h5 does not hold weights of 'xception'"):
        build_backbone("xception", SHAPE, weights=path)


def test_missing_file_and_unknown_name(tmp_path):
    with pytest.raises(FileNotFoundError, match="absent.h5"):
        build_backbone("xception", SHAPE, weights=tmp_path / "absent.h5")
    with pytest.raises(ValueError, match="xceptio"):
        build_backbone("xceptio", SHAPE)
