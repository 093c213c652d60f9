"""Heat maps against their formula in numpy, on networks whose gradients can be written down."""

import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from keras_medformers.explain import grad_cam

CLASSES, CHANNELS = 3, 5


def make_model(head=None):
    """Convolution, mean over positions, linear head: the gradient is the head's weights over positions."""
    keras.utils.set_random_seed(1)
    image = keras.Input((12, 10, 3), name="image")
    x = keras.layers.Conv2D(CHANNELS, 3, strides=2, name="feature_map")(image)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(image, keras.layers.Dense(CLASSES, name="head")(x), name="small")


@pytest.fixture(scope="module")
def model():
    return make_model()


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).normal(size=(5, 12, 10, 3)).astype("float32")


def run(model, images):
    return keras.ops.convert_to_numpy(model(images))


def expected_heat(model, images, classes):
    """Equations 1 and 2 with the gradient known: the head's weights over the number of positions."""
    maps = run(keras.Model(model.input, model.get_layer("feature_map").output), images)
    gradient = model.get_layer("head").get_weights()[0].T[classes] / (
        maps.shape[1] * maps.shape[2]
    )
    heat = np.maximum(np.einsum("bhwc,bc->bhw", maps, gradient), 0)
    highest = heat.max((1, 2), keepdims=True)
    assert (highest > 0).all()
    return heat / highest


def test_equals_the_formula_for_the_predicted_class(model, images):
    predicted = run(model, images).argmax(-1)
    assert len(set(predicted)) > 1

    heat = grad_cam(model, images, resize=False)

    assert heat.shape == (5, 5, 4) and heat.dtype == np.float32
    np.testing.assert_allclose(
        heat, expected_heat(model, images, predicted), rtol=1e-4, atol=1e-6
    )


@pytest.mark.parametrize(
    "class_index", [0, 2, [2, 0, 1, 1, 0], np.array([1, 1, 2, 0, 2])]
)
def test_equals_the_formula_for_the_class_asked_for(model, images, class_index):
    heat = grad_cam(model, images, class_index=class_index, resize=False, batch_size=2)

    expected = expected_heat(model, images, np.broadcast_to(class_index, 5))
    np.testing.assert_allclose(heat, expected, rtol=1e-4, atol=1e-6)


def test_gives_the_logits_of_the_same_pass(model, images):
    heat, logits = grad_cam(model, images, batch_size=2, return_logits=True)

    assert (
        np.array_equal(heat, grad_cam(model, images, batch_size=2))
        and logits.dtype == np.float32
    )
    np.testing.assert_allclose(logits, run(model, images), atol=1e-5)


def test_is_resized_to_the_images(model, images):
    small, large = grad_cam(model, images, resize=False), grad_cam(model, images)

    assert large.shape == (5, 12, 10) and large.dtype == np.float32
    assert large.min() >= 0 and large.max() <= 1
    resize = keras.layers.Resizing(
        12, 10, interpolation="bilinear", data_format="channels_last"
    )
    resized = run(resize, small[..., None])[..., 0]
    np.testing.assert_allclose(large, resized, atol=1e-6)


@pytest.mark.parametrize("batch_size", [1, 2, 3, 100])
def test_does_not_depend_on_the_batch_size(model, images, batch_size):
    np.testing.assert_allclose(
        grad_cam(model, images, batch_size=batch_size),
        grad_cam(model, images),
        atol=1e-5,
    )


def test_map_without_evidence_for_the_class_stays_zero(images):
    model = make_model()
    layer = model.get_layer("feature_map")
    layer.set_weights([np.zeros(layer.kernel.shape), np.ones(CHANNELS)])
    head = model.get_layer("head")
    kernel = np.full(head.kernel.shape, -1.0)
    kernel[:, 1] = 1.0
    head.set_weights([kernel, np.zeros(CLASSES)])

    against, for_it = (
        grad_cam(model, images, class_index=k, resize=False) for k in (0, 1)
    )

    assert not against.any() and not np.isnan(against).any()
    assert (for_it == 1).all()


def test_layer_beside_others(images):
    """One of two branches: the mean gradient there is that of the squared sum, twice the mean of the sum."""
    image = keras.Input((12, 10, 3))
    one = keras.layers.Conv2D(1, 3, name="one")(image)
    other = keras.layers.Conv2D(1, 3, name="other")(image)
    both = keras.layers.Add(name="sum")([one, other])
    square = keras.layers.Multiply(name="square")([both, both])
    model = keras.Model(
        image, keras.layers.Flatten()(keras.layers.GlobalAveragePooling2D()(square))
    )
    maps = run(keras.Model(image, one), images)
    sums = run(keras.Model(image, both), images)

    heat = grad_cam(model, images, "one", resize=False)

    expected = np.maximum(maps * sums.mean((1, 2), keepdims=True), 0)[..., 0]
    expected /= expected.max((1, 2), keepdims=True)
    np.testing.assert_allclose(heat, expected, rtol=1e-3, atol=1e-5)


def test_tokens_on_a_grid(model, images):
    image = keras.Input((12, 10, 3))
    x = model.get_layer("feature_map")(image)
    x = keras.layers.Reshape((20, CHANNELS), name="tokens")(x)
    x = model.get_layer("head")(keras.layers.GlobalAveragePooling1D()(x))
    of_tokens = keras.Model(image, x)

    heat = grad_cam(of_tokens, images, "tokens", grid=(5, 4))

    np.testing.assert_allclose(heat, grad_cam(make_model(), images), atol=1e-5)
    with pytest.raises(
        ValueError, match=r"height \* width = 20.*class token.*grid=\(4, 4\)"
    ):
        grad_cam(of_tokens, images, "tokens", grid=(4, 4))


def test_a_class_token_before_the_grid_is_left_out(model, images):
    image = keras.Input((12, 10, 3))
    x = model.get_layer("feature_map")(image)
    x = keras.layers.Reshape((20, CHANNELS))(x)
    x = keras.layers.ZeroPadding1D((1, 0), name="tokens")(x)
    x = keras.layers.Cropping1D((1, 0))(x)
    x = model.get_layer("head")(keras.layers.GlobalAveragePooling1D()(x))

    heat = grad_cam(keras.Model(image, x), images, "tokens", grid=(5, 4))

    np.testing.assert_allclose(heat, grad_cam(make_model(), images), atol=1e-5)


def test_input_of_any_size(images):
    image = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(CHANNELS, 3, name="feature_map")(image)
    model = keras.Model(
        image, keras.layers.Dense(2)(keras.layers.GlobalMaxPooling2D()(x))
    )

    assert grad_cam(model, images).shape == (5, 12, 10)
    assert grad_cam(model, images[:, :8]).shape == (5, 8, 10)


def test_leaves_the_model_as_it_was(images, tmp_path):
    model = make_model()
    layer = model.get_layer("feature_map")
    before, records = run(model, images), len(layer._inbound_nodes)

    first = grad_cam(model, images)

    assert np.array_equal(grad_cam(model, images), first)
    assert "call" not in vars(layer) and len(layer._inbound_nodes) == records
    assert np.array_equal(run(model, images), before)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(grad_cam(again, images), first, atol=1e-6)


def test_layer_that_fails_is_left_as_it_was(model, images):
    with pytest.raises(ValueError):
        grad_cam(model, images[..., :2])
    assert "call" not in vars(model.get_layer("feature_map"))


@pytest.mark.parametrize(
    "arguments, message",
    [
        (
            {"layer_name": "feature_mop"},
            "'feature_mop'. The last that fit: feature_map$",
        ),
        (
            {"layer_name": "pool"},
            r"'pool' with shape \(None, 5\). The last that fit: feature_map$",
        ),
        ({"layer_name": "image"}, "Received: layer_name='image'"),
        ({"grid": (5, 4)}, r"\(batch, tokens, channels\).*The last that fit: none"),
        ({"class_index": 3}, r"class_index in 0...2. Received: class_index=3"),
        ({"class_index": -1}, "class_index in 0...2"),
        ({"class_index": [0, 1]}, "5 integers, one per image"),
        ({"class_index": 0.5}, "an integer or 5 integers"),
        ({"batch_size": 0}, "batch_size of at least 1"),
    ],
)
def test_mistakes(model, images, arguments, message):
    with pytest.raises(ValueError, match=message):
        grad_cam(model, images, **arguments)


def test_images_without_batch_axis(model, images):
    with pytest.raises(ValueError, match=r"Received: \(12, 10, 3\)"):
        grad_cam(model, images[0])


def test_model_with_two_outputs(model, images):
    two = keras.Model(model.inputs, {"a": model.outputs[0], "b": model.outputs[0]})
    with pytest.raises(ValueError, match="one input and one output"):
        grad_cam(two, images)


def test_layer_called_twice(images):
    image = keras.Input((12, 10, 3))
    twice = keras.layers.Conv2D(3, 3, padding="same", name="twice")
    x = keras.layers.GlobalAveragePooling2D()(twice(twice(image)))
    model = keras.Model(image, x)
    with pytest.raises(ValueError, match="calls once.*'twice', called 2 times"):
        grad_cam(model, images, "twice")


@pytest.mark.slow
@pytest.mark.parametrize("backend, package", [("torch", "torch"), ("jax", "jax")])
def test_on_other_backends(backend, package):
    """The tests of this file once more, in a process where Keras runs on another backend."""
    pytest.importorskip(package)
    root = Path(__file__).parents[3]
    tests = [__file__, "-q", "-p", "no:cacheprovider", "-m", "not slow"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *tests],
        cwd=root,
        env={**os.environ, "KERAS_BACKEND": backend, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[-4000:]
