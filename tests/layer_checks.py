"""What is checked of every layer, in one call."""

import keras
import numpy as np
import tensorflow as tf

HALF_PRECISIONS = ("mixed_float16", "mixed_bfloat16")


def run_layer_checks(
    make,
    inputs,
    folder,
    *,
    training=False,
    without_gradient=(),
    near_single=0.05,
    always_float32=False,
    any_size=False,
):
    """Checks configuration, batches, half precision, gradients and files of a layer.

    Args:
        make: Function from further arguments of the layer, such as `dtype`, to a new layer.
        inputs: Array that it takes, of at least two samples.
        folder: Where files can be written.
        training: Whether gradients are those of a step of training.
        without_gradient: Names of weights whose gradient may be zero.
        near_single: How far half precision may be off: mean error over mean size.
        always_float32: Whether outputs stay float32 under mixed precision.
        any_size: Whether the layer takes maps of unknown height and width.
    """
    keras.utils.set_random_seed(0)
    layer = make(name="layer")
    expected = np.asarray(layer(inputs))

    check_configuration(layer)
    check_unknown_sizes(layer, inputs, expected, any_size)
    check_gradients(layer, inputs, training, without_gradient)
    check_files(layer, inputs, folder)
    for policy in HALF_PRECISIONS:
        half = make(dtype=policy)
        check_half_precision(half, layer, inputs, near_single, always_float32)


def check_configuration(layer):
    """A layer from another's configuration has the same one."""
    config = layer.get_config()
    assert type(layer).from_config(config).get_config() == config


def check_unknown_sizes(layer, inputs, expected, any_size=False):
    """In a graph that does not know the batch's size, or the map's, it gives the same."""
    known = inputs.shape[1:]
    sizes = (None, None, known[-1]) if any_size else known
    symbol = keras.Input(sizes, dtype=inputs.dtype)
    output = layer(symbol)
    assert output.shape[0] is None
    for size, found in zip(output.shape, expected.shape, strict=True):
        assert size in (None, found), (output.shape, expected.shape)
    if not any_size:
        assert output.shape[1:] == expected.shape[1:]

    traced = tf.function(
        lambda x: layer(x),
        input_signature=[tf.TensorSpec((None, *sizes), inputs.dtype)],
    )
    scale = np.abs(expected).max()
    np.testing.assert_allclose(traced(inputs), expected, atol=1e-5 * scale)
    one = inputs[:1]
    np.testing.assert_allclose(traced(one), layer(one), atol=1e-5 * scale)


def check_gradients(layer, inputs, training=False, without_gradient=()):
    """Every weight that trains gets a gradient, finite and not zero."""
    weights = layer.trainable_variables
    options = {"training": True} if training else {}
    with tf.GradientTape() as tape:
        output = layer(inputs, **options)
        target = np.random.default_rng(1).normal(size=output.shape)
        loss = tf.reduce_sum(output * tf.cast(target, output.dtype))
    gradients = tape.gradient(loss, [weight.value for weight in weights])

    for weight, gradient in zip(weights, gradients, strict=True):
        assert gradient is not None, weight.path
        assert np.isfinite(gradient).all(), weight.path
        if weight.name not in without_gradient:
            assert np.abs(gradient).max() > 0, weight.path


def check_files(layer, inputs, folder):
    """Saved and loaded, it is the same to the bit."""
    pixels = keras.Input(inputs.shape[1:], dtype=inputs.dtype)
    model = keras.Sequential([pixels, layer])
    model.save(folder / "model.keras")

    loaded = keras.models.load_model(folder / "model.keras")

    assert loaded.layers[0].get_config() == layer.get_config()
    for weight, read in zip(layer.weights, loaded.layers[0].weights, strict=True):
        np.testing.assert_array_equal(weight, read)
    np.testing.assert_array_equal(loaded(inputs), model(inputs))


def check_half_precision(half, single, inputs, near_single, always_float32=False):
    """Under mixed precision weights are float32, outputs short, finite and near single's."""
    half.build(inputs.shape)
    half.set_weights(single.get_weights())

    result = half(inputs)

    policy = half.dtype_policy
    dtype = "float32" if always_float32 else policy.compute_dtype
    assert keras.backend.standardize_dtype(result.dtype) == dtype, policy.name
    assert {weight.dtype for weight in half.weights} <= {"float32"}
    result, expected = np.asarray(result, "float32"), np.asarray(single(inputs))
    assert np.isfinite(result).all(), policy.name
    error = np.abs(result - expected).mean()
    assert error <= near_single * np.abs(expected).mean(), (policy.name, error)
