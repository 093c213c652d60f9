"""Preprocessors in two, at the layer that a model's registration names."""

import dataclasses

import keras
import numpy as np
import pytest

import keras_medformers
from keras_medformers import registry
from keras_medformers.support.errors import UserError
from training.runs.config import Config
from training.runs.network_input import preprocessor_of, split_preprocessor


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


def test_a_registration_that_does_not_hold_is_told_in_one_line(monkeypatch):
    entry = registry.model_entry("hifuse_tiny")
    layers = dataclasses.replace(entry.layers, normalise="to_one")
    lacking = dataclasses.replace(entry, layers=layers)
    monkeypatch.setitem(registry._ENTRIES, "hifuse_tiny", lacking)
    config = Config(
        model="hifuse_tiny", dataset="d", records="r", modality="photograph"
    )
    with pytest.raises(UserError, match="no layer 'to_one', .*normalise.*'rescale'"):
        preprocessor_of(config)


def test_a_network_that_reads_pictures_has_nothing_after_them():
    whole = keras_medformers.preprocessor("scopeformer", 8)
    to_picture, finish = split_preprocessor(whole, None)
    assert to_picture is whole and finish("anything") == "anything"
