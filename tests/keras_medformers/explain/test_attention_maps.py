"""Attention maps: those by which the encoder's own output comes about."""

import keras
import numpy as np
import pytest
from inside_models import SETTINGS, make_images, make_small, outputs_of

from keras_medformers.explain import attention_maps

TOKENS = {
    "scopeformer_small": 4 + 1,
    "efficient_scopeformer": 12,
    "deep_scopeformer_tr": 12,
    "scopeformer_1cnn": 4 + 1,
    "scopeformer_vit": 16 + 1,
}


@pytest.mark.parametrize("name", SETTINGS)
def test_weigh_the_values_as_the_encoder_does(name):
    model, images = make_small(name), make_images()
    before = [variable.numpy() for variable in model.variables]
    layer = model.get_layer("encoder_1")
    normed = layer.norm1(outputs_of(model, layer.input, images))

    maps = attention_maps(model, images, 1, batch_size=2)

    assert maps.shape == (3, 2, TOKENS[name], TOKENS[name]) and maps.dtype == np.float32
    _, value = layer.attn.attend(normed)
    mixed = np.transpose(
        maps @ keras.ops.convert_to_numpy(value), (0, 2, 1, 3)
    ).reshape(3, TOKENS[name], -1)
    np.testing.assert_allclose(
        layer.attn.proj(mixed), layer.attn(normed), rtol=1e-3, atol=1e-3
    )
    is_softmax = np.allclose(maps.sum(-1), 1, atol=1e-5) and maps.min() >= 0
    assert is_softmax == (name not in ("efficient_scopeformer", "deep_scopeformer_tr"))
    for old, variable in zip(before, model.variables, strict=True):
        np.testing.assert_array_equal(variable, old)


def test_negative_numbers_count_from_the_last(tmp_path):
    model, images = make_small("scopeformer_vit"), make_images()
    last = attention_maps(model, images)
    np.testing.assert_array_equal(last, attention_maps(model, images, 2))
    assert not np.allclose(last, attention_maps(model, images, -2))
    model.save(
        tmp_path / "model.keras"
    )  # the model can still be saved, and is the same
    np.testing.assert_allclose(
        keras.models.load_model(tmp_path / "model.keras").predict(images, verbose=0),
        model.predict(images, verbose=0),
        atol=1e-6,
    )


@pytest.mark.parametrize("encoder", [3, -4, "first"])
def test_no_such_encoder(encoder):
    with pytest.raises(
        ValueError, match=r"Expected encoder in -3...2. Received: encoder="
    ):
        attention_maps(make_small("scopeformer_vit"), make_images(), encoder)
