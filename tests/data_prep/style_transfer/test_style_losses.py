"""Gram matrices and losses against the papers' sums; the features and their pooling."""

import keras
import numpy as np
import pytest

from data_prep.style_transfer import network
from keras_medformers.support.errors import UserError

GENERATOR = np.random.default_rng(0)


def maps(*shape):
    return GENERATOR.normal(size=shape).astype("float32")


def test_gram_matrix_sums_products_of_maps_over_positions():
    features = maps(2, 3, 4, 5)
    expected = np.zeros((2, 5, 5))
    for picture in range(2):
        for i in range(5):
            for j in range(5):
                expected[picture, i, j] = (
                    features[picture, ..., i] * features[picture, ..., j]
                ).sum() / 12
    np.testing.assert_allclose(
        network.gram_matrices(features), expected, rtol=1e-4, atol=1e-6
    )


def test_losses_are_the_papers_over_the_number_of_elements():
    features, wanted = maps(1, 3, 4, 5), maps(1, 3, 4, 5)
    expected = 0.5 * ((features - wanted) ** 2).sum() / features.size
    np.testing.assert_allclose(
        network.content_loss(features, wanted), [expected], rtol=1e-5
    )

    other, other_wanted = maps(1, 2, 2, 7), maps(1, 2, 2, 7)
    by_layer = []
    for one, target in ((features, wanted), (other, other_wanted)):
        channels, positions = one.shape[-1], one.shape[1] * one.shape[2]
        one, target = (
            one.reshape(positions, channels),
            target.reshape(positions, channels),
        )
        difference = one.T @ one - target.T @ target
        by_layer.append((difference**2).sum() / (4 * channels**2 * positions**2))
    grams = [network.gram_matrices(wanted), network.gram_matrices(other_wanted)]
    found = network.style_loss([features, other], grams)
    np.testing.assert_allclose(found, [np.mean(by_layer)], rtol=1e-4)


def test_every_picture_of_a_batch_has_losses_of_its_own():
    features, grams = maps(3, 2, 2, 4), network.gram_matrices(maps(1, 2, 2, 4))
    together = network.style_loss([features], [grams])
    alone = [network.style_loss([features[i : i + 1]], [grams])[0] for i in range(3)]
    np.testing.assert_allclose(together, alone, rtol=1e-5)


@pytest.mark.parametrize("pooling", ["average", "max"])
def test_features_are_those_of_vgg19_with_the_pooling_asked_for(vgg19_weights, pooling):
    pixels = GENERATOR.uniform(0, 255, (1, 32, 32, 3)).astype("float32")
    extractor = network.feature_extractor(str(vgg19_weights), 32, pooling)
    found = extractor(pixels)
    assert [one.shape[1:] for one in found] == [
        (4, 4, 512), (32, 32, 64), (16, 16, 128), (8, 8, 256), (4, 4, 512), (2, 2, 512)
    ]  # fmt: skip
    vgg = keras.applications.VGG19(
        include_top=False, weights=str(vgg19_weights), input_shape=(32, 32, 3)
    )
    x = keras.applications.vgg19.preprocess_input(pixels.copy())
    pool = (
        keras.layers.AveragePooling2D
        if pooling == "average"
        else keras.layers.MaxPooling2D
    )(2)
    for layer in vgg.layers[1:]:
        x = pool(x) if layer.name.endswith("_pool") else layer(x)
        if layer.name == network.STYLE_LAYERS[-1]:
            break
    np.testing.assert_allclose(found[-1], x, rtol=1e-3, atol=1e-3 * np.abs(x).max())


def test_untrained_weights_are_the_same_each_time_and_blind_to_brightness():
    grey = np.full((1, 32, 32, 3), 200, "float32")
    one, two = (network.feature_extractor(None, 32, "average")(grey) for _ in range(2))
    np.testing.assert_allclose(one[-1], two[-1])
    stripes = grey * (np.arange(32) % 8 < 4)[:, None]
    seen = network.feature_extractor(None, 32, "average")(stripes)[2]
    # At the edges padding is seen.
    assert np.abs(one[2][:, 4:-4, 4:-4]).max() < 0.2 * np.abs(seen[:, 4:-4, 4:-4]).max()


def test_weights_of_another_network_are_an_error(tmp_path):
    path = tmp_path / "other.weights.h5"
    keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]).save_weights(path)
    with pytest.raises(UserError, match="other.weights.h5"):
        network.feature_extractor(str(path), 32, "average")
