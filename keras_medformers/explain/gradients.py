"""Gradients outside of training, which Keras leaves to its backend: TensorFlow, JAX or PyTorch."""

import keras
import numpy as np


def gradient_of_sum(function, x):
    """Gradient of the sum of a function's values with regard to its argument.

    Where samples do not influence each other, as in inference, that is each sample's own gradient.

    Args:
        function: From a tensor of the backend to two: a tensor of any shape, which is summed, and a structure
            of further tensors, which is handed through.
        x: Array of floats.

    Returns:
        The gradient, a numpy array of the shape of `x`; and the further tensors.

    Raises:
        ValueError: If Keras runs on a backend without automatic differentiation.
    """
    backend = keras.backend.backend()
    if backend not in _GRADIENTS:
        raise ValueError(
            f"Expected Keras to run on one of {', '.join(_GRADIENTS)}. Received: backend={backend!r}"
        )

    def summed(x):
        values, further = function(x)
        return keras.ops.sum(values), further

    gradient, further = _GRADIENTS[backend](
        summed, keras.ops.convert_to_tensor(np.asarray(x))
    )
    return keras.ops.convert_to_numpy(gradient), further


def _with_tensorflow(function, x):
    import tensorflow as tf  # inside: the backend may be another

    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(x)
        total, further = function(x)
    return tape.gradient(
        total, x, unconnected_gradients=tf.UnconnectedGradients.ZERO
    ), further


def _with_jax(function, x):
    import jax  # as above

    return jax.grad(function, has_aux=True)(x)


def _with_torch(function, x):
    import torch  # as above

    x = x.detach().requires_grad_()
    with torch.enable_grad():
        total, further = function(x)
    return torch.autograd.grad(total, x)[0], further


_GRADIENTS = {"tensorflow": _with_tensorflow, "jax": _with_jax, "torch": _with_torch}
