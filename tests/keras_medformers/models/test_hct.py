"""HCT's three attentions: structure, counts, any size, files, training."""

import math

import keras
import numpy as np
import pytest

from keras_medformers import create_model
from keras_medformers.layers import redraw_random_features
from keras_medformers.porting import load_state_dict

NAMES = ["hct", "hct_softmax", "hct_nystrom"]
IMAGES = np.random.default_rng(0).normal(size=(2, 160, 128, 1)).astype("float32")


def build(name="hct", **settings):
    keras.utils.set_random_seed(0)
    return create_model(name, **{"input_shape": (None, None, 1), **settings})


def count(variables):
    return sum(math.prod(variable.shape) for variable in variables)


@pytest.mark.parametrize(
    "name, parameters",
    [("hct", 1_737_010), ("hct_softmax", 1_737_010), ("hct_nystrom", 1_736_338)],
)
def test_full_size_counts_and_shapes(name, parameters):
    model = create_model(name)

    assert count(model.trainable_variables) == parameters  # Table 3: 1.73 million
    assert model.input_shape == (None, 3328, 2560, 1)
    assert model.get_layer("ac_stage_0_block_0_attn").output.shape == (
        None,
        104,
        80,
        64,
    )
    assert model.get_layer("feature_map").output.shape == (None, 26, 20, 256)
    assert model.output_shape == (None, 2)


@pytest.mark.parametrize("num_conv_stages", [2, 3, 4, 5])
def test_stages_after_the_convolutional_ones_attend(num_conv_stages):
    model = build(num_conv_stages=num_conv_stages)
    attention = [layer for layer in model.layers if layer.name.endswith("_attn")]

    assert len(attention) == 2 * (5 - num_conv_stages)
    assert {layer.num_heads for layer in attention} <= {8}
    assert {layer.dropout_rate for layer in attention} <= {0.1}
    assert model(IMAGES).shape == (2, 2)


@pytest.mark.parametrize("name", NAMES)
def test_one_model_takes_any_size(name):
    model = build(name, num_conv_stages=2)
    fixed = build(name, num_conv_stages=2, input_shape=IMAGES.shape[1:])
    fixed.set_weights(model.get_weights())

    expected = fixed(IMAGES)

    np.testing.assert_allclose(
        model(IMAGES), expected, atol=1e-5 * np.abs(expected).max()
    )
    assert model(IMAGES[:, :131, :99]).shape == (2, 2)


def test_without_classes_it_ends_at_the_feature_map():
    model = build(num_classes=0)

    assert model(IMAGES).shape == (2, 2, 1, 256)
    assert model.layers[-1].name == "feature_map"


def test_stride_one_in_the_first_stage_doubles_the_maps():
    model = build(first_layer_stride=1, num_classes=0)

    assert model(IMAGES).shape == (2, 3, 2, 256)


@pytest.mark.parametrize("name", ["hct", "hct_nystrom"])
def test_round_trip_through_a_file(name, tmp_path):
    model = build(name, num_conv_stages=4, classifier_activation="softmax")
    model.save(tmp_path / "model.keras")

    loaded = keras.models.load_model(tmp_path / "model.keras")
    again = build(
        name,
        num_conv_stages=4,
        classifier_activation="softmax",
        weights=tmp_path / "model.keras",
    )

    probabilities = np.asarray(model(IMAGES))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(loaded(IMAGES), probabilities)
    np.testing.assert_array_equal(again(IMAGES), probabilities)
    assert loaded.to_json() == model.to_json()


@pytest.mark.parametrize("name", ["hct", "hct_nystrom"])
def test_attention_drops_out_in_training_by_its_rate(name):
    def differences(rate):
        model = build(name, attention_dropout_rate=rate)
        first, second = (np.asarray(model(IMAGES, training=True)) for _ in range(2))
        return np.abs(first - second).max()

    assert differences(0.5) > 1e-3
    assert differences(0.0) == 0


def test_random_features_are_drawn_by_seed():
    model = build()
    before = np.asarray(model(IMAGES))
    weights = model.get_weights()

    redraw_random_features(model, 3)
    after = np.asarray(model(IMAGES))
    model.set_weights(weights)

    assert np.abs(after - before).max() > 1e-4
    np.testing.assert_array_equal(model(IMAGES), before)


@pytest.mark.parametrize(
    "name", ["hct", *(pytest.param(name, marks=pytest.mark.slow) for name in NAMES[1:])]
)
def test_a_step_lowers_the_loss(name):
    model = build(name, attention_dropout_rate=0.0)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(
        keras.optimizers.Adam(1e-5), loss, run_eagerly=True
    )  # tracing takes longer than the steps

    losses = [model.train_on_batch(IMAGES, np.array([0, 1])) for _ in range(3)]

    assert losses[-1] < losses[0]


def test_there_are_no_official_weights_of_nystrom_attention():
    with pytest.raises(ValueError, match="no official weights of other layers"):
        load_state_dict(build("hct_nystrom"), {})


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"num_conv_stages": 1}, "num_conv_stages=1"),
        ({"num_conv_stages": 6}, "num_conv_stages=6"),
        ({"attention": "linformer"}, "attention='linformer'"),
        ({"num_heads": 7}, "num_heads=7"),
    ],
)
def test_refuses_arguments_out_of_range(settings, message):
    with pytest.raises(ValueError, match=message):
        build(**settings)
