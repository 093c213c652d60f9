"""Grey values of any scale to mean 0 and deviation 1, image by image."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("keras_medformers")
class ImageStandardization(keras.layers.Layer):
    """Subtracts each image's mean and divides by its standard deviation.

    Detectors differ in offset and range; this takes both away without a table of devices. An image of
    one value becomes zeros.

    Args:
        smallest_deviation: What a smaller deviation is replaced by, in stored units.

    Input shape:
        `(batch, height, width, channels)`, integer or float.

    Output shape:
        As the input, float32.

    Raises:
        ValueError: If `smallest_deviation` is not positive.
    """

    def __init__(self, smallest_deviation=1e-3, **kwargs):
        super().__init__(**kwargs)
        if not smallest_deviation > 0:
            raise ValueError(
                f"Expected a positive `smallest_deviation`. Received: {smallest_deviation=}"
            )
        self.smallest_deviation = smallest_deviation

    def call(self, images):
        x = ops.cast(images, "float32")
        x = x - ops.mean(x, axis=(1, 2, 3), keepdims=True)
        deviation = ops.sqrt(ops.mean(ops.square(x), axis=(1, 2, 3), keepdims=True))
        return x / ops.maximum(deviation, self.smallest_deviation)

    def compute_output_spec(self, images):
        return keras.KerasTensor(images.shape, dtype="float32")

    def get_config(self):
        return {**super().get_config(), "smallest_deviation": self.smallest_deviation}
