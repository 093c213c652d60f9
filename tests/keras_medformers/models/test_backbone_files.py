"""Weights files of backbones: Keras' cache, files of every kind, files that hold something else."""

import dataclasses
import hashlib
import os

import keras
import numpy as np
import pytest

from keras_medformers.models import backbones
from keras_medformers.models.backbone_files import imagenet_weights_files
from keras_medformers.models.backbones import BACKBONES, build_backbone

SHAPE = (64, 64, 3)
PIXELS = np.random.default_rng(0).uniform(0, 255, (1, *SHAPE)).astype("float32")


@pytest.fixture(scope="module")
def vgg_files(tmp_path_factory):
    """VGG16 in each kind of file."""
    folder = tmp_path_factory.mktemp("vgg16")
    keras.utils.set_random_seed(0)
    model = keras.applications.VGG16(include_top=False, weights=None, input_shape=SHAPE)
    paths = [folder / name for name in ("vgg16.h5", "vgg16.weights.h5", "vgg16.keras")]
    for path in paths:
        model.save_weights(path) if path.name.endswith(".weights.h5") else model.save(
            path
        )
    return model.get_weights(), paths


def test_takes_files_of_every_kind(vgg_files):
    weights, paths = vgg_files

    for path in paths:
        found = build_backbone("vgg16", SHAPE, weights=path).get_weights()
        assert all(np.array_equal(a, b) for a, b in zip(weights, found, strict=True)), (
            path.name
        )


@pytest.mark.parametrize("kind", [0, 1, 2])
def test_a_file_of_another_backbone_names_the_first_variable_that_does_not_fit(
    vgg_files, kind
):
    path = vgg_files[1][kind]
    message = (
        rf"{path.name} does not hold weights of 'vgg19' without top: variable 'block3_conv4/kernel' has "
        r"shape \(3, 3, 256, 256\) in the model, and the file has \S+ of shape \(3, 3, 256, 512\)"
    )
    with pytest.raises(ValueError, match=message):
        build_backbone("vgg19", SHAPE, weights=path)


@pytest.mark.parametrize("name", ["other.weights.h5", "other.h5", "other.keras"])
def test_a_file_without_the_backbones_variables_is_refused(tmp_path, name):
    path = tmp_path / name
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.save_weights(path) if name.endswith(".weights.h5") else model.save(path)

    message = "'vgg16' without top: variable 'block1_conv1/kernel' has shape .*, and the file has"
    with pytest.raises(ValueError, match=message):
        build_backbone("vgg16", SHAPE, weights=path)


@pytest.mark.parametrize("name", ["broken.weights.h5", "broken.h5", "broken.keras"])
def test_a_broken_file_is_refused(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"no weights")

    with pytest.raises(
        ValueError, match=f"{name} does not hold weights of 'vgg16' without top"
    ):
        build_backbone("vgg16", SHAPE, weights=path)


@pytest.mark.slow
def test_efficientnet_is_the_same_whichever_way_its_file_comes_in(
    tmp_path, monkeypatch
):
    """Released files store deviations as variances; only weights="imagenet" makes up for it in Keras."""
    cache = tmp_path / "models"
    cache.mkdir()
    path = cache / "efficientnetb5_notop.weights.h5"
    keras.utils.set_random_seed(0)
    model = keras.applications.EfficientNetB5(
        include_top=False, weights=None, input_shape=SHAPE
    )
    normalization = model.get_layer(index=2)
    assert isinstance(normalization, keras.layers.Normalization)
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    normalization.set_weights([mean, std, np.array(0)])
    model.save_weights(path)
    spec = dataclasses.replace(
        BACKBONES["efficientnetb5"],
        weights_file=path.name,
        digest=hashlib.md5(path.read_bytes()).hexdigest(),
    )
    monkeypatch.setitem(backbones.BACKBONES, "efficientnetb5", spec)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))

    by_path = build_backbone("efficientnetb5", SHAPE, weights=path)
    by_name = build_backbone("efficientnetb5", SHAPE, weights="imagenet")

    np.testing.assert_allclose(
        by_path.predict(PIXELS, verbose=0),
        by_name.predict(PIXELS, verbose=0),
        rtol=1e-6,
    )
    scaled = keras.Model(
        by_path.input, by_path.get_layer("efficientnetb5_normalization_1").output
    )
    expected = (PIXELS / 255 - mean) / std
    np.testing.assert_allclose(
        scaled.predict(PIXELS, verbose=0), expected, rtol=1e-4, atol=1e-5
    )


def test_offline_error_lists_every_missing_file_with_its_hash(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))

    def no_network(**kwargs):
        raise Exception("URL fetch failure on somewhere: None")

    monkeypatch.setattr(keras.applications, "Xception", no_network)
    with pytest.raises(FileNotFoundError) as error:
        imagenet_weights_files(
            ["xception", "densenet201", "xception_block13", "convnexttiny"]
        )
    for name, kind in (
        ("xception", "md5"),
        ("densenet201", "md5"),
        ("convnexttiny", "sha256"),
    ):
        spec = BACKBONES[name]
        assert (
            f"{tmp_path / 'models' / spec.weights_file}  ({kind} {spec.digest})"
            in str(error.value)
        )
    assert str(error.value).count("xception_weights") == 1


def test_missing_files_of_all_instances_are_listed_at_once(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))

    def no_network(**kwargs):
        raise Exception("URL fetch failure on somewhere: None")

    monkeypatch.setattr(keras.applications, "VGG16", no_network)
    image = keras.Input(SHAPE)
    with pytest.raises(FileNotFoundError) as error:
        backbones.backbone_maps(
            image, ["vgg16", "vgg19", "xception"], ["imagenet", None, "imagenet"]
        )
    assert str(error.value).count("notop.h5") == 2


def test_file_with_another_hash_is_named_and_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    path = tmp_path / "models" / BACKBONES["xception"].weights_file
    os.makedirs(path.parent)
    path.write_bytes(b"other weights")

    with pytest.raises(ValueError, match=BACKBONES["xception"].digest):
        build_backbone("xception", SHAPE, weights="imagenet")
    assert path.read_bytes() == b"other weights"


def test_missing_file_and_unknown_name(tmp_path):
    with pytest.raises(FileNotFoundError, match="absent.h5"):
        build_backbone("xception", SHAPE, weights=tmp_path / "absent.h5")
    with pytest.raises(ValueError, match="xceptio"):
        build_backbone("xceptio", SHAPE)
