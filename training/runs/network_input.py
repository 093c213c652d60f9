"""What a run's network takes in: by modality its channels, the stored pixels, and whether sizes are free."""

import keras

import keras_medformers
from data_prep.records.schema import CT, MAMMOGRAM, PHOTOGRAPH

STORED_PIXELS = {CT: (1, "int16"), PHOTOGRAPH: (3, "uint8"), MAMMOGRAM: (1, "uint16")}
"""Channels and type of what records hold."""


def preprocessor_of(config):
    """The layer from stored pixels to the network's input; it leaves mammograms at their size."""
    return keras_medformers.preprocessor(config.model, _side(config), config.modality)


def split_preprocessor(preprocessor, normalise):
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


def input_shape_of(config):
    """`(height, width, channels)` of the network's input, of any size for mammograms."""
    side = _side(config)
    channels = keras_medformers.registry.model_entry(config.model).input_shape[2]
    return side, side, channels


def _side(config):
    return None if config.modality == MAMMOGRAM else config.input_size
