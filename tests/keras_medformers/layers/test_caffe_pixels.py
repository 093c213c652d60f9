"""The scaling of Caffe's networks against the one of keras.applications."""

import keras
import numpy as np

from keras_medformers.layers import CaffePixels

PIXELS = np.random.default_rng(0).uniform(0, 255, (2, 4, 5, 3)).astype("float32")


def test_equals_that_of_keras_applications_and_is_saved(tmp_path):
    model = keras.Sequential(
        [keras.Input((None, None, 3)), CaffePixels(name="scaling")]
    )
    expected = keras.applications.vgg19.preprocess_input(PIXELS.copy())

    np.testing.assert_allclose(model.predict(PIXELS, verbose=0), expected, atol=1e-5)
    assert model.output_shape == (None, None, None, 3)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded.predict(PIXELS, verbose=0), expected, atol=1e-5)


def test_computes_in_half_precision():
    assert str(CaffePixels(dtype="mixed_bfloat16")(PIXELS).dtype).endswith("bfloat16'>")
