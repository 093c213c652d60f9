"""Multi-head self-attention with one matrix for query, key and value."""

import math

import keras
from keras import ops


def small_normal():
    """The initialiser of all of ViT's matrices in the published codes: residual branches start small."""
    return keras.initializers.TruncatedNormal(stddev=0.02)


@keras.saving.register_keras_serializable("keras_medformers")
class SelfAttention(keras.layers.Layer):
    """Multi-head self-attention: softmax(Q K^T / sqrt(d_k)) V, then a projection.

    Keras' own `MultiHeadAttention` keeps query, key and value apart and has no place for an
    operation on the attention maps; subclasses override `transform_attention` for that.

    Args:
        num_heads: Number of heads.
        head_dim: Channels of query, key and value of each head. None gives
            `ceil(channels / num_heads)`, so channels need not divide by the heads.
        qkv_bias: Whether query, key and value have a bias.

    Input shape:
        `(batch, tokens, channels)`.

    Output shape:
        As the input.

    Raises:
        ValueError: If `num_heads` or `head_dim` is not positive.

    Reference:
        Barhoumi et al., Efficient Scopeformer, eq. (1).
    """

    def __init__(self, num_heads, head_dim=None, qkv_bias=True, **kwargs):
        super().__init__(**kwargs)
        for argument, value in (("num_heads", num_heads), ("head_dim", head_dim)):
            if value is not None and value < 1:
                raise ValueError(
                    f"Expected `{argument}` of at least 1. Received: {argument}={value}"
                )
        self.num_heads = num_heads
        self.head_dim = head_dim
        self.qkv_bias = qkv_bias

    def build(self, input_shape):
        channels = input_shape[-1]
        self._head_dim = self.head_dim or math.ceil(channels / self.num_heads)
        width = self.num_heads * self._head_dim
        self.qkv = keras.layers.Dense(
            3 * width,
            use_bias=self.qkv_bias,
            kernel_initializer=small_normal(),
            dtype=self.dtype_policy,
            name="qkv",
        )
        self.qkv.build(input_shape)
        self.proj = keras.layers.Dense(
            channels,
            kernel_initializer=small_normal(),
            dtype=self.dtype_policy,
            name="proj",
        )
        self.proj.build((*input_shape[:-1], width))

    def call(self, tokens, training=None):
        attention, value = self.attend(tokens, training=training)
        mixed = ops.matmul(attention, value)  # (batch, heads, tokens, head_dim)
        mixed = ops.transpose(mixed, (0, 2, 1, 3))  # (batch, tokens, heads, head_dim)

        # Heads beside each other, (batch, tokens, heads * head_dim), to the input's channels.
        length = ops.shape(tokens)[1]
        return self.proj(
            ops.reshape(mixed, (-1, length, self.num_heads * self._head_dim))
        )

    def attend(self, tokens, training=None):
        """Attention maps `(batch, heads, tokens, tokens)` and values `(batch, heads, tokens, head_dim)`."""
        length = ops.shape(tokens)[1]

        # (batch, tokens, 3, heads, head_dim) to (3, batch, heads, tokens, head_dim).
        qkv = ops.reshape(
            self.qkv(tokens), (-1, length, 3, self.num_heads, self._head_dim)
        )
        query, key, value = ops.unstack(
            ops.transpose(qkv, (2, 0, 3, 1, 4)), num=3, axis=0
        )

        # (batch, heads, tokens, tokens): a row of weights for each query.
        scores = ops.matmul(
            query * self._head_dim**-0.5, ops.transpose(key, (0, 1, 3, 2))
        )
        maps = ops.softmax(ops.cast(scores, self.maps_dtype), axis=-1)
        return self.transform_attention(maps, training), value

    @property
    def maps_dtype(self):
        """What the softmax is computed in."""
        return self.compute_dtype

    def transform_attention(self, attention, training):
        """The maps that weigh the values; here the softmax itself."""
        return attention

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "head_dim": self.head_dim,
            "qkv_bias": self.qkv_bias,
        }
