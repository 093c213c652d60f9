"""Backbones: input scaling, names, instances, freezing, what a model holds of them."""

import keras
import numpy as np
import pytest

import keras_medformers
from keras_medformers.models.backbones import (
    BACKBONES,
    backbone_instances,
    build_backbone,
    instance_names,
    save_backbone_weights,
)

SHAPE = (64, 64, 3)
PIXELS = np.random.default_rng(0).uniform(0, 255, (2, *SHAPE)).astype("float32")
PREPROCESS = {
    "densenet201": keras.applications.densenet.preprocess_input,
    "mobilenetv3small": keras.applications.mobilenet_v3.preprocess_input,
    "resnet152v2": keras.applications.resnet_v2.preprocess_input,
    "vgg19": keras.applications.vgg19.preprocess_input,
    "xception": keras.applications.xception.preprocess_input,
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
    model(keras.ops.convert_to_tensor(PREPROCESS[name](PIXELS.copy())), training=True)
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


def test_every_cnn_of_keras_applications_is_there():
    constructors = {
        name
        for name in dir(keras.applications)
        if name[0].isupper() and callable(getattr(keras.applications, name))
    }

    assert {spec.constructor for spec in BACKBONES.values()} == constructors
    assert {
        name for name, spec in BACKBONES.items() if spec.constructor.lower() != name
    } == {"xception_block13"}


@pytest.mark.slow
def test_block_13_of_xception_takes_the_whole_ones_weights(tmp_path):
    """It ends before the last block's first convolution, in 1024 channels (Table 2)."""
    path = tmp_path / "xception.weights.h5"
    save_application("xception", path)

    block13 = build_backbone("xception_block13", SHAPE, weights=path)
    whole = build_backbone("xception", SHAPE, weights=path)

    assert block13.output_shape == (None, 2, 2, 1024)
    ends = keras.Model(whole.input, whole.get_layer("xception_block14_sepconv1").input)
    np.testing.assert_allclose(
        block13.predict(PIXELS, verbose=0),
        ends.predict(PIXELS, verbose=0),
        rtol=1e-5,
        atol=1e-5,
    )
    again = tmp_path / "block13.weights.h5"
    block13.save_weights(again)
    reloaded = build_backbone("xception_block13", SHAPE, weights=again).get_weights()
    assert all(
        np.array_equal(a, b)
        for a, b in zip(reloaded, block13.get_weights(), strict=True)
    )


def test_every_layer_carries_the_instances_name_whatever_was_built_before():
    first = [layer.name for layer in build_backbone("mobilenetv3small", SHAPE).layers]
    again = build_backbone("mobilenetv3small", SHAPE, instance="mobilenetv3small_2")

    assert all(name.startswith("mobilenetv3small_") for name in first)
    assert again.name == "mobilenetv3small_2"
    assert [layer.name for layer in again.layers] == [
        name.replace("mobilenetv3small", "mobilenetv3small_2", 1) for name in first
    ]


def test_instances_are_counted_by_name():
    names = instance_names(["xception", "resnet50", "xception", "xception"])

    assert names == ("xception", "resnet50", "xception_2", "xception_3")
    with pytest.raises(ValueError, match="'Xception'.*Did you mean 'xception'"):
        instance_names(["Xception"])
    with pytest.raises(ValueError, match="backbones="):
        instance_names([])


def test_frozen_fraction_freezes_from_the_input_up():
    model = build_backbone("mobilenet", SHAPE, frozen_fraction=0.7)

    flags = [layer.trainable for layer in model.layers]
    assert flags == sorted(flags)
    assert abs(flags.index(True) / len(flags) - 0.7) < 0.01


def test_frozen_backbone_has_nothing_to_train():
    assert build_backbone("vgg16", SHAPE).trainable_variables == []


def test_a_trained_backbones_weights_go_into_another_model(tmp_path):
    classifier = keras_medformers.create_model(
        "scopeformer_backbone", input_shape=SHAPE, backbone="vgg16"
    )
    path = tmp_path / "vgg16.weights.h5"

    save_backbone_weights(classifier, path)
    model = keras_medformers.create_model(
        "scopeformer",
        input_shape=SHAPE,
        backbones=["vgg16", "vgg16"],
        feature_size=4,
        num_layers=1,
        mlp_dim=4,
        num_heads=2,
        backbone_weights=[None, path],
    )

    assert backbone_instances(classifier) == ("vgg16",)
    assert backbone_instances(model) == ("vgg16", "vgg16_2")
    expected = classifier.get_layer("vgg16").get_weights()
    found = model.get_layer("vgg16_2").get_weights()
    assert all(np.array_equal(a, b) for a, b in zip(expected, found, strict=True))
    with pytest.raises(ValueError, match="one backbone.*vgg16_2"):
        save_backbone_weights(model, path)
    with pytest.raises(ValueError, match="path='vgg16.h5'"):
        save_backbone_weights(classifier, "vgg16.h5")
