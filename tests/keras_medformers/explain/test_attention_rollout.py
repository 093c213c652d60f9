"""Attention rollout and class attention of vision transformers against what their formulas say."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_medformers
from keras_medformers.explain import (
    attention_maps,
    attention_rollout,
    class_attention,
    has_class_attention,
)

TINY = dict(
    input_shape=(24, 32, 3),
    patch_size=8,
    num_layers=3,
    embed_dim=16,
    mlp_dim=24,
    num_heads=2,
    classifier_dim=8,
)
IMAGES = np.random.default_rng(0).normal(size=(3, 24, 32, 3)).astype("float32")


@pytest.fixture(scope="module")
def model():
    """A dual-task transformer whose attention is far from even."""
    keras.utils.set_random_seed(1)
    model = keras_medformers.create_model("dtvit_small", **TINY)
    for layer in model.layers:
        if layer.name.startswith("encoder"):
            layer.attn.qkv.kernel.assign(layer.attn.qkv.kernel * 20)
    return model


@pytest.fixture(scope="module")
def location(model):
    return keras.Model(model.input, model.output["location"])


def test_rollout_is_the_product_of_the_encoders_attention(model):
    found = attention_rollout(model, IMAGES, resize=False, batch_size=2)
    product = np.eye(13)
    for number in range(3):
        mixed = (attention_maps(model, IMAGES, number).mean(axis=1) + np.eye(13)) / 2
        np.testing.assert_allclose(mixed.sum(axis=-1), 1, rtol=1e-5)
        product = mixed @ product
    expected = product[:, 0, 1:].reshape(3, 3, 4)
    expected /= expected.max(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    assert expected.std() > 0.05


def test_class_attention_is_weighted_by_the_logits_gradient(model, location):
    found = class_attention(location, IMAGES, [0, 1, 2], resize=False)
    encoders = [model.get_layer(f"encoder_{number}") for number in range(3)]
    tokens = keras.Model(model.input, model.get_layer("position_embedding").output)(
        IMAGES
    )
    maps = []
    with tf.GradientTape(persistent=True) as tape:
        for encoder in encoders:
            attention, value = encoder.attn.attend(
                encoder.norm1(tokens), training=False
            )
            tape.watch(attention)
            maps.append(attention)
            mixed = tf.reshape(
                tf.transpose(attention @ value, (0, 2, 1, 3)), (3, 13, 16)
            )
            tokens = tokens + encoder.attn.proj(mixed)
            tokens = tokens + encoder.mlp(encoder.norm2(tokens))
        class_token = model.get_layer("norm")(tokens)[:, 0]
        logits = model.get_layer("location_head")(
            model.get_layer("location_head_hidden")(class_token)
        )
        wanted = tf.reduce_sum(tf.linalg.diag_part(logits))
    relevance = np.eye(13)[None]
    for attention in maps:
        slope = tape.gradient(wanted, attention).numpy()
        relevance = (
            relevance
            + np.maximum(slope * attention.numpy(), 0).mean(axis=1) @ relevance
        )
    expected = relevance[:, 0, 1:].reshape(3, 3, 4)
    expected /= expected.max(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5)
    assert np.abs(found - attention_rollout(model, IMAGES, resize=False)).max() > 0.1


def test_maps_come_at_the_images_size_and_differ_by_class(model, location):
    rolled = attention_rollout(model, IMAGES)
    assert rolled.shape == (3, 24, 32) and rolled.dtype == np.float32
    assert rolled.min() >= 0 and rolled.max() <= 1
    first, second = (class_attention(location, IMAGES, index) for index in (0, 1))
    assert first.shape == (3, 24, 32) and np.abs(first - second).max() > 0.01


def test_the_model_stays_as_it_was(model, location, tmp_path):
    before = model.predict(IMAGES, verbose=0)
    class_attention(location, IMAGES, 0)
    with pytest.raises(ValueError):
        class_attention(location, IMAGES[..., :2], 0)
    assert "transform_attention" not in vars(model.get_layer("encoder_0").attn)
    after = model.predict(IMAGES, verbose=0)
    for task, logits in before.items():
        np.testing.assert_array_equal(after[task], logits)
    model.save(tmp_path / "model.keras")
    keras.models.load_model(tmp_path / "model.keras")


def test_which_models_have_it(model):
    assert has_class_attention(model)
    small = dict(input_shape=(32, 32, 3), num_layers=1, mlp_dim=8)
    assert not has_class_attention(
        keras_medformers.create_model(
            "efficient_scopeformer",
            backbones=["mobilenet"],
            feature_size=16,
            num_heads=2,
            **small,
        )
    )


@pytest.mark.parametrize(
    "call, message",
    [
        (
            lambda model, location: class_attention(model, IMAGES, 0),
            "one output of logits",
        ),
        (
            lambda model, location: class_attention(location, IMAGES, 3),
            r"class_index in 0...2",
        ),
        (
            lambda model, location: class_attention(location, IMAGES, [0, 1]),
            "3 integers, one per image",
        ),
        (
            lambda model, location: class_attention(location, IMAGES, 0.5),
            "to be an integer",
        ),
        (
            lambda model, location: attention_rollout(model, IMAGES[0]),
            "Expected inputs of shape",
        ),
        (
            lambda model, location: attention_rollout(
                keras.Sequential([keras.Input((24, 32, 3)), keras.layers.Flatten()]),
                IMAGES,
            ),
            "Expected a vision transformer",
        ),
    ],
)
def test_refuses_what_does_not_fit(model, location, call, message):
    with pytest.raises(ValueError, match=message):
        call(model, location)
