"""Area averaging in the graph against OpenCV's, which prepares the records."""

import cv2
import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_medformers.layers import AreaResize


@pytest.mark.parametrize(
    "size", [(512, 512), (500, 512), (300, 200), (128, 96), (256, 256)]
)
def test_equals_opencv(size):
    hu = np.random.default_rng(0).integers(-1024, 2000, (2, *size, 1)).astype("int16")

    ours = np.asarray(AreaResize(256, 256)(hu))

    for row, image in enumerate(hu[..., 0]):
        narrowed = cv2.resize(
            image.astype("float32"), (256, size[0]), interpolation=cv2.INTER_AREA
        )
        theirs = np.rint(cv2.resize(narrowed, (256, 256), interpolation=cv2.INTER_AREA))
        assert np.abs(ours[row, ..., 0] - theirs).max() <= 1
        assert (ours[row, ..., 0] != theirs).mean() < 1e-3


def test_keeps_fractions_on_request():
    pixels = np.array([[0, 1], [1, 1]], "float32").reshape(1, 2, 2, 1)

    assert np.asarray(AreaResize(1, 1, round_values=False)(pixels)).item() == 0.75


def test_unknown_size_in_a_graph():
    model = keras.Sequential(
        [keras.Input((None, None, 1), dtype="int16"), AreaResize(4, 8)]
    )

    traced = tf.function(
        model, input_signature=[tf.TensorSpec((None, None, None, 1), "int16")]
    )

    assert model.output_shape == (None, 4, 8, 1)
    for size in ((9, 5), (4, 8)):
        assert np.all(
            traced(np.ones((1, *size, 1), "int16")).numpy() == np.ones((1, 4, 8, 1))
        )
