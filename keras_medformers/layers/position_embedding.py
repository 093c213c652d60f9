"""Learned position embedding."""

import keras

from keras_medformers.layers.attention import small_normal


@keras.saving.register_keras_serializable("keras_medformers")
class PositionEmbedding(keras.layers.Layer):
    """Adds a learned vector to each token, as in ViT.

    Input shape:
        `(batch, tokens, channels)`.

    Output shape:
        As the input.

    Reference:
        Dosovitskiy et al., An Image is Worth 16x16 Words, eq. (1).
    """

    def build(self, input_shape):
        self.position = self.add_weight(
            name="position",
            shape=(1, *input_shape[1:]),
            initializer=small_normal(),
        )

    def call(self, tokens):
        return tokens + self.position

    def compute_output_shape(self, input_shape):
        return input_shape
