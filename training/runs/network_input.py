"""What a run's network takes in: by modality its channels, the stored pixels, and whether sizes are free."""

import keras_medformers
from data_prep.records.schema import CT, MAMMOGRAM, PHOTOGRAPH

STORED_PIXELS = {CT: (1, "int16"), PHOTOGRAPH: (3, "uint8"), MAMMOGRAM: (1, "uint16")}
"""Channels and type of what records hold."""

CHANNELS = {CT: 3, PHOTOGRAPH: 3, MAMMOGRAM: 1}
"""Channels of what the preprocessor makes of it."""


def preprocessor_of(config):
    """The layer from stored pixels to the network's input; it leaves mammograms at their size."""
    return keras_medformers.preprocessor(config.model, _side(config))


def takes_stored_pixels(preprocessor, modality):
    """Whether a preprocessor is for images of a modality."""
    (pixels,) = preprocessor.inputs
    return (pixels.shape[-1], pixels.dtype) == STORED_PIXELS[modality]


def input_shape_of(config):
    """`(height, width, channels)` of the network's input, of any size for mammograms."""
    side = _side(config)
    return side, side, CHANNELS[config.modality]


def _side(config):
    return None if config.modality == MAMMOGRAM else config.input_size
