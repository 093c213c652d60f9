"""Cosine similarity of encoders, against vectors whose angles are known and against Keras' own outputs."""

import numpy as np
import pytest
from inside_models import make_images, make_small, outputs_of

from keras_medformers.explain import cosine_to_last, encoder_similarity


def test_cosines_of_known_angles():
    last = np.array([[[1, 0], [0, 2]], [[1, 0], [1, 0]]], "float32")
    turned = np.array([[[0, 3], [0, 1]], [[-1, 0], [1, 1]]], "float32")
    nothing = np.zeros_like(last)

    cosines = cosine_to_last([turned, nothing, last])

    np.testing.assert_allclose(
        cosines, [[0.5, (-1 + 0.5**0.5) / 2], [0, 0], [1, 1]], atol=1e-7
    )


@pytest.mark.parametrize(
    "name", ["efficient_scopeformer", "scopeformer_small", "scopeformer_vit"]
)
def test_is_the_mean_over_tokens_and_images(name):
    model, images = make_small(name), make_images()
    tokens = [
        outputs_of(model, model.get_layer(f"encoder_{i}").output, images)
        for i in range(3)
    ]
    unit = [x / np.linalg.norm(x, axis=-1, keepdims=True) for x in tokens]

    similarity = encoder_similarity(model, images, batch_size=2)

    np.testing.assert_allclose(
        similarity, [(x * unit[-1]).sum(-1).mean() for x in unit], atol=1e-5
    )
    assert (
        similarity.shape == (3,)
        and similarity[0] < 0.99
        and similarity[2] == pytest.approx(1)
    )


@pytest.mark.parametrize(
    "arguments, message",
    [
        (
            {"inputs": np.zeros((64, 64, 3))},
            r"\(images, height, width, channels\). Received: \(64, 64, 3\)",
        ),
        ({"inputs": np.zeros((0, 64, 64, 3))}, r"Received: \(0, 64, 64, 3\)"),
        ({"batch_size": 0}, "batch_size of at least 1. Received: batch_size=0"),
    ],
)
def test_mistakes(arguments, message):
    with pytest.raises(ValueError, match=message):
        encoder_similarity(
            make_small("scopeformer_vit"), **({"inputs": make_images()} | arguments)
        )


def test_a_model_without_encoders():
    import keras

    image = keras.Input((8, 8, 3))
    model = keras.Model(image, keras.layers.Flatten(name="flat")(image), name="plain")
    with pytest.raises(
        ValueError, match="transformer encoders. Received: model 'plain'"
    ):
        encoder_similarity(model, np.zeros((1, 8, 8, 3)))
