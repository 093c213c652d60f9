"""Positions of a map as tokens, and channels of tokens as heads."""

import math

import keras
from keras import ops


def head_channels(channels, num_heads):
    """Channels of each head.

    Raises:
        ValueError: If the heads do not divide the channels.
    """
    if num_heads < 1 or channels % num_heads:
        raise ValueError(
            f"Expected `num_heads` to divide the input's {channels} channels. "
            f"Received: num_heads={num_heads}"
        )
    return channels // num_heads


def flatten_positions(x):
    """`(batch, *positions, channels)` to tokens `(batch, tokens, channels)`."""
    shape = ops.shape(x)
    return ops.reshape(x, (-1, math.prod(shape[1:-1]), shape[-1]))


def split_heads(tokens, num_heads):
    """`(batch, tokens, channels)` to `(batch, heads, tokens, head_dim)`, at least float32."""
    tokens = ops.cast(tokens, keras.backend.result_type(tokens.dtype, "float32"))
    _, length, channels = ops.shape(tokens)
    # (batch, tokens, heads, head_dim)
    heads = ops.reshape(tokens, (-1, length, num_heads, channels // num_heads))
    return ops.transpose(heads, (0, 2, 1, 3))


def merge_heads(heads):
    """`(batch, heads, tokens, head_dim)` to `(batch, tokens, channels)`."""
    _, num_heads, length, head_dim = ops.shape(heads)
    # (batch, tokens, heads, head_dim), then heads beside each other.
    return ops.reshape(
        ops.transpose(heads, (0, 2, 1, 3)), (-1, length, num_heads * head_dim)
    )
