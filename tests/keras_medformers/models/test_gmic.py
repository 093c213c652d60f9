"""GMIC and Def-GMIC: structure, counts, files, training, and the preprocessing they share with HCT."""

import math

import keras
import numpy as np
import pytest

from keras_medformers import create_model
from keras_medformers.layers import DeformableConv2D
from keras_medformers.models.gmic import mammogram_preprocessor
from keras_medformers.porting import load_state_dict

IMAGES = np.random.default_rng(0).normal(size=(2, 160, 128, 1)).astype("float32")


def build(name="gmic", **settings):
    keras.utils.set_random_seed(0)
    return create_model(name, **{"input_shape": (None, None, 1), **settings})


def count(variables):
    return sum(math.prod(variable.shape) for variable in variables)


# Table 3: 2.80 and 2.89 million. Each deformable convolution adds one of 18 channels and their biases.
@pytest.mark.parametrize(
    "name, parameters",
    [
        ("gmic", 2_800_050),
        ("def_gmic", 2_800_050 + (64 + 128 + 128 + 256) * 9 * 18 + 4 * 18),
    ],
)
def test_full_size_counts_and_shapes(name, parameters):
    model = create_model(name)

    assert count(model.trainable_variables) == parameters
    assert model.input_shape == (None, 3328, 2560, 1)
    assert model.get_layer("feature_map").output.shape == (None, 26, 20, 256)
    assert model.output_shape == (None, 2)


def test_five_convolutional_stages_of_hct_are_gmic():
    gmic, hct = build(), build("hct", num_conv_stages=5)
    hct.set_weights(gmic.get_weights())

    np.testing.assert_array_equal(hct(IMAGES), gmic(IMAGES))
    assert [weight.path for weight in hct.weights] == [
        weight.path for weight in gmic.weights
    ]


def test_first_convolutions_of_the_last_two_stages_are_deformable():
    model = build("def_gmic")

    names = [
        layer.name for layer in model.layers if isinstance(layer, DeformableConv2D)
    ]

    assert names == [
        f"conv_stage_{stage}_block_{block}_conv1"
        for stage in (3, 4)
        for block in (0, 1)
    ]


def test_before_training_def_gmic_is_gmic():
    gmic, def_gmic = build(), build("def_gmic")
    paths = {weight.path: weight for weight in gmic.weights}
    for weight in def_gmic.weights:
        if weight.path in paths:
            weight.assign(paths[weight.path])

    expected = np.asarray(gmic(IMAGES))

    np.testing.assert_allclose(
        def_gmic(IMAGES), expected, atol=1e-5 * np.abs(expected).max()
    )


@pytest.mark.parametrize("name", ["gmic", "def_gmic"])
def test_one_model_takes_any_size_and_round_trips_through_a_file(name, tmp_path):
    model = build(name)
    model.save(tmp_path / "model.keras")

    loaded = keras.models.load_model(tmp_path / "model.keras")

    for images in (IMAGES, IMAGES[:, :131, :99]):
        np.testing.assert_array_equal(loaded(images), model(images))
    assert loaded.to_json() == model.to_json()


@pytest.mark.parametrize("name", ["gmic", "def_gmic"])
def test_a_step_lowers_the_loss(name):
    model = build(name)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(
        keras.optimizers.Adam(1e-5), loss, run_eagerly=True
    )  # tracing takes longer than the steps

    losses = [model.train_on_batch(IMAGES, np.array([0, 1])) for _ in range(3)]

    assert losses[-1] < losses[0]


def test_there_are_no_official_weights_of_deformable_convolutions():
    with pytest.raises(ValueError, match="no official weights of other layers"):
        load_state_dict(build("def_gmic"), {})


@pytest.mark.parametrize("stages", [-1, 6])
def test_refuses_stages_that_are_not_there(stages):
    with pytest.raises(ValueError, match=f"num_deformable_stages={stages}"):
        build(num_deformable_stages=stages)


def test_preprocessor_standardises_raw_mammograms_at_their_size():
    pixels = (
        np.random.default_rng(0).integers(0, 16384, (2, 50, 40, 1)).astype("uint16")
    )

    images = np.asarray(mammogram_preprocessor()(pixels))

    assert images.shape == (2, 50, 40, 1)
    np.testing.assert_allclose(images.mean(axis=(1, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(images.std(axis=(1, 2, 3)), 1, atol=1e-5)


def test_preprocessor_resizes_to_a_square_where_asked():
    pixels = (
        np.random.default_rng(0).integers(0, 16384, (2, 64, 32, 1)).astype("uint16")
    )

    images = np.asarray(mammogram_preprocessor(16)(pixels))

    expected = pixels.reshape(2, 16, 4, 16, 2, 1).mean(axis=(2, 4))
    mean, deviation = (
        f(expected, axis=(1, 2, 3), keepdims=True) for f in (np.mean, np.std)
    )
    expected = (expected - mean) / deviation
    np.testing.assert_allclose(images, expected, atol=1e-4)
