"""Nystrom attention: self-attention through a few landmarks."""

import keras
from keras import ops

from keras_medformers.layers.heads import (
    flatten_positions,
    head_channels,
    merge_heads,
    split_heads,
)


@keras.saving.register_keras_serializable("keras_medformers")
class NystromAttention(keras.layers.Layer):
    """Multi-head self-attention whose matrix is rebuilt from its columns and rows at landmarks.

    Landmarks are means of equally many neighbouring tokens; where they do not divide the tokens, zeros
    are put before the first. The inverse in the middle is iterated a fixed number of times from a
    guess that is scaled over the whole batch, as in the public implementation, so an image's output
    depends slightly on the others in its batch.

    Args:
        num_heads: Number of heads, which must divide the channels.
        num_landmarks: Number of landmarks; None gives the larger of a map's height and width.
        pinv_iterations: Iterations of the pseudo-inverse.
        residual_kernel_size: Tokens under the depthwise convolution of the values that is added to the
            result, one filter per head; None for no such convolution.
        dropout_rate: Dropout on the output.

    Input shape:
        `(batch, *positions, channels)`: a map `(batch, height, width, channels)` or, with
        `num_landmarks`, a sequence of tokens; sizes of positions may be unknown.

    Output shape:
        As the input.

    Raises:
        ValueError: If the heads do not divide the channels, a sequence comes without `num_landmarks`,
            or the convolution's size is even.

    Reference:
        Xiong et al., Nystromformer, section 3 and Fig. 2; Taha et al., HCT, section 3, "Baselines".
    """

    def __init__(
        self,
        num_heads,
        num_landmarks=None,
        pinv_iterations=6,
        residual_kernel_size=33,
        dropout_rate=0.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if residual_kernel_size is not None and residual_kernel_size % 2 == 0:
            raise ValueError(
                "Expected `residual_kernel_size` to be odd. "
                f"Received: residual_kernel_size={residual_kernel_size}"
            )
        self.num_heads = num_heads
        self.num_landmarks = num_landmarks
        self.pinv_iterations = pinv_iterations
        self.residual_kernel_size = residual_kernel_size
        self.dropout_rate = dropout_rate

    def build(self, input_shape):
        channels = input_shape[-1]
        head_dim = head_channels(channels, self.num_heads)
        if self.num_landmarks is None and len(input_shape) < 4:
            raise ValueError(
                f"Expected `num_landmarks` for an input that is no map. Received: {input_shape=}"
            )

        self.qkv = keras.layers.Dense(
            3 * channels, use_bias=False, dtype=self.dtype_policy, name="qkv"
        )
        self.qkv.build((None, None, channels))
        self.proj = keras.layers.Dense(channels, dtype=self.dtype_policy, name="proj")
        self.proj.build((None, None, channels))
        self.dropout = keras.layers.Dropout(
            self.dropout_rate, dtype=self.dtype_policy, name="dropout"
        )

        if self.residual_kernel_size is not None:
            self.residual = keras.layers.DepthwiseConv2D(
                (self.residual_kernel_size, 1),
                padding="same",
                use_bias=False,
                data_format="channels_last",
                dtype=self.variable_dtype,
                name="residual",
            )
            self.residual.build((None, None, head_dim, self.num_heads))

    def call(self, x, training=None):
        tokens = flatten_positions(x)
        length = ops.shape(tokens)[1]
        num_landmarks = self.num_landmarks
        if num_landmarks is None:
            num_landmarks = _largest(ops.shape(x)[1:-1])
        # (batch, heads, padded tokens, head_dim) each.
        query, key, value = self.heads(tokens, num_landmarks)

        # Grouped so, no product is tokens by tokens: (batch, heads, tokens, head_dim).
        from_tokens, inverse, to_tokens = self.factors(query, key, num_landmarks)
        mixed = ops.matmul(
            ops.matmul(from_tokens, inverse), ops.matmul(to_tokens, value)
        )
        if self.residual_kernel_size is not None:
            # The convolution is along tokens: (batch, tokens, head_dim, heads), and back.
            by_token = self.residual(ops.transpose(value, (0, 2, 3, 1)))
            mixed = mixed + ops.transpose(by_token, (0, 3, 1, 2))
        # (batch, tokens, channels), without the zeros in front, then a map again.
        mixed = self.proj(ops.cast(merge_heads(mixed), self.compute_dtype))[:, -length:]
        return ops.reshape(self.dropout(mixed, training=training), ops.shape(x))

    def heads(self, tokens, num_landmarks):
        """Queries, keys and values with zeros in front, each `(batch, heads, padded tokens, head_dim)`."""
        qkv = _pad_front(self.qkv(tokens), num_landmarks)
        return (
            split_heads(part, self.num_heads) for part in ops.split(qkv, 3, axis=-1)
        )

    def factors(self, query, key, num_landmarks):
        """The three matrices whose product stands for the attention maps.

        Returns:
            Tokens to landmarks `(batch, heads, tokens, landmarks)`, the pseudo-inverse of landmarks to
            landmarks, and landmarks to tokens `(batch, heads, landmarks, tokens)`.
        """
        query = query * ops.shape(query)[-1] ** -0.5
        query_landmarks = _means(query, num_landmarks)
        key_landmarks = _means(key, num_landmarks)
        from_tokens = _softmax_of_products(query, key_landmarks)
        between = _softmax_of_products(query_landmarks, key_landmarks)
        to_tokens = _softmax_of_products(query_landmarks, key)
        return from_tokens, pseudo_inverse(between, self.pinv_iterations), to_tokens

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "num_landmarks": self.num_landmarks,
            "pinv_iterations": self.pinv_iterations,
            "residual_kernel_size": self.residual_kernel_size,
            "dropout_rate": self.dropout_rate,
        }


def pseudo_inverse(matrices, iterations):
    """Approximates Moore-Penrose inverses by matrix products alone.

    Args:
        matrices: `(batch, heads, n, n)`.
        iterations: Number of iterations; six do not converge for every matrix.

    Returns:
        As `matrices`.

    Reference:
        Xiong et al., Nystromformer, eq. (11); the first guess is scaled over all matrices at once.
    """
    absolute = ops.abs(matrices)
    scale = ops.max(ops.sum(absolute, axis=-1)) * ops.max(ops.sum(absolute, axis=-2))
    inverse = ops.transpose(matrices, (0, 1, 3, 2)) / scale
    for _ in range(iterations):
        product = ops.matmul(matrices, inverse)
        series = 7.0 * product - ops.matmul(product, product)
        series = 15.0 * product - ops.matmul(product, series)
        inverse = 0.25 * (13.0 * inverse - ops.matmul(inverse, series))
    return inverse


def _largest(sizes):
    """The largest of several sizes, each an int or a scalar tensor."""
    if all(isinstance(size, int) for size in sizes):
        return max(sizes)
    return ops.max(ops.stack([ops.cast(size, "int32") for size in sizes]))


def _pad_front(tokens, num_landmarks):
    """Puts zeros before the first token, so that the landmarks divide the tokens."""
    batch, length, channels = ops.shape(tokens)
    missing = -length % num_landmarks
    if isinstance(missing, int) and missing == 0:
        return tokens
    return ops.concatenate(
        [ops.zeros((batch, missing, channels), tokens.dtype), tokens], axis=1
    )


def _means(heads, num_landmarks):
    """Means of equally many neighbouring tokens, `(batch, heads, landmarks, head_dim)`."""
    _, num_heads, length, head_dim = ops.shape(heads)
    # (batch, heads, landmarks, neighbours, head_dim), averaged over neighbours.
    groups = (-1, num_heads, num_landmarks, length // num_landmarks, head_dim)
    return ops.mean(ops.reshape(heads, groups), axis=3)


def _softmax_of_products(rows, columns):
    return ops.softmax(ops.matmul(rows, ops.transpose(columns, (0, 1, 3, 2))), axis=-1)
