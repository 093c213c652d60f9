"""The plain vision transformer of Table 2: what it is made of, at full size once."""

import math

import keras
import numpy as np
import pytest

import keras_medformers

IMAGES = np.random.default_rng(0).uniform(0, 255, (2, 32, 32, 3)).astype("float32")
SMALL = dict(
    input_shape=(32, 32, 3),
    num_layers=2,
    embed_dim=12,
    mlp_dim=8,
    num_heads=2,
    classifier_dim=5,
)


def count(variables):
    return sum(math.prod(variable.shape) for variable in variables)


@pytest.mark.slow
def test_full_size_is_vit_base_with_an_mlp_head():
    model = keras_medformers.create_model("scopeformer_vit")

    norms, attention, mlp = 4 * 768, 4 * (768 * 768 + 768), 768 * 3072 * 2 + 3072 + 768
    encoders = 12 * (norms + attention + mlp)
    ends = 16 * 16 * 3 * 768 + 768 + 768 + 257 * 768 + 2 * 768
    head = 768 * 768 + 768 + 768 * 6 + 6
    assert count(model.trainable_variables) == encoders + ends + head
    slices = (
        np.random.default_rng(0).uniform(0, 255, (1, 256, 256, 3)).astype("float32")
    )
    assert model.predict(slices, verbose=0).shape == (1, 6)
    assert model.get_layer("encoder_11").output.shape == (None, 257, 768)


def test_scales_windows_to_what_the_transformer_takes():
    model = keras_medformers.create_model("scopeformer_vit", **SMALL)

    scaled = keras.Model(model.input, model.get_layer("input_scaling").output)

    np.testing.assert_allclose(
        scaled.predict(IMAGES, verbose=0), IMAGES / 127.5 - 1, atol=1e-6
    )
    assert model.layers[-1].name == "head" and model.get_layer("head_hidden").units == 5
    assert keras_medformers.preprocessor("scopeformer_vit").output_shape == (
        None,
        256,
        256,
        3,
    )


def test_refuses_patches_that_do_not_tile_the_slice():
    with pytest.raises(ValueError, match="patch_size=16"):
        keras_medformers.create_model(
            "scopeformer_vit", **SMALL | {"input_shape": (40, 32, 3)}
        )
