"""The scaling of Caffe's networks against the one of keras.applications."""

import keras
import numpy as np

from keras_medformers.layers import CaffePixels

PIXELS = np.random.default_rng(0).uniform(0, 255, (2, 4, 5, 3)).astype("float32")


def test_equals_that_of_keras_applications():
    model = keras.Sequential(
        [keras.Input((None, None, 3)), CaffePixels(name="scaling")]
    )
    expected = keras.applications.vgg19.preprocess_input(PIXELS.copy())

    np.testing.assert_allclose(model.predict(PIXELS, verbose=0), expected, atol=1e-5)
    assert model.output_shape == (None, None, None, 3)
