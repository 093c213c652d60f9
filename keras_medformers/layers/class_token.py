"""Learned class token."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("keras_medformers")
class ClassToken(keras.layers.Layer):
    """Puts one learned token, at first zero, before each sequence, as in ViT.

    Input shape:
        `(batch, tokens, channels)`.

    Output shape:
        `(batch, tokens + 1, channels)`.

    Reference:
        Dosovitskiy et al., An Image is Worth 16x16 Words, eq. (1).
    """

    def build(self, input_shape):
        self.token = self.add_weight(
            name="token", shape=(1, 1, input_shape[-1]), initializer="zeros"
        )

    def call(self, tokens):
        first = ops.broadcast_to(
            self.token, (ops.shape(tokens)[0], 1, tokens.shape[-1])
        )
        return ops.concatenate([first, tokens], axis=1)

    def compute_output_shape(self, input_shape):
        batch, length, channels = input_shape
        return (batch, None if length is None else length + 1, channels)
