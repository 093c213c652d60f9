"""The backbones' feature maps, and how much of them is said twice."""

import numpy as np

from keras_medformers.explain.layer_outputs import layer_outputs
from keras_medformers.models.backbones import backbone_instances

MAP, PROJECTION = "_map", "_projection"
ROUNDING = 1e-6


def backbone_maps(model, inputs, projected=False, batch_size=8):
    """The feature maps that each CNN backbone gives for images.

    Args:
        model: A model on backbones, such as a Scopeformer, with one input.
        inputs: What the model takes, already preprocessed, `(images, height, width, channels)`.
        projected: Whether to give each backbone's share of the global feature map, after the trained 1 x 1
            convolution; else its own last map.
        batch_size: Images run at a time.

    Returns:
        Dict by backbone, in the model's order, of float32 numpy arrays
        `(images, map height, map width, maps)`.

    Raises:
        ValueError: If the model has no backbones, or no projections where they are asked for.

    Reference:
        Barhoumi et al., Efficient Scopeformer, Figs. 6 to 8.
    """
    tensors = map_tensors(model, projected)
    batches = list(layer_outputs(model, inputs, tensors, batch_size))
    return {
        name: np.concatenate([batch[name] for batch in batches]) for name in tensors
    }


def map_tensors(model, projected=False):
    """The symbolic tensors of `backbone_maps`, by backbone.

    Raises:
        ValueError: As `backbone_maps`.
    """
    names = backbone_instances(model)
    if not names:
        raise ValueError(
            f"Expected a model on CNN backbones. Received: model {model.name!r} without any"
        )
    suffix = PROJECTION if projected else MAP
    layers = {layer.name: layer for layer in model.layers}
    if any(name + suffix not in layers for name in names):
        raise ValueError(
            f"Expected a model that projects its backbones' maps. Received: projected={projected} for model "
            f"{model.name!r}, which joins them as they come"
        )
    return {name: layers[name + suffix].output for name in names}


def has_projections(model):
    """Whether the model projects its backbones' maps before it joins them."""
    projections = {f"{name}{PROJECTION}" for name in backbone_instances(model)}
    return any(layer.name in projections for layer in model.layers)


def map_redundancy(maps):
    """Mean absolute correlation between feature maps, within each backbone and between each two.

    The correlation of two maps is Pearson's over all positions of all images. A map is not compared with
    itself, and one that is the same everywhere is left out. Unrelated maps do not come to 0 but, by chance,
    to about 0.8 / sqrt(number of positions).

    Args:
        maps: By backbone, arrays `(images, height, width, maps)` of the same images and size.

    Returns:
        float64 array `(backbones, backbones)`, symmetric, in the order of `maps`; on the diagonal within a
        backbone. NaN where fewer than two maps vary.

    Raises:
        ValueError: If there are fewer than two backbones, or the arrays' shapes do not fit.

    Reference:
        Barhoumi et al., Efficient Scopeformer, section IV.E.1: DenseNet201's maps, the most redundant ones,
        were left out.
    """
    shapes = {name: np.shape(array) for name, array in maps.items()}
    if len(shapes) < 2:
        raise ValueError(
            f"Expected maps of at least two CNN backbones, to compare them. Received: maps of "
            f"{', '.join(shapes) or 'none'}"
        )

    sizes = {shape[:3] for shape in shapes.values()}
    if len(sizes) > 1 or any(len(shape) != 4 for shape in shapes.values()):
        raise ValueError(
            "Expected maps of shape (images, height, width, maps), of the same images and size. "
            f"Received: maps of shapes {shapes}"
        )

    unit = [_unit_columns(array) for array in maps.values()]
    redundancy = np.full((len(unit), len(unit)), np.nan)
    for row, first in enumerate(unit):
        for column, second in enumerate(unit[: row + 1]):
            correlations = np.abs(first.T @ second)
            pairs = correlations.size
            total = correlations.sum(dtype="float64")
            if row == column:  # without each map's correlation with itself, 1
                pairs -= len(correlations)
                total -= np.trace(correlations, dtype="float64")
            if pairs:
                redundancy[row, column] = redundancy[column, row] = total / pairs

    return redundancy


def _unit_columns(array):
    """Maps as columns of mean 0 and length 1; those that vary no more than by rounding are left out."""
    columns = np.asarray(array, "float64").reshape(-1, np.shape(array)[-1])
    centred = columns - columns.mean(0)
    lengths = np.linalg.norm(centred, axis=0)
    varied = lengths > ROUNDING * np.linalg.norm(columns, axis=0)
    return (centred[:, varied] / lengths[varied]).astype("float32")
