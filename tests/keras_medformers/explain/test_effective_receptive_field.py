"""Effective receptive fields: against a network whose gradient is known, and of GMIC and HCT."""

import keras
import numpy as np
import pytest

from keras_medformers import create_model
from keras_medformers.explain import effective_receptive_field

RANDOM = np.random.default_rng(0)


def two_convolutions(kernel):
    """A 3 x 3 convolution, twice, without padding at the centre's reach: a 5 x 5 field."""
    image = keras.Input((None, None, 2), name="image")
    x = keras.layers.Conv2D(3, 3, padding="same", use_bias=False, name="first")(image)
    x = keras.layers.Conv2D(2, 3, padding="same", use_bias=False, name="feature_map")(x)
    model = keras.Model(image, keras.layers.GlobalAveragePooling2D()(x))
    model.set_weights([kernel(weight.shape) for weight in model.weights])
    return model


def test_linear_network_has_the_field_of_its_kernels():
    model = two_convolutions(lambda shape: RANDOM.normal(size=shape))
    images = RANDOM.normal(size=(3, 11, 9, 2)).astype("float32")
    field = effective_receptive_field(model, images)

    outputs = []
    for row in range(11):
        for column in range(9):
            impulse = np.zeros((2, 11, 9, 2), "float32")
            impulse[[0, 1], row, column, [0, 1]] = 1
            responses = keras.Model(
                model.inputs, model.get_layer("feature_map").output
            )(impulse)
            outputs.append(np.abs(np.asarray(responses)[:, 5, 4].sum(axis=-1)).sum())
    expected = np.reshape(outputs, (11, 9))
    np.testing.assert_allclose(field.map, expected, rtol=1e-5, atol=1e-6)
    assert field.images == 3 and field.map.dtype == np.float64
    assert (field.map[[2, -3]] == 0).all() and (field.map[3:8, 2:7] > 0).all()
    np.testing.assert_allclose(field.by_row, expected.sum(axis=1), rtol=1e-5)
    np.testing.assert_allclose(field.by_column, expected.sum(axis=0), rtol=1e-5)
    np.testing.assert_allclose(
        field.square_root().by_row, np.sqrt(field.map).sum(axis=1)
    )
    counted = (expected >= 0.0455 * expected.max()).sum()
    assert field.side_px == pytest.approx(np.sqrt(counted))


def test_signs_cancel_only_where_asked():
    image = keras.Input((4, 4, 1), name="image")
    model = keras.Model(
        image, keras.layers.Lambda(lambda x: x * x, name="feature_map")(image)
    )
    images = [np.full((4, 4, 1), value, "float32") for value in (1.0, -3.0)]
    assert effective_receptive_field(model, images).map[2, 2] == pytest.approx(4)
    assert effective_receptive_field(model, images, signed=True).map[
        2, 2
    ] == pytest.approx(2)
    assert effective_receptive_field(model, images).map.sum() == pytest.approx(4)


@pytest.mark.parametrize(
    "name", ["gmic", "def_gmic", "hct", "hct_softmax", "hct_nystrom"]
)
def test_attention_reaches_what_convolutions_do_not(name):
    keras.utils.set_random_seed(0)
    model = create_model(name, input_shape=(None, None, 1))
    image = RANDOM.normal(size=(2048, 64, 1)).astype("float32")
    field = effective_receptive_field(model, [image])
    assert field.map.shape == (2048, 64) and np.isfinite(field.map).all()
    assert field.by_row[1024] > 0
    far = field.by_row[:140].sum()  # ResNet-22's theoretical field is 1747 pixels high
    assert far > 0 if name.startswith("hct") else far == 0
    assert model(image[None]).shape == (1, 2)


def test_full_size_mammograms_go_one_at_a_time():
    model = create_model("gmic", input_shape=(None, None, 1))
    taken = []

    def images():
        for number in range(3):
            taken.append(number)
            yield np.zeros((96, 64, 1), "float32") + number

    assert effective_receptive_field(model, images()).images == 3 and taken == [0, 1, 2]


@pytest.mark.parametrize(
    "images, layer, message",
    [
        ([], "feature_map", "at least one image"),
        ([np.zeros((8, 8, 2)), np.zeros((8, 9, 2))], "feature_map", "like the first"),
        ([np.zeros((8, 8))], "feature_map", r"shape \(height, width, channels\)"),
        (
            [np.zeros((8, 8, 2))],
            "pooled",
            "The last that fit: image, first, feature_map",
        ),
    ],
)
def test_mistakes(images, layer, message):
    model = two_convolutions(lambda shape: np.ones(shape))
    with pytest.raises(ValueError, match=message):
        effective_receptive_field(model, images, layer)
