"""SavedModels against their Keras models, on disk, and when they disagree."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_medformers
from keras_medformers.serving import comparison, export_saved_model, sample_slices_hu

LABELS = ("any", "epidural", "subdural")


class Window(keras.layers.Layer):
    """HU of any size to 16 x 16 in [0, 1]."""

    def call(self, pixels):
        resized = tf.image.resize(tf.cast(pixels, tf.float32), (16, 16), method="area")
        return tf.clip_by_value(resized / 80, 0, 1)


@pytest.fixture(scope="module")
def model():
    """A small network with BatchNorm, Dropout and moving statistics that are not the initial ones."""
    keras.utils.set_random_seed(0)
    image = keras.Input((16, 16, 1))
    x = keras.layers.Conv2D(8, 3, activation="relu")(image)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.RandomFlip()(x)
    x = keras.layers.Dropout(0.5, name="feature_map")(x)
    x = keras.layers.Flatten()(x)
    x = keras.layers.Dense(200, activation="relu")(x)
    model = keras.Model(image, keras.layers.Dense(3, name="head")(x))
    model.compile("adam", "mse", metrics=["mae"])
    model.fit(
        np.random.default_rng(0).random((8, 16, 16, 1)), np.ones((8, 3)), verbose=0
    )
    return model


@pytest.fixture(scope="module")
def preprocessor():
    return Window()


def keras_probabilities(model, preprocessor, pixels):
    logits = model.predict(np.asarray(preprocessor(pixels)), verbose=0)
    return 1 / (1 + np.exp(-logits))


@pytest.fixture(scope="module")
def version(model, preprocessor, tmp_path_factory):
    directory = tmp_path_factory.mktemp("made") / "deeper" / "small"
    return export_saved_model(model, preprocessor, LABELS, directory, modality="ct")


def test_equals_keras(model, preprocessor, version):
    assert version.parts[-3:] == ("deeper", "small", "1")
    signatures = tf.saved_model.load(str(version)).signatures
    assert sorted(signatures) == [
        "explain",
        "explain_raw",
        "features",
        "raw",
        "serving_default",
    ]
    feature_model = keras.Model(model.input, model.get_layer("feature_map").output)
    generator = np.random.default_rng(1)
    for pixels in (
        generator.integers(-1000, 1000, (1, 512, 512, 1), "int16"),
        generator.integers(-20, 90, (3, 40, 77, 1), "int16"),
    ):
        default = signatures["serving_default"](pixels=tf.constant(pixels))
        assert sorted(default) == ["labels", "probabilities"]
        expected = keras_probabilities(model, preprocessor, pixels)
        np.testing.assert_allclose(default["probabilities"], expected, atol=1e-4)
        assert default["labels"].numpy().tolist() == [
            [name.encode() for name in LABELS]
        ] * len(pixels)
        features = signatures["features"](pixels=tf.constant(pixels))
        assert sorted(features) == ["features", "probabilities"]
        expected = feature_model.predict(np.asarray(preprocessor(pixels)), verbose=0)
        np.testing.assert_allclose(features["features"], expected, atol=1e-4)
    assert np.ptp(default["probabilities"]) > 1e-3


def test_signature_has_named_typed_inputs_and_outputs(version):
    loaded = tf.saved_model.load(version)
    signature = loaded.signatures["serving_default"]
    _, inputs = signature.structured_input_signature
    assert inputs == {
        "pixels": tf.TensorSpec([None, None, None, 1], tf.int16, name="pixels")
    }
    outputs = signature.structured_outputs
    assert (
        outputs["probabilities"].dtype,
        outputs["probabilities"].shape.as_list(),
    ) == (
        tf.float32,
        [None, 3],
    )
    assert outputs["labels"].dtype == tf.string
    assert (
        version / "assets" / "labels.txt"
    ).read_text() == "any\nepidural\nsubdural\n"
    _, inputs = loaded.signatures["raw"].structured_input_signature
    assert inputs == {
        "raw": tf.TensorSpec([None], tf.string, name="raw"),
        "shape": tf.TensorSpec([None, 2], tf.int32, name="shape"),
    }
    heat_maps = loaded.signatures["explain"].structured_outputs["heat_maps"]
    assert (heat_maps.dtype, heat_maps.shape.as_list()[:2]) == (tf.float32, [None, 3])


def test_weights_are_stored_once_and_without_the_optimizer(model, version):
    weights = sum(weight.numpy().nbytes for weight in model.weights)
    stored = sum(path.stat().st_size for path in (version / "variables").iterdir())
    assert weights > 1_000_000
    assert weights <= stored < 1.05 * weights


def test_the_card_has_what_is_given_and_the_facts_of_the_export(
    model, preprocessor, tmp_path
):
    given = {"dataset": "phantoms", "name": "another", "not_a_medical_device": False}
    version = export_saved_model(
        model, preprocessor, LABELS, tmp_path / "small", model_card=given, modality="ct"
    )
    card = json.loads((version / "assets" / "model_card.json").read_text())
    assert card.pop("created").count("-") == 2
    assert card == {
        "dataset": "phantoms",
        "name": "small",
        "not_a_medical_device": True,
        "version_of_package": keras_medformers.__version__,
        "modality": "ct",
        "pixel_dtype": "int16",
        "channels": 1,
        "label_names": list(LABELS),
        "input_size": [16, 16],
    }


def test_a_sample_that_the_signatures_refuse_is_an_error(model, preprocessor, tmp_path):
    grey = [np.full((1, 20, 20, 1), 7, "int16")]
    with pytest.raises(RuntimeError, match="serving_default refuses images.*below 0"):
        export_saved_model(
            model, preprocessor, LABELS, tmp_path, samples=grey, modality="ct"
        )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["probabilities of raw", "features", "heat_maps"])
def test_every_signature_is_compared(model, preprocessor, tmp_path, monkeypatch, name):
    """Each comparison in turn is made to fail."""
    expect_close, seen = comparison._expect_close, []

    def spoilt(what, received, wanted, allowed, batch):
        seen.append(what)
        return expect_close(
            what, received, wanted + 1 if what == name else wanted, allowed, batch
        )

    monkeypatch.setattr(comparison, "_expect_close", spoilt)
    with pytest.raises(
        RuntimeError, match=f"model's {name} differ from the Keras model's by 1"
    ):
        export_saved_model(
            model,
            preprocessor,
            LABELS,
            tmp_path,
            samples=sample_slices_hu((32,)),
            modality="ct",
        )
    assert list(tmp_path.iterdir()) == [] and name in seen


def test_versions_count_up_and_nothing_is_overwritten(model, preprocessor, tmp_path):
    (tmp_path / "7").mkdir()
    (tmp_path / "notes").mkdir()
    first = export_saved_model(model, preprocessor, LABELS, tmp_path, modality="ct")
    before = {path: path.stat().st_mtime_ns for path in first.rglob("*")}
    second = export_saved_model(model, preprocessor, LABELS, tmp_path, modality="ct")
    assert (first.name, second.name) == ("8", "9")
    assert {path: path.stat().st_mtime_ns for path in first.rglob("*")} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["7", "8", "9", "notes"]


def test_a_difference_is_refused_and_leaves_nothing(model, tmp_path):
    calls = []

    def drifting(pixels):
        calls.append(None)
        return (
            tf.image.resize(tf.cast(pixels, tf.float32), (16, 16)) * 0.001 * len(calls)
        )

    with pytest.raises(RuntimeError, match="differ from the Keras model's"):
        export_saved_model(model, drifting, LABELS, tmp_path, modality="ct")
    assert list(tmp_path.iterdir()) == []


def test_not_a_number_is_refused_and_leaves_nothing(model, preprocessor, tmp_path):
    spoilt = keras.models.clone_model(model)
    spoilt.get_layer("head").bias.assign(np.full(3, np.nan, "float32"))
    with pytest.raises(RuntimeError, match="nan"):
        export_saved_model(spoilt, preprocessor, LABELS, tmp_path, modality="ct")
    assert list(tmp_path.iterdir()) == []


def test_activations(model, preprocessor, tmp_path):
    pixels = sample_slices_hu()[1]
    logits = model.predict(np.asarray(preprocessor(pixels)), verbose=0)
    softmax = export_saved_model(
        model, preprocessor, LABELS, tmp_path, activation="softmax", modality="ct"
    )
    served = tf.saved_model.load(softmax).signatures["serving_default"](
        pixels=tf.constant(pixels)
    )
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(served["probabilities"], expected, atol=1e-4)
    linear = export_saved_model(
        model, preprocessor, LABELS, tmp_path, activation="linear", modality="ct"
    )
    served = tf.saved_model.load(linear).signatures["serving_default"](
        pixels=tf.constant(pixels)
    )
    np.testing.assert_allclose(served["probabilities"], logits, atol=1e-4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"feature_layer": "nowhere"}, "'nowhere'.*dense.*head"),
        ({"label_names": ("any",)}, r"label_names.*\(None, 3\)"),
        ({"label_names": ("any", "two\nlines", "c")}, "single lines"),
        ({"activation": "tanh"}, "sigmoid, softmax, linear.*'tanh'"),
        ({"samples": []}, "samples"),
        ({"encoded": True}, "JPEG and PNG.*modality='ct'"),
    ],
)
def test_refuses_what_does_not_fit(model, preprocessor, tmp_path, options, message):
    arguments = {
        "label_names": LABELS,
        "directory": tmp_path / "new",
        "modality": "ct",
        **options,
    }
    with pytest.raises(ValueError, match=message):
        export_saved_model(model, preprocessor, **arguments)
    assert not (tmp_path / "new").exists()


def test_the_models_own_preprocessing_is_exported_for_any_size(tmp_path):
    image = keras.Input((16, 16, 3))
    x = keras.layers.Conv2D(4, 3, name="feature_map")(image / 255.0)
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(image, keras.layers.Dense(3, name="head")(x))
    preprocessor = keras_medformers.preprocessor("efficient_scopeformer", 16)
    version = export_saved_model(model, preprocessor, LABELS, tmp_path, modality="ct")
    for size in ((50, 33), (16, 16), (8, 40)):
        pixels = np.random.default_rng(0).integers(-100, 200, (2, *size, 1), "int16")
        served = tf.saved_model.load(version).signatures["serving_default"](
            pixels=tf.constant(pixels)
        )
        expected = keras_probabilities(model, preprocessor, pixels)
        np.testing.assert_allclose(served["probabilities"], expected, atol=1e-4)


@pytest.fixture
def two_outputs(model):
    features = model.get_layer("feature_map").output
    flat = keras.layers.Flatten()(features)
    outputs = {
        "there": keras.layers.Dense(2)(flat),
        "where": keras.layers.Dense(3)(flat),
    }
    return keras.Model(model.input, outputs)


def test_a_dict_of_outputs_is_served_by_name(two_outputs, preprocessor, tmp_path):
    names = {"where": ("deep", "lobar", "low"), "there": ("no", "yes")}
    version = export_saved_model(
        two_outputs, preprocessor, names, tmp_path, activation="softmax", modality="ct"
    )
    signatures = tf.saved_model.load(version).signatures
    pixels = sample_slices_hu((40,))[0]
    served = signatures["serving_default"](pixels=tf.constant(pixels))
    assert sorted(served) == ["there", "there_labels", "where", "where_labels"]
    logits = two_outputs.predict(np.asarray(preprocessor(pixels)), verbose=0)
    for name, labels in names.items():
        expected = np.exp(logits[name]) / np.exp(logits[name]).sum(
            axis=1, keepdims=True
        )
        np.testing.assert_allclose(served[name], expected, atol=1e-4)
        assert [
            label.decode() for label in served[f"{name}_labels"].numpy()[0]
        ] == list(labels)
    assert sorted(signatures["features"](pixels=tf.constant(pixels))) == [
        "features",
        "there",
        "where",
    ]
    assert (version / "assets" / "labels.txt").read_text().split() == [
        "deep",
        "lobar",
        "low",
        "no",
        "yes",
    ]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            LABELS,
            "for one that gives a dict. Received: those of probabilities for there, where",
        ),
        ({"there": ("no", "yes")}, "Received: those of there for there, where"),
        (
            {"there": ("no", "yes"), "where": ("deep",)},
            r"of shape \(None, 3\). Received: deep",
        ),
    ],
)
def test_names_have_to_be_of_the_outputs(
    two_outputs, preprocessor, tmp_path, names, message
):
    with pytest.raises(ValueError, match=message):
        export_saved_model(
            two_outputs, preprocessor, names, tmp_path / "new", modality="ct"
        )
    assert not (tmp_path / "new").exists()


def test_a_list_of_outputs_is_refused(two_outputs, preprocessor, tmp_path):
    listed = keras.Model(two_outputs.input, list(two_outputs.output.values()))
    with pytest.raises(
        ValueError, match="one output, or a dict of outputs. Received: 1 and 2"
    ):
        export_saved_model(
            listed, preprocessor, LABELS, tmp_path / "new", modality="ct"
        )
