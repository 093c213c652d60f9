"""Heat maps of this package's models against one tape over the whole network."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_medformers
from keras_medformers.explain import grad_cam


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(2)
    model = keras_medformers.create_model(
        "hifuse_narrow", 4, (64, 64, 3), window_size=2
    )
    head = model.get_layer("head")
    head.kernel.assign(np.random.default_rng(0).normal(size=head.kernel.shape))
    return model


@pytest.mark.parametrize(
    "layer_name", ["feature_map", "stage_2_local_block_1", "stage_1_global_block_0"]
)
def test_hifuse(model, layer_name):
    images = np.random.default_rng(1).uniform(-1, 1, (3, 64, 64, 3)).astype("float32")
    both = keras.Model(model.input, [model.get_layer(layer_name).output, model.output])
    watched = tf.constant(images)
    with tf.GradientTape() as tape:
        tape.watch(watched)
        maps, logits = both(watched, training=False)
        score = tf.reduce_sum(logits[:, 2])
    weights = tf.reduce_mean(tape.gradient(score, maps), (1, 2), keepdims=True)
    expected = tf.nn.relu(tf.reduce_sum(weights * maps, -1)).numpy()
    expected /= expected.max((1, 2), keepdims=True)

    heat = grad_cam(
        model, images, layer_name, class_index=2, resize=False, batch_size=2
    )

    assert heat.max() == 1
    np.testing.assert_allclose(heat, expected, atol=1e-3)
    assert grad_cam(model, images, layer_name, class_index=2).shape == (3, 64, 64)
