"""What a run's network takes in: its preprocessor, its size, and how much of an image it sees."""

from collections.abc import Callable

import keras

import keras_medformers
from keras_medformers.layers import ResizeAndCrop
from keras_medformers.modalities import get_modality
from keras_medformers.support.errors import UserError
from training.runs.config import Config


def preprocessor_of(config: Config) -> keras.Model:
    """The layer from stored pixels to the network's input.

    Raises:
        UserError: If the model's registration does not hold what it says.
    """
    try:
        return keras_medformers.preprocessor(
            config.model, input_side(config), config.modality
        )
    except ValueError as error:
        raise UserError(str(error)) from error


def split_preprocessor(
    preprocessor: keras.Model, normalise: str | None
) -> tuple[Callable, Callable]:
    """A preprocessor in two: to pictures, values in [0, 255], and from these to the network's input.

    Args:
        preprocessor: A functional or sequential model.
        normalise: Name of its layer at which the second part starts; None where the network reads
            pictures.

    Returns:
        Two functions of a batch of images.
    """
    if normalise is None:
        return preprocessor, lambda pictures: pictures
    layer = preprocessor.get_layer(normalise)
    (last,) = preprocessor.outputs
    return (
        keras.Model(preprocessor.inputs[0], layer.input, name="to_picture"),
        keras.Model(layer.input, last, name="finish"),
    )


def input_shape_of(config: Config) -> tuple[int | None, int | None, int]:
    """`(height, width, channels)` of the network's input; None where any size goes."""
    side = input_side(config)
    channels = keras_medformers.registry.model_entry(config.model).input_shape[2]
    return side, side, channels


def input_side(config: Config) -> int | None:
    """Side of the network's input in pixels; None where images keep their size."""
    keeps_size = get_modality(config.modality).keeps_size
    return None if keeps_size else config.input_size


def crop_fraction(preprocessor: keras.Model) -> float | None:
    """Side of the centre crop that the network sees, as a share of the shorter side.

    Returns:
        The share; None if the network sees all of an image.
    """
    layers = {layer.name: layer for layer in preprocessor.layers}
    if "crop" in layers:
        return layers["crop"].height / layers["resize"].height
    crops = [layer for layer in layers.values() if isinstance(layer, ResizeAndCrop)]
    return crops[0].crop_to / crops[0].resize_to if crops else None
