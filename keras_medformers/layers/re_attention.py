"""Re-attention: attention maps that are mixed across heads."""

import keras
from keras import ops

from keras_medformers.layers.attention import SelfAttention


@keras.saving.register_keras_serializable("keras_medformers")
class ReAttention(SelfAttention):
    """Multi-head re-attention: Norm(M^T softmax(Q K^T / sqrt(d_k))) V, then a projection.

    As in DeepViT's code, M is a 1 x 1 convolution over heads with a bias, and Norm a BatchNorm over
    heads; rows of the resulting maps no longer sum to 1. From the softmax to the norm, maps are float32 in
    half precision, too.

    Args:
        num_heads: Number of heads.
        head_dim: Channels of each head; None gives `ceil(channels / num_heads)`.
        qkv_bias: Whether query, key and value have a bias.
        transform_scale: If True, multiplies the maps by `head_dim ** -0.5` once more
            (DeepViT's option of the same name).

    Input shape:
        `(batch, tokens, channels)`.

    Output shape:
        As the input.

    Reference:
        Zhou et al., DeepViT: Towards Deeper Vision Transformer, eq. (3);
        Barhoumi et al., Efficient Scopeformer, eq. (2).
    """

    def __init__(
        self, num_heads, head_dim=None, qkv_bias=True, transform_scale=False, **kwargs
    ):
        super().__init__(num_heads, head_dim=head_dim, qkv_bias=qkv_bias, **kwargs)
        self.transform_scale = transform_scale

    def build(self, input_shape):
        super().build(input_shape)
        self.head_mixing = self.add_weight(
            name="head_mixing",
            shape=(self.num_heads, self.num_heads),
            initializer=keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform"),
            autocast=False,
        )
        # In training the norm cancels the bias, and its gradient is the difference of two large sums, which
        # would be beyond float16.
        self.head_bias = self.add_weight(
            name="head_bias",
            shape=(self.num_heads,),
            initializer="zeros",
            autocast=False,
        )
        self.norm = keras.layers.BatchNormalization(
            axis=1, momentum=0.9, epsilon=1e-5, dtype=self.dtype_policy, name="norm"
        )
        self.norm.build((None, self.num_heads, None, None))

    @property
    def maps_dtype(self):
        # The norm magnifies how a map differs from a uniform one. That is a hundredth or less of its values
        # before training, which half precision rounds away.
        return keras.backend.result_type(self.compute_dtype, "float32")

    def transform_attention(self, attention, training):
        """Mixes the maps across heads and normalises them, in one matrix product.

        Norm is affine once its mean and variance are known, and those of the mixed maps follow
        from the covariance of the heads. So the maps, the largest tensors here, are read twice
        and written once; convolution, then BatchNorm, takes several times as long.
        """
        heads, length = self.num_heads, ops.shape(attention)[-1]
        # (batch, heads, tokens * tokens): a map is a vector, mixing heads a matrix product.
        maps = ops.reshape(attention, (-1, heads, length * length))
        mixing = ops.cast(self.head_mixing, "float32")  # (heads, mixed heads)

        if training and self.norm.trainable:
            mean, variance = self._mixed_moments(maps, mixing, length)
            self._update_moving_moments(mean, variance)
        else:
            mean, variance = self.norm.moving_mean, self.norm.moving_variance
        scale = ops.cast(self.norm.gamma, "float32") / ops.sqrt(
            variance + self.norm.epsilon
        )
        shift = (ops.cast(self.head_bias, "float32") - mean) * scale + self.norm.beta
        if self.transform_scale:
            scale, shift = scale * self._head_dim**-0.5, shift * self._head_dim**-0.5

        # (mixed heads, heads) times (batch, heads, tokens * tokens), then maps again.
        weights = ops.cast(ops.transpose(mixing * scale), attention.dtype)
        mixed = ops.matmul(weights, maps) + ops.cast(
            ops.reshape(shift, (-1, 1)), attention.dtype
        )
        return ops.cast(ops.reshape(mixed, ops.shape(attention)), self.compute_dtype)

    def _mixed_moments(self, maps, mixing, length):
        """Mean and variance per mixed head; softmax rows sum to 1, so each map's mean is 1/length."""
        # (batch, heads, heads)
        products = ops.cast(ops.matmul(maps, ops.transpose(maps, (0, 2, 1))), "float32")
        mean_of_map = 1.0 / ops.cast(length, "float32")
        covariance = ops.mean(products, axis=0) * mean_of_map**2 - mean_of_map**2
        variance = ops.sum(mixing * ops.matmul(covariance, mixing), axis=0)
        mean = mean_of_map * ops.sum(mixing, axis=0) + ops.cast(
            self.head_bias, "float32"
        )
        return mean, ops.maximum(variance, 0.0)

    def _update_moving_moments(self, mean, variance):
        momentum = self.norm.momentum
        for moving, value in (
            (self.norm.moving_mean, mean),
            (self.norm.moving_variance, variance),
        ):
            moving.assign(
                moving * momentum + ops.stop_gradient(value) * (1.0 - momentum)
            )

    def get_config(self):
        return {**super().get_config(), "transform_scale": self.transform_scale}
