"""What a registration declares of a model, and the one line it gets where that is not so."""

import keras
import numpy as np
import pytest

import keras_medformers
from keras_medformers import registry
from keras_medformers.registry import ModelLayers, register_model

DECLARED = dict(
    num_classes=2,
    input_shape=(8, 8, 3),
    modality="photograph",
    layers=ModelLayers(features="last_map", head="answer", normalise="to_unit"),
)


def build(num_classes, input_shape, classifier_activation=None, *, width=4):
    image = keras.Input(input_shape)
    x = keras.layers.Conv2D(width, 3, name="last_map")(image)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    if num_classes:
        x = keras.layers.Dense(num_classes, classifier_activation, name="answer")(x)
    return keras.Model(image, x)


def preprocess(image_size):
    return keras.Sequential(
        [
            keras.Input((None, None, 3), dtype="uint8"),
            keras.layers.Resizing(image_size, image_size),
            keras.layers.Rescaling(1 / 255, name="to_unit"),
        ]
    )


@pytest.fixture(autouse=True)
def registered_for_a_test(monkeypatch):
    monkeypatch.setattr(registry, "_ENTRIES", dict(registry._ENTRIES))
    monkeypatch.setattr(registry, "_ALIASES", dict(registry._ALIASES))


def declare(**values):
    register_model("foo", build, **{"preprocessor": preprocess, **DECLARED, **values})


def test_a_model_whose_layers_have_names_of_their_own():
    declare()
    entry = registry.model_entry("foo")
    assert entry.modalities == ("photograph",) and entry.settings == ["width"]
    assert keras_medformers.create_model("foo").output_shape == (None, 2)
    assert keras_medformers.create_model("foo", num_classes=0).output_shape == (None, 4)
    pixels = np.full((1, 9, 9, 3), 255, "uint8")
    np.testing.assert_array_equal(keras_medformers.preprocessor("foo")(pixels), 1.0)


def test_every_registered_preprocessor_has_what_it_declares():
    for name in registry.list_models():
        for modality in registry.model_entry(name).modalities:
            assert keras_medformers.preprocessor(name, 32, modality)


@pytest.mark.parametrize("role", ["features", "head"])
def test_a_model_without_a_declared_layer_fails_when_built(role):
    names = {"features": "last_map", "head": "answer", role: "lacking"}
    declare(layers=ModelLayers(**names))
    message = (
        f"Model 'foo' has no layer 'lacking', which its registration names by "
        rf"ModelLayers\({role}=...\). Its last layers are .*'pool', 'answer'.$"
    )
    with pytest.raises(ValueError, match=message):
        keras_medformers.create_model("foo")


def test_a_preprocessor_without_the_declared_layer_fails_when_built():
    declare(layers=ModelLayers(features="last_map", head="answer", normalise="scale"))
    with pytest.raises(ValueError, match="no layer 'scale'.*normalise.*'to_unit'"):
        keras_medformers.preprocessor("foo")


def test_a_model_of_several_modalities_has_a_preprocessor_for_each():
    declare(
        modality=("photograph", "mammogram"),
        preprocessor={"photograph": preprocess, "mammogram": lambda image_size: grey},
    )
    grey = keras.Sequential(
        [keras.Input((8, 8, 1), dtype="uint16"), keras.layers.Identity(name="to_unit")]
    )
    assert keras_medformers.preprocessor("foo", modality="mammogram") is grey
    assert keras_medformers.preprocessor("foo") is not grey
    with pytest.raises(ValueError, match="'photograph' or 'mammogram'.*'ct'"):
        keras_medformers.preprocessor("foo", modality="ct")


def test_a_preprocessor_for_other_pixels_than_the_modality_has_is_refused():
    declare(modality="ct")
    message = r"modality 'ct', int16 in 1 channel\(s\). Received: one for uint8 in 3"
    with pytest.raises(ValueError, match=message):
        keras_medformers.preprocessor("foo")


def test_an_unknown_modality_is_refused():
    with pytest.raises(ValueError, match="Unknown modality. .*'photo'.*'photograph'"):
        declare(modality="photo")


@pytest.mark.parametrize(
    "values, message",
    [
        (
            {"variant": {"wide": 3}},
            r"the builder to take wide. Received: build\(num_classes",
        ),
        (
            {"freezing": "frozen"},
            "the builder to take frozen, backbone_weights, backbones",
        ),
        ({"modality": ()}, "functions by modality"),
        (
            {"preprocessor": {"ct": preprocess}},
            r"modality=\('photograph',\), .* \('ct',\)",
        ),
        ({"layers": {"head": "answer"}}, "`layers` to be a ModelLayers"),
        ({"num_classes": {"side": 2}}, "`{task}` in the name of the head"),
    ],
)
def test_a_registration_that_contradicts_itself_is_refused(values, message):
    with pytest.raises(
        ValueError, match=f"Model 'foo' cannot be registered.*{message}"
    ):
        declare(**values)
    assert "foo" not in keras_medformers.list_models()
