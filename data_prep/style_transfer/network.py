"""Features of VGG19, and the losses on them."""

import keras
import tensorflow as tf

from keras_medformers.models.backbones import build_backbone
from keras_medformers.support.errors import UserError

CONTENT_LAYER = "block4_conv2"
STYLE_LAYERS = (
    "block1_conv1",
    "block2_conv1",
    "block3_conv1",
    "block4_conv1",
    "block5_conv1",
)


def feature_extractor(weights: str | None, size: int, pooling: str) -> keras.Model:
    """VGG19 up to the last layer that is asked for.

    Args:
        weights: "imagenet", the path of a weights file without top, or None for untrained ones, the same
            each time.
        size: Height and width of pictures, in pixels.
        pooling: "average" or "max".

    Returns:
        A model from RGB in [0, 255] to the rectified feature maps of `CONTENT_LAYER` and of each of
        `STYLE_LAYERS`.

    Raises:
        UserError: If the weights cannot be had or are of another network.
    """
    keras.utils.set_random_seed(0)
    try:
        vgg = build_backbone("vgg19", (size, size, 3), weights)
    except (FileNotFoundError, ValueError) as error:
        raise UserError(str(error)) from error
    if weights is None:
        _see_contrast(vgg)
    if pooling == "average":
        vgg = _with_average_pooling(vgg)
    outputs = [
        vgg.get_layer(f"vgg19_{name}").output for name in (CONTENT_LAYER, *STYLE_LAYERS)
    ]
    return keras.Model(vgg.inputs[0], outputs)


def _see_contrast(vgg: keras.Model) -> None:
    """Takes the mean off random kernels, which in a stack would see brightness and little else."""
    for layer in vgg.layers:
        if isinstance(layer, keras.layers.Conv2D):
            layer.kernel.assign(
                layer.kernel - tf.reduce_mean(layer.kernel.value, axis=(0, 1, 2))
            )


def _with_average_pooling(vgg: keras.Model) -> keras.Model:
    def exchange(layer: keras.layers.Layer) -> keras.layers.Layer:
        if isinstance(layer, keras.layers.MaxPooling2D):
            return keras.layers.AveragePooling2D(
                layer.pool_size, layer.strides, name=layer.name
            )
        return layer.__class__.from_config(layer.get_config())

    copy = keras.models.clone_model(vgg, clone_function=exchange)
    copy.set_weights(vgg.get_weights())
    return copy


def gram_matrices(features: tf.Tensor) -> tf.Tensor:
    """Correlations of feature maps, averaged over positions.

    Args:
        features: `(batch, height, width, channels)`.

    Returns:
        `(batch, channels, channels)`: eq. (3) of Gatys et al. 2016, over the number of positions.
    """
    batch, height, width, channels = features.shape
    columns = tf.reshape(features, (batch, height * width, channels))
    return tf.matmul(columns, columns, transpose_a=True) / (height * width)


def content_loss(features: tf.Tensor, wanted: tf.Tensor) -> tf.Tensor:
    """Half the mean squared difference of feature maps, `(batch,)`.

    Eq. (1) of Gatys et al. 2016 has the sum; its mean does not depend on the size of pictures.
    """
    return tf.reduce_mean(tf.square(features - wanted), axis=(1, 2, 3)) / 2


def style_loss(features: list[tf.Tensor], wanted: list[tf.Tensor]) -> tf.Tensor:
    """Difference of Gram matrices, mean over the layers: eqs. (4) and (5) of Gatys et al. 2016, `(batch,)`.

    Args:
        features: Feature maps of every style layer.
        wanted: Gram matrices of the style picture, `(1, channels, channels)` each.
    """
    by_layer = [
        tf.reduce_mean(tf.square(gram_matrices(maps) - grams), axis=(1, 2)) / 4
        for maps, grams in zip(features, wanted, strict=True)
    ]
    return tf.add_n(by_layer) / len(by_layer)
