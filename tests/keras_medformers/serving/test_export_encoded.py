"""Exports for photographs: JPEG and PNG files of any sizes against the same pictures as pixels."""

import io
import logging

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import keras_medformers
from keras_medformers.serving import export_saved_model, sample_photographs

LABELS = ("MEL", "NV", "BCC")


@pytest.fixture(scope="module")
def model():
    """A small network for photographs whose probabilities differ visibly from picture to picture."""
    keras.utils.set_random_seed(0)
    image = keras.Input((64, 64, 3))
    x = keras.layers.Conv2D(8, 4, strides=4, name="stem")(image)
    x = keras.layers.LayerNormalization(name="stem_norm")(x)
    x = keras.layers.Conv2D(16, 3, activation="gelu", name="feature_map")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    x = keras.layers.Dense(
        3, kernel_initializer=keras.initializers.RandomNormal(stddev=2), name="head"
    )(x)
    return keras.Model(image, x)


@pytest.fixture(scope="module")
def preprocessor():
    return keras_medformers.preprocessor("hifuse_narrow", 64)


@pytest.fixture(scope="module")
def version(model, preprocessor, tmp_path_factory):
    return export_photographs(model, preprocessor, tmp_path_factory.mktemp("export"))


def export_photographs(model, preprocessor, directory, **options):
    options = {
        "activation": "softmax",
        "modality": "photograph",
        "encoded": True,
        **options,
    }
    return export_saved_model(model, preprocessor, LABELS, directory, **options)


@pytest.fixture(scope="module")
def signatures(version):
    return tf.saved_model.load(version).signatures


@pytest.fixture(scope="module")
def pictures():
    """Uint8 RGB arrays of three sizes and looks."""
    generator = np.random.default_rng(1)
    blue = np.zeros((70, 64, 3), "uint8") + np.uint8([20, 40, 200])
    noise = generator.integers(0, 256, (90, 200, 3)).astype("uint8")
    return [sample_photographs([(120, 80)])[0][0], blue, noise]


def file_of(picture, image_format="PNG", mode="RGB", **options):
    stream = io.BytesIO()
    Image.fromarray(picture).convert(mode).save(stream, image_format, **options)
    return stream.getvalue()


def keras_probabilities(model, preprocessor, picture):
    return keras.ops.softmax(
        model.predict(np.asarray(preprocessor(picture[None])), verbose=0)
    )[0]


def test_equals_keras(model, preprocessor, signatures, pictures):
    served = signatures["encoded"](
        encoded=tf.constant([file_of(picture) for picture in pictures])
    )
    assert sorted(served) == ["labels", "probabilities"]
    expected = [
        keras_probabilities(model, preprocessor, picture) for picture in pictures
    ]
    np.testing.assert_allclose(served["probabilities"], expected, atol=1e-4)
    assert np.ptp(served["probabilities"], axis=0).max() > 0.01
    assert served["labels"].numpy().tolist() == [[name.encode() for name in LABELS]] * 3


def test_files_of_different_sizes_equal_the_pixels_signature(signatures, pictures):
    assert sorted(signatures) == [
        "encoded",
        "explain",
        "explain_raw",
        "features",
        "raw",
        "serving_default",
    ]
    _, inputs = signatures["encoded"].structured_input_signature
    assert inputs == {"encoded": tf.TensorSpec([None], tf.string, name="encoded")}
    files = [file_of(picture) for picture in pictures]
    served = signatures["encoded"](encoded=tf.constant(files))
    for picture, row in zip(pictures, served["probabilities"]):
        from_pixels = signatures["serving_default"](pixels=tf.constant(picture[None]))[
            "probabilities"
        ][0]
        np.testing.assert_allclose(row, from_pixels, atol=1e-5)


@pytest.mark.parametrize(
    ("image_format", "mode"),
    [
        ("JPEG", "RGB"),
        ("JPEG", "L"),
        ("PNG", "L"),
        ("PNG", "P"),
        ("PNG", "RGBA"),
        ("PNG", "1"),
    ],
)
def test_kinds_of_files_are_decoded_as_pillow_decodes_them(
    signatures, pictures, image_format, mode
):
    files = [file_of(picture, image_format, mode) for picture in pictures]
    served = signatures["encoded"](encoded=tf.constant(files))["probabilities"]
    for file, row in zip(files, served):
        pixels = np.asarray(Image.open(io.BytesIO(file)).convert("RGB"))
        expected = signatures["serving_default"](pixels=tf.constant(pixels[None]))[
            "probabilities"
        ][0]
        np.testing.assert_allclose(row, expected, atol=1e-5)


def test_what_is_no_picture_is_an_error_of_the_call(signatures, pictures):
    for wrong in (b"", b"hello", file_of(pictures[0], "JPEG")[:-300]):
        with pytest.raises(tf.errors.InvalidArgumentError):
            signatures["encoded"](encoded=tf.constant([file_of(pictures[0]), wrong]))


def test_weights_are_stored_once(model, version):
    stored = sum(
        np.prod(shape)
        for name, shape in tf.train.list_variables(
            str(version / "variables" / "variables")
        )
        if name != "_CHECKPOINTABLE_OBJECT_GRAPH"
        and name != "save_counter/.ATTRIBUTES/VARIABLE_VALUE"
    )
    assert stored == sum(np.prod(weight.shape) for weight in model.weights)


def test_a_preprocessor_that_minds_the_batch_is_refused(model, tmp_path):
    """The pictures of an `encoded` call are preprocessed one by one."""

    def by_the_batch(pixels):
        images = tf.image.resize(tf.cast(pixels, tf.float32), (64, 64)) / 255
        return images - tf.reduce_mean(images, axis=0)

    with pytest.raises(RuntimeError, match="probabilities of encoded differ"):
        export_photographs(model, by_the_batch, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_export_says_nothing_about_renamed_inputs(
    model, preprocessor, tmp_path, caplog
):
    level = logging.getLogger("absl").level
    with caplog.at_level(logging.INFO):
        logging.getLogger("absl").setLevel(logging.INFO)
        try:
            export_photographs(model, preprocessor, tmp_path, encoded=False)
            assert logging.getLogger("absl").level == logging.INFO
        finally:
            logging.getLogger("absl").setLevel(level)
    assert "unsupported" not in caplog.text and "Exported" in caplog.text
