"""Position embeddings: what is added, and resampling for maps of another size, as PyTorch does it."""

import keras
import numpy as np
import pytest

from keras_medformers.layers import PositionEmbedding
from keras_medformers.layers.position_embedding import resample_positions

POSITION = np.random.default_rng(0).normal(size=(1, 1 + 14 * 14, 8)).astype("float32")


def model_of(tokens, grid):
    model = keras.Sequential(
        [keras.Input((tokens, 4)), PositionEmbedding(grid, name="position_embedding")]
    )
    return model, model.get_layer("position_embedding")


def saved(tokens, grid, path):
    model, layer = model_of(tokens, grid)
    layer.position.assign(np.random.default_rng(1).normal(size=(1, tokens, 4)))
    model.save_weights(path)
    return np.asarray(layer.position)


def test_each_token_gets_its_vector():
    _, layer = model_of(5, None)
    tokens = np.random.default_rng(1).normal(size=(2, 5, 4)).astype("float32")

    np.testing.assert_allclose(layer(tokens), tokens + np.asarray(layer.position))
    assert 0.01 < np.asarray(layer.position).std() < 0.03


@pytest.mark.parametrize("grid", [(16, 16), (24, 24), (7, 10), (9, 33)])
def test_resampling_is_that_of_pytorch(grid):
    torch = pytest.importorskip("torch")
    image = torch.tensor(POSITION[:, 1:].reshape(1, 14, 14, 8)).permute(0, 3, 1, 2)
    image = torch.nn.functional.interpolate(
        image, size=grid, mode="bicubic", antialias=True
    )
    expected = image.permute(0, 2, 3, 1).reshape(1, -1, 8).numpy()

    resampled = np.asarray(resample_positions(POSITION, grid, 1))

    np.testing.assert_array_equal(resampled[:, :1], POSITION[:, :1])
    np.testing.assert_allclose(resampled[:, 1:], expected, atol=2e-5)


def test_no_prefix_and_several():
    assert resample_positions(POSITION[:, 1:], (3, 5), 0).shape == (1, 15, 8)
    two = np.concatenate([POSITION[:, :1], POSITION], axis=1)
    resampled = np.asarray(resample_positions(two, (3, 5), 2))
    assert resampled.shape == (1, 17, 8)
    np.testing.assert_array_equal(resampled[:, :2], two[:, :2])


def test_weights_of_another_map_size_are_resampled_on_loading(tmp_path):
    position = saved(10, (3, 3), tmp_path / "small.weights.h5")
    model, layer = model_of(21, (4, 5))

    model.load_weights(tmp_path / "small.weights.h5")

    np.testing.assert_allclose(
        layer.position, resample_positions(position, (4, 5), 1), rtol=1e-6
    )


def test_weights_of_the_same_length_stay_bit_for_bit(tmp_path):
    position = saved(13, (2, 6), tmp_path / "wide.weights.h5")
    model, layer = model_of(13, (2, 6))

    model.load_weights(tmp_path / "wide.weights.h5")

    np.testing.assert_array_equal(layer.position, position)


def test_weights_of_a_map_that_is_not_square_do_not_fit_another(tmp_path):
    saved(13, (2, 6), tmp_path / "wide.weights.h5")
    model, _ = model_of(17, (4, 4))

    with pytest.raises(ValueError, match=r"square map and 1 more.*\(1, 13, 4\)"):
        model.load_weights(tmp_path / "wide.weights.h5")


def test_without_a_grid_other_lengths_are_refused(tmp_path):
    saved(9, None, tmp_path / "nine.weights.h5")
    model, _ = model_of(16, None)

    with pytest.raises(ValueError, match=r"\(1, 16, 4\)"):
        model.load_weights(tmp_path / "nine.weights.h5")


def test_refuses_a_grid_of_more_positions_than_tokens():
    with pytest.raises(ValueError, match=r"5 tokens.*grid=\(2, 3\)"):
        model_of(5, (2, 3))
