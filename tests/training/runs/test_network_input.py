"""Preprocessors in two, at the layer that a model's registration names."""

import keras
import numpy as np
import pytest

import keras_medformers
from training.runs.network_input import split_preprocessor


@pytest.fixture
def preprocessor():
    """Normalises in the middle, by a layer with a name of its own."""
    return keras.Sequential(
        [
            keras.Input((None, None, 3), dtype="uint8"),
            keras.layers.CenterCrop(4, 4, name="crop"),
            keras.layers.Rescaling(1 / 51, -2.5, name="to_units"),
            keras.layers.Permute((2, 1, 3), name="turn"),
        ]
    )


@pytest.mark.parametrize("normalise", ["to_units", "crop", "turn"])
def test_both_parts_make_the_whole(preprocessor, normalise):
    pixels = np.arange(5 * 6 * 3, dtype="uint8").reshape(1, 5, 6, 3)
    to_picture, finish = split_preprocessor(preprocessor, normalise)
    np.testing.assert_array_equal(finish(to_picture(pixels)), preprocessor(pixels))


def test_what_lies_between_are_pictures_whatever_layers_are_called(preprocessor):
    to_picture, finish = split_preprocessor(preprocessor, "to_units")
    black = np.zeros((1, 4, 4, 3), "uint8")
    assert np.all(to_picture(black) == 0) and np.all(finish(to_picture(black)) == -2.5)


def test_a_network_that_reads_pictures_has_nothing_after_them():
    whole = keras_medformers.preprocessor("scopeformer", 8)
    to_picture, finish = split_preprocessor(whole, None)
    assert to_picture is whole and finish("anything") == "anything"
