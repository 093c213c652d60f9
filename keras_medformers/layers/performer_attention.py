"""Performer: self-attention in linear time by positive random features."""

import math
import random

import keras
from keras import ops

from keras_medformers.layers.heads import (
    flatten_positions,
    head_channels,
    merge_heads,
    split_heads,
)
from keras_medformers.layers.random_features import orthogonal_features

RELU_EPSILON = 1e-3
SOFTMAX_EPSILON = 1e-4


def relu_features(tokens, projection):
    """ReLU of the projections onto random directions, kept positive.

    Args:
        tokens: Queries or keys, `(batch, heads, tokens, head_dim)`.
        projection: Directions, `(num_features, head_dim)`.

    Returns:
        `(batch, heads, tokens, num_features)`.

    Reference:
        Taha et al., HCT, section 2.2: f = ReLU, h = 1.
    """
    return ops.relu(_project(tokens, projection)) + RELU_EPSILON


def softmax_features(tokens, projection, is_query):
    """Positive features whose products approximate exp(q k / sqrt(head_dim)) up to common factors.

    The largest exponent is subtracted, per query, and for keys over all their positions and features:
    either factor cancels in the attention's quotient. Its gradient cancels as well only without the
    small constant, so the maxima are constants to differentiation, as in the public implementation.

    Args:
        tokens: Queries or keys, `(batch, heads, tokens, head_dim)`.
        projection: Directions, `(num_features, head_dim)`.
        is_query: Whether `tokens` are queries.

    Returns:
        `(batch, heads, tokens, num_features)`.

    Reference:
        Choromanski et al., Rethinking Attention with Performers, lemma 1;
        Taha et al., HCT, section 2.2: f = exp, h(x) = exp(-|x|^2 / 2).
    """
    num_features, head_dim = projection.shape
    exponents = _project(tokens, projection)
    # A key's error here does not cancel, and grows with its size.
    tokens = ops.cast(tokens, exponents.dtype)
    half_squares = ops.sum(ops.square(tokens), axis=-1, keepdims=True) * (
        0.5 * head_dim**-0.5
    )
    largest = ops.max(exponents, axis=-1 if is_query else (-2, -1), keepdims=True)
    positive = ops.exp(exponents - half_squares - ops.stop_gradient(largest))
    return num_features**-0.5 * (positive + SOFTMAX_EPSILON)


def linear_attention(query_features, key_features, value):
    """Attention whose weights are products of features, without a matrix of tokens by tokens.

    Args:
        query_features: `(batch, heads, tokens, num_features)`, positive.
        key_features: As `query_features`.
        value: `(batch, heads, tokens, head_dim)`.

    Returns:
        `(batch, heads, tokens, head_dim)`.

    Reference:
        Taha et al., HCT, Fig. 2.
    """
    # (batch, heads, num_features, head_dim) and (batch, heads, num_features, 1): sums over keys.
    context = ops.matmul(ops.transpose(key_features, (0, 1, 3, 2)), value)
    key_sum = ops.expand_dims(ops.sum(key_features, axis=2), -1)
    return ops.matmul(query_features, context) / ops.matmul(query_features, key_sum)


def _project(tokens, projection):
    tokens = ops.cast(tokens, projection.dtype) * projection.shape[1] ** -0.25
    return ops.matmul(tokens, ops.transpose(projection))


KERNELS = ("relu", "softmax")


@keras.saving.register_keras_serializable("keras_medformers")
class PerformerAttention(keras.layers.Layer):
    """Multi-head self-attention over all positions, linear in their number.

    The random directions are a weight that does not train: they are saved with the model, and
    `redraw` draws others. Features and sums are float32 in half precision, too, as sums over ten
    thousands of tokens leave float16's range.

    Args:
        num_heads: Number of heads, which must divide the channels.
        kernel: `"relu"` or `"softmax"`.
        num_features: Random features per head; None gives `int(d ln d)` for heads of d channels.
        dropout_rate: Dropout on the output.

    Input shape:
        `(batch, *positions, channels)`: a map `(batch, height, width, channels)` or a sequence of
        tokens; sizes of positions may be unknown.

    Output shape:
        As the input.

    Raises:
        ValueError: If the kernel is unknown, the heads do not divide the channels, or there are no features.

    Reference:
        Taha et al., HCT, sections 2.2 and 2.3, Fig. 3, appendix's `linear_attention`.
    """

    def __init__(
        self, num_heads, kernel="relu", num_features=None, dropout_rate=0.0, **kwargs
    ):
        super().__init__(**kwargs)
        if kernel not in KERNELS:
            raise ValueError(
                f"Expected `kernel` of {KERNELS}. Received: kernel={kernel!r}"
            )
        if num_features is not None and num_features < 1:
            raise ValueError(
                f"Expected `num_features` of at least 1. Received: num_features={num_features}"
            )
        self.num_heads = num_heads
        self.kernel = kernel
        self.num_features = num_features
        self.dropout_rate = dropout_rate

    def build(self, input_shape):
        channels = input_shape[-1]
        head_dim = head_channels(channels, self.num_heads)
        tokens_shape = (None, None, channels)
        for name in ("query", "key", "value", "proj"):
            dense = keras.layers.Dense(channels, dtype=self.dtype_policy, name=name)
            dense.build(tokens_shape)
            setattr(self, name, dense)

        self.projection = self.add_weight(
            name="projection",
            shape=(
                self.num_features or max(1, int(head_dim * math.log(head_dim))),
                head_dim,
            ),
            initializer=_draw,
            trainable=False,
            autocast=False,
        )
        self.dropout = keras.layers.Dropout(
            self.dropout_rate, dtype=self.dtype_policy, name="dropout"
        )

    def redraw(self, seed):
        """Draws the random directions again; the same seed gives the same ones.

        Args:
            seed: What `numpy.random.default_rng` takes, for example an int.
        """
        self.projection.assign(orthogonal_features(*self.projection.shape, seed))

    def call(self, x, training=None):
        tokens = flatten_positions(x)
        query, key, value = (
            split_heads(dense(tokens), self.num_heads)
            for dense in (self.query, self.key, self.value)
        )
        # (batch, heads, tokens, head_dim), then (batch, tokens, channels), then as the input.
        mixed = linear_attention(*self.features(query, key), value)
        mixed = self.proj(ops.cast(merge_heads(mixed), self.compute_dtype))
        return ops.reshape(self.dropout(mixed, training=training), ops.shape(x))

    def features(self, query, key):
        """Random features of queries and keys, each `(batch, heads, tokens, head_dim)`."""
        projection = ops.convert_to_tensor(self.projection)
        if self.kernel == "relu":
            return relu_features(query, projection), relu_features(key, projection)
        return softmax_features(query, projection, True), softmax_features(
            key, projection, False
        )

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "kernel": self.kernel,
            "num_features": self.num_features,
            "dropout_rate": self.dropout_rate,
        }


def _draw(shape, dtype):
    """Initial directions, from Python's generator, which `keras.utils.set_random_seed` seeds."""
    return ops.convert_to_tensor(
        orthogonal_features(*shape, random.getrandbits(32)), dtype
    )


def redraw_random_features(model, seed):
    """Draws the random directions of every `PerformerAttention` in a model again.

    Args:
        model: A functional model.
        seed: An int; each layer gets other directions from it.
    """
    layers = [layer for layer in model.layers if isinstance(layer, PerformerAttention)]
    for index, layer in enumerate(layers):
        layer.redraw((seed, index))
