"""Grey values as pictures, for networks that take red, green and blue."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("keras_medformers")
class GreyToRGB(keras.layers.Layer):
    """Brings grey values to [0, 255] and gives each of three channels the same.

    Args:
        white: The value that becomes 255.

    Input shape:
        `(batch, height, width, 1)`, any numeric type.

    Output shape:
        `(batch, height, width, 3)`, float32.

    Raises:
        ValueError: If `white` is not positive.
    """

    def __init__(self, white=65535, **kwargs):
        super().__init__(**kwargs)
        if not white > 0:
            raise ValueError(f"Expected a positive `white`. Received: {white=}")
        self.white = white

    def call(self, images):
        grey = ops.cast(images, "float32") * (255.0 / self.white)
        # (batch, height, width, 1) to (batch, height, width, 3).
        return ops.repeat(grey, 3, axis=-1)

    def compute_output_spec(self, images):
        return keras.KerasTensor((*images.shape[:-1], 3), dtype="float32")

    def get_config(self):
        return {**super().get_config(), "white": self.white}
