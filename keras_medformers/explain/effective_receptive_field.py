"""Effective receptive field: which pixels of an image move the centre of a network's last map."""

import dataclasses

import keras
import numpy as np
from keras import ops

from keras_medformers.explain.gradients import gradient_of_sum

LUO_SHARE = 1 - 0.9545
"""Share of the greatest value above which Luo et al. count a pixel in."""


@dataclasses.dataclass(frozen=True)
class ReceptiveField:
    """A mean over images.

    Attributes:
        map: Float64 `(height, width)`, not negative, in units of the map's value per unit of the input.
        images: How many images the mean is over.
    """

    map: np.ndarray
    images: int

    @property
    def by_row(self):
        """Sum of each row of the map, `(height,)`: how it spreads from top to bottom."""
        return self.map.sum(axis=1)

    @property
    def by_column(self):
        """Sum of each column of the map, `(width,)`: how it spreads from left to right."""
        return self.map.sum(axis=0)

    @property
    def side_px(self):
        """Side of a square with as many pixels as have at least 4.55% of the greatest value.

        Reference:
            Luo et al., 2016, section 4: "the square root of the number of pixels within the ERF".
        """
        greatest = self.map.max()
        return (
            float(np.sqrt((self.map >= LUO_SHARE * greatest).sum()))
            if greatest > 0
            else 0.0
        )

    def __add__(self, other):
        """The mean over the images of both."""
        images = self.images + other.images
        return ReceptiveField(
            (self.images * self.map + other.images * other.map) / images, images
        )

    def square_root(self):
        """The same of the square roots of the map, in which what is faint shows."""
        return dataclasses.replace(self, map=np.sqrt(self.map))


def effective_receptive_field(model, images, layer_name="feature_map", signed=False):
    """Mean over images of the gradient of the centre of a layer's map with regard to the input.

    The gradient signal is 1 in every channel at the centre and 0 elsewhere. Of each image the gradient's
    size is taken, summed over the input's channels. Images go through the network one at a time, in inference
    mode; they may be more than memory holds.

    Args:
        model: Functional model with one input.
        images: Iterable of what the model takes, already preprocessed, all of one size.
        layer_name: Name of a layer of `model` that gives a map.
        signed: Whether gradients are averaged with their signs and the size of the mean is taken, to which
            many images give less and less where signs differ.

    Input shape:
        Each image `(height, width, channels)`.

    Returns:
        A `ReceptiveField`, `(height, width)`.

    Raises:
        ValueError: If there are no images, they differ in size, or the layer gives no map.

    Reference:
        Luo et al., Understanding the Effective Receptive Field in Deep Convolutional Neural Networks, 2016,
        section 3; Taha et al., HCT, section 4 and Table 1, whose mean over 100 images leaves signs open.
    """
    to_map = keras.Model(model.inputs, _map_of(model, layer_name))
    total, count = None, 0
    for image in images:
        image = np.asarray(image)
        if image.ndim != 3 or total is not None and image.shape[:2] != total.shape:
            size = "" if total is None else f" of {total.shape} like the first"
            raise ValueError(
                f"Expected images of shape (height, width, channels){size}. Received: {image.shape}"
            )
        gradient, _ = gradient_of_sum(
            lambda x: (_centre(to_map(x, training=False)), ()), image[None]
        )
        gradient = gradient[0].astype("float64")
        gradient = gradient.sum(axis=-1) if signed else np.abs(gradient).sum(axis=-1)
        total, count = gradient if total is None else total + gradient, count + 1

    if total is None:
        raise ValueError("Expected at least one image. Received: none")

    return ReceptiveField(np.abs(total) / count, count)


def _centre(maps):
    height, width = ops.shape(maps)[1:3]
    return ops.cast(maps[:, height // 2, width // 2], "float32")


def _map_of(model, layer_name):
    layers = {layer.name: layer for layer in model.layers}
    fitting = [
        name
        for name, layer in layers.items()
        if len(getattr(layer.output, "shape", ())) == 4
    ]
    if layer_name not in fitting or len(model.inputs) != 1:
        raise ValueError(
            "Expected layer_name to be a layer with an output of shape (batch, height, width, channels) of a "
            f"model with one input. Received: layer_name={layer_name!r} of model {model.name!r} with "
            f"{len(model.inputs)} inputs. The last that fit: {', '.join(fitting[-8:]) or 'none'}"
        )
    return layers[layer_name].output
