"""What a server answers to bad requests: InvalidArgument with a text that says what is wrong."""

import c_api
import numpy as np
import pytest
import tensorflow as tf

from keras_medformers.modalities import Modality
from keras_medformers.serving.pixels import Pixels

INVALID_ARGUMENT = 3
SLICE = np.full((2, 20, 30, 1), -5, "int16")


@pytest.fixture(scope="module")
def sessions(exports_of_every_kind):
    loaded = {
        kind: c_api.Session(export) for kind, export in exports_of_every_kind.items()
    }
    yield loaded
    for session in loaded.values():
        session.close()


def expect_refused(session, signature, inputs, text):
    with pytest.raises(c_api.TensorFlowError) as raised:
        session.run(signature, inputs)
    assert text in str(raised.value)
    assert raised.value.code == INVALID_ARGUMENT


@pytest.mark.parametrize(
    ("pixels", "text"),
    [
        (SLICE[0], "shape (batch, height, width, channels), received shape] [20 30 1]"),
        (
            SLICE[0, 0, 0, 0],
            "shape (batch, height, width, channels), received shape] []",
        ),
        (
            SLICE[np.newaxis],
            "shape (batch, height, width, channels), received shape] [1 2 20 30 1]",
        ),
        (
            np.repeat(SLICE, 3, axis=3),
            "with 1 channel in the last axis, received shape] [2 20 30 3]",
        ),
        (SLICE[:0], "received an empty batch of shape] [0 20 30 1]"),
        (SLICE[:, :0], "expected images with pixels, received shape] [2 0 30 1]"),
        (np.concatenate([SLICE, abs(SLICE)]), "below 0, so they are grey values"),
        (np.concatenate([SLICE, abs(SLICE)]), "Images, counted from 0:] [2 3]"),
        (SLICE.astype("float32"), "to be int16 but float is provided"),
    ],
)
@pytest.mark.parametrize("signature", ["serving_default", "features", "explain"])
def test_slices(sessions, signature, pixels, text):
    expect_refused(sessions["ct"], signature, {"pixels": pixels}, text)


def test_a_good_request_after_a_bad_one_is_answered(sessions):
    expect_refused(
        sessions["ct"], "serving_default", {"pixels": SLICE[:0]}, "empty batch"
    )
    assert sessions["ct"].run("serving_default", {"pixels": SLICE})[
        "probabilities"
    ].shape == (2, 3)


def raw_of(*images):
    return np.array([image.tobytes() for image in images], object)


@pytest.mark.parametrize(
    ("raw", "shape", "text"),
    [
        (
            raw_of(*SLICE),
            [[20, 31]] * 2,
            "height, width] [20 31] [and bytes] [1200 1200]",
        ),
        (
            raw_of(SLICE[0], SLICE[1, :5]),
            [[20, 30]] * 2,
            "height, width] [20 30] [and bytes] [1200 300]",
        ),
        (
            raw_of(SLICE[0].astype("float32")),
            [[20, 30]],
            "2 bytes (int16, 1 channel) of each image",
        ),
        (
            raw_of(*SLICE),
            [[20, 30], [30, 20]],
            "to have one height and width, received] [[20 30][30 20]]",
        ),
        (
            raw_of(*SLICE),
            [[20, 30]],
            "received raw of shape] [2] [and shape of shape] [1 2]",
        ),
        (
            raw_of(*SLICE),
            [20, 30],
            "received raw of shape] [2] [and shape of shape] [2]",
        ),
        (raw_of(*SLICE)[:0], np.zeros((0, 2)), "received an empty batch of shape] [0]"),
        (
            raw_of(*SLICE)[:, np.newaxis],
            [[20, 30]] * 2,
            "shape (batch,), received shape] [2 1]",
        ),
        (
            raw_of(*SLICE),
            [[-20, -30]] * 2,
            "images with pixels, received height, width] [[-20 -30]",
        ),
        (raw_of(*abs(SLICE)), [[20, 30]] * 2, "below 0, so they are grey values"),
    ],
)
def test_raw_bytes(sessions, raw, shape, text):
    expect_refused(
        sessions["ct"], "raw", {"raw": raw, "shape": np.array(shape, "int32")}, text
    )


def test_raw_bytes_are_the_pixels(sessions):
    pixels = np.random.default_rng(0).integers(-1000, 100, (2, 20, 30, 1), "int16")
    from_pixels = sessions["ct"].run("serving_default", {"pixels": pixels})
    from_bytes = sessions["ct"].run(
        "raw",
        {
            "raw": raw_of(*pixels.astype("<i2")),
            "shape": np.array([[20, 30]] * 2, "int32"),
        },
    )
    np.testing.assert_array_equal(
        from_bytes["probabilities"], from_pixels["probabilities"]
    )
    assert np.ptp(from_bytes["probabilities"], axis=0).max() > 0


PNG = tf.io.encode_png(np.zeros((20, 30, 3), "uint8")).numpy()
JPEG = tf.io.encode_jpeg(np.zeros((20, 30, 3), "uint8")).numpy()


@pytest.mark.parametrize(
    ("files", "text"),
    [
        (
            [PNG, b"hello"],
            "JPEG or PNG files; these are something else. Images, counted from 0:] [1]",
        ),
        ([b"", JPEG], "Images, counted from 0:] [0]"),
        ([JPEG[:300]], "Invalid JPEG data"),
        ([PNG[:40]], "Invalid PNG"),
        ([], "received an empty batch of shape] [0]"),
        (PNG, "expected encoded of shape (batch,), received shape] []"),
    ],
)
def test_files(sessions, files, text):
    expect_refused(
        sessions["pictures"], "encoded", {"encoded": np.array(files, object)}, text
    )


def test_pictures_have_three_channels(sessions):
    expect_refused(
        sessions["pictures"],
        "serving_default",
        {"pixels": np.zeros((1, 20, 30, 1), "uint8")},
        "3 channels",
    )


def test_mammograms(sessions):
    blank = np.full((1, 40, 50, 1), 7, "uint16")
    expect_refused(
        sessions["mammograms"],
        "serving_default",
        {"pixels": blank},
        "same value everywhere",
    )
    small = np.arange(31 * 40, dtype="uint16").reshape(1, 31, 40, 1)
    expect_refused(
        sessions["mammograms"],
        "explain",
        {"pixels": small},
        "expected images of 32 or more x 32 or more pixels after the preprocessing, received] [31 40]",
    )


def test_floats_have_to_be_finite():
    kind = Pixels(Modality("own", "float32", 2))
    checked = tf.function(kind.checked, input_signature=[kind.spec])
    pixels = np.zeros((3, 2, 2, 2), "float32")
    np.testing.assert_array_equal(checked(pixels), pixels)
    pixels[1, 0, 0, 0], pixels[2, 1, 1, 1] = np.nan, np.inf
    with pytest.raises(
        tf.errors.InvalidArgumentError, match=r"NaN or infinity.*\[1 2\]"
    ):
        checked(pixels)
