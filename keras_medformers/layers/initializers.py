"""Initial values as PyTorch draws them, for models whose official code leaves them to it."""

import keras


def fan_in_uniform(fan_in):
    """Uniform within 1 / sqrt(fan_in): PyTorch's default for kernels and biases of its layers.

    `fan_in` is the number of inputs of one output value: input channels times kernel area, without
    the channels where the convolution is depthwise.
    """
    return keras.initializers.RandomUniform(-(fan_in**-0.5), fan_in**-0.5)


def normal(stddev=0.02):
    """PyTorch's `trunc_normal_` as the published codes call it.

    It cuts off at -2 and 2, not at two deviations, so with small deviations nothing is cut.
    """
    return keras.initializers.RandomNormal(stddev=stddev)
