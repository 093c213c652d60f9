"""The input scaling of networks trained with Caffe."""

import keras
from keras import ops

IMAGENET_MEAN_BGR = (103.939, 116.779, 123.68)


@keras.saving.register_keras_serializable("keras_medformers")
class CaffePixels(keras.layers.Layer):
    """RGB to BGR, minus ImageNet's mean.

    Input shape:
        `(batch, height, width, 3)`, RGB in [0, 255].

    Output shape:
        As the input.

    Reference:
        `keras.applications.imagenet_utils.preprocess_input`, mode "caffe".
    """

    def call(self, pixels):
        return ops.flip(pixels, axis=-1) - ops.convert_to_tensor(
            IMAGENET_MEAN_BGR, pixels.dtype
        )

    def compute_output_shape(self, input_shape):
        return input_shape
