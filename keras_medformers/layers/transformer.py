"""The pre-norm encoder block of ViT and DeepViT."""

import keras

from keras_medformers.layers.attention import SelfAttention, small_normal
from keras_medformers.layers.re_attention import ReAttention

ATTENTIONS = {"mhsa": SelfAttention, "mhra": ReAttention}


@keras.saving.register_keras_serializable("keras_medformers")
class Mlp(keras.layers.Layer):
    """Two dense layers with an exact GELU between them.

    Args:
        hidden_dim: Channels of the first layer.

    Input shape:
        `(batch, tokens, channels)`.

    Output shape:
        As the input.
    """

    def __init__(self, hidden_dim, **kwargs):
        super().__init__(**kwargs)
        self.hidden_dim = hidden_dim

    def build(self, input_shape):
        self.fc1 = keras.layers.Dense(
            self.hidden_dim,
            kernel_initializer=small_normal(),
            dtype=self.dtype_policy,
            name="fc1",
        )
        self.fc1.build(input_shape)
        self.fc2 = keras.layers.Dense(
            input_shape[-1],
            kernel_initializer=small_normal(),
            dtype=self.dtype_policy,
            name="fc2",
        )
        self.fc2.build((*input_shape[:-1], self.hidden_dim))

    def call(self, tokens):
        return self.fc2(keras.activations.gelu(self.fc1(tokens), approximate=False))

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "hidden_dim": self.hidden_dim}


@keras.saving.register_keras_serializable("keras_medformers")
class TransformerBlock(keras.layers.Layer):
    """x + attention(norm(x)), then x + mlp(norm(x)); LayerNorm eps 1e-6.

    Args:
        num_heads: Number of attention heads.
        mlp_dim: Hidden channels of the MLP.
        attention: `"mhsa"` (softmax attention) or `"mhra"` (re-attention).
        attention_config: Further arguments of the attention layer.
        branch_scale: DeepViT's `scale_adjustment` s: branches read norm(s x) and their
            results are divided by s.

    Input shape:
        `(batch, tokens, channels)`.

    Output shape:
        As the input.

    Raises:
        ValueError: If `attention` is not known.

    Reference:
        Dosovitskiy et al., An Image is Worth 16x16 Words, eqs. (2) and (3); DeepViT, Fig. 4.
    """

    def __init__(
        self,
        num_heads,
        mlp_dim,
        attention="mhsa",
        attention_config=None,
        branch_scale=1.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if attention not in ATTENTIONS:
            raise ValueError(
                f"Expected `attention` in {sorted(ATTENTIONS)}. Received: {attention=}"
            )
        self.num_heads = num_heads
        self.mlp_dim = mlp_dim
        self.attention = attention
        self.attention_config = attention_config
        self.branch_scale = branch_scale

    def build(self, input_shape):
        policy = self.dtype_policy
        self.norm1 = keras.layers.LayerNormalization(
            epsilon=1e-6, dtype=policy, name="norm1"
        )
        self.attn = ATTENTIONS[self.attention](
            self.num_heads, dtype=policy, name="attn", **(self.attention_config or {})
        )
        self.norm2 = keras.layers.LayerNormalization(
            epsilon=1e-6, dtype=policy, name="norm2"
        )
        self.mlp = Mlp(self.mlp_dim, dtype=policy, name="mlp")
        for layer in (self.norm1, self.attn, self.norm2, self.mlp):
            layer.build(input_shape)

    def call(self, tokens, training=None):
        scale = self.branch_scale
        tokens = (
            tokens + self.attn(self.norm1(scale * tokens), training=training) / scale
        )
        return tokens + self.mlp(self.norm2(scale * tokens)) / scale

    def attention_maps(self, tokens):
        """The maps `(batch, heads, tokens, tokens)` by which inference weighs the values."""
        return self.attn.attend(self.norm1(self.branch_scale * tokens), training=False)[
            0
        ]

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "mlp_dim": self.mlp_dim,
            "attention": self.attention,
            "attention_config": self.attention_config,
            "branch_scale": self.branch_scale,
        }
