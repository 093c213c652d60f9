"""Weights of VGG19 for tests: random, blind to brightness, of a size that keeps activations alike."""

import keras
import numpy as np
import pytest


@pytest.fixture(scope="session")
def vgg19_weights(tmp_path_factory):
    """Path of a weights file of VGG19 without top."""
    model = keras.applications.VGG19(
        include_top=False, weights=None, input_shape=(32, 32, 3)
    )
    generator = np.random.default_rng(0)
    for layer in model.layers:
        if layer.weights:
            kernel, bias = layer.get_weights()
            deviation = np.sqrt(2 / np.prod(kernel.shape[:3]))
            kernel = generator.normal(0, deviation, kernel.shape).astype("float32")
            layer.set_weights([kernel - kernel.mean(axis=(0, 1, 2)), bias])
    path = tmp_path_factory.mktemp("vgg19") / "vgg19.weights.h5"
    model.save_weights(path)
    return path
