"""Grad-CAM: where in an image a classifier finds a class."""

import contextlib

import keras
import numpy as np
from keras import ops

from keras_medformers.explain.gradients import gradient_of_sum

LAYERS_NAMED = 8


def grad_cam(
    model,
    images,
    layer_name="feature_map",
    class_index=None,
    resize=True,
    *,
    grid=None,
    batch_size=8,
    return_logits=False,
):
    """Heat maps of one class in each image.

    The channels of the layer's output are weighted by the mean over positions of the gradient of the class's
    logit, summed, and negative sums set to 0. Each map is divided by its maximum; a map without any positive
    value stays 0. The network runs once per image, and only what comes after the layer is differentiated.

    Not for several threads at a time on one model.

    Args:
        model: Functional model with one input and one output of logits, `(batch, classes)`, of independent
            labels or of exclusive classes. Gradients through a softmax or sigmoid vanish where the model is
            sure, so build it without `classifier_activation`. Of several outputs pick one:
            `keras.Model(model.inputs, model.output["name"])`.
        images: What the model takes, already preprocessed.
        layer_name: Name of a layer of `model` that gives a feature map.
        class_index: The class, one for all images or one per image; None takes the class with the highest
            logit of each image.
        resize: Whether to bring the maps to the images' size, bilinearly; else they keep the layer's.
        grid: `(height, width)` of the tokens of a layer that gives `(batch, height * width, channels)`. A
            class token before them is left out; in the last encoder, where the classifier reads nothing
            else, the others have no gradient, so name an earlier one.
        batch_size: Images run at a time.
        return_logits: Whether to give `(maps, logits)`, with the float32 logits of the same pass.

    Input shape:
        `(batch, height, width, channels)`.

    Output shape:
        `(batch, height, width)`, float32 numpy array in [0, 1].

    Raises:
        ValueError: If the model, the layer, the class or the grid does not fit; the message says what would.

    Reference:
        Selvaraju et al., Grad-CAM, 2017, equations 1 and 2; shown in HiFuse's Fig. 4.
    """
    images = np.asarray(images)
    if images.ndim != 4 or not len(images):
        raise ValueError(
            f"Expected images of shape (batch, height, width, channels). Received: {images.shape}"
        )
    if not isinstance(batch_size, int) or batch_size < 1:
        raise ValueError(f"Expected batch_size of at least 1. Received: {batch_size=}")
    layer = _checked_layer(model, layer_name, grid)
    class_index = _checked_classes(class_index, len(images), model.output_shape[-1])
    to_maps = keras.Model(model.inputs, layer.output)

    heat, logits = [], []
    for start in range(0, len(images), batch_size):
        part = slice(start, start + batch_size)
        batch = ops.convert_to_tensor(images[part])
        classes = None if class_index is None else class_index[part]
        shift = np.zeros(to_maps.compute_output_shape(batch.shape), "float32")
        gradient, further = gradient_of_sum(
            _score_of_shift(model, layer, batch, classes), shift
        )
        maps, of_batch = map(ops.convert_to_numpy, further)
        logits.append(of_batch)
        if grid is not None:
            maps, gradient = (_on_grid(x, *grid) for x in (maps, gradient))
        heat.append(_heat(maps, gradient))
    heat = np.concatenate(heat)
    if resize:
        heat = _resized(heat, images.shape[1:3])
    return (heat, np.concatenate(logits)) if return_logits else heat


def _score_of_shift(model, layer, batch, classes):
    """A function from what is added to the layer's output to the classes' logits.

    The second value that it returns is the layer's output and all logits. Its gradient at 0 is that
    with regard to the layer's output; nothing below the layer depends on it.
    """

    def score(shift):
        with _shifted_output(layer, shift) as outputs:
            logits = ops.cast(model(batch, training=False), "float32")
        if len(outputs) != 1:
            raise ValueError(
                f"Expected a layer that the model calls once. Received: layer_name={layer.name!r}, "
                f"called {len(outputs)} times"
            )

        chosen = (
            ops.argmax(logits, -1)
            if classes is None
            else ops.convert_to_tensor(classes)
        )
        wanted = logits * ops.one_hot(chosen, logits.shape[-1])
        return wanted, (ops.cast(outputs[0], "float32"), logits)

    return score


@contextlib.contextmanager
def _shifted_output(layer, shift):
    """Adds `shift` to what the layer gives; yields the list of what it gave.

    A second model cut at the layer would do without touching the layer, but Keras enters the cut into the
    layers' own records, and the first model can no longer be saved.
    """
    call, outputs = layer.call, []

    def shifted(*args, **kwargs):
        outputs.append(call(*args, **kwargs))
        return outputs[-1] + ops.cast(shift, outputs[-1].dtype)

    layer.call = shifted
    try:
        yield outputs
    finally:
        del layer.call


def _on_grid(tokens, height, width):
    # (batch, tokens, channels), the class token first, to (batch, height, width, channels).
    return tokens[:, -height * width :].reshape(len(tokens), height, width, -1)


def _heat(maps, gradient):
    """Maps and gradients of shape `(batch, height, width, channels)` to heat, equations 1 and 2."""
    weights = gradient.mean((1, 2), keepdims=True)
    heat = np.maximum((weights * maps).sum(-1), 0)
    highest = heat.max((1, 2), keepdims=True)
    return np.divide(heat, highest, out=np.zeros_like(heat), where=highest > 0)


def _resized(heat, size):
    resized = ops.image.resize(
        heat[..., None], size, interpolation="bilinear", data_format="channels_last"
    )
    return np.clip(ops.convert_to_numpy(resized)[..., 0], 0, 1)


def _checked_layer(model, layer_name, grid):
    if (
        len(model.inputs) != 1
        or len(model.outputs) != 1
        or len(model.outputs[0].shape) != 2
    ):
        raise ValueError(
            "Expected a model with one input and one output of shape (batch, classes). Received: outputs "
            f"{[tuple(x.shape) for x in model.outputs]} of {len(model.inputs)} inputs"
        )

    rank, wanted = 4, "(batch, height, width, channels)"
    if grid is not None:
        rank, wanted = 3, "(batch, tokens, channels)"
    layers = {
        layer.name: layer
        for layer in model.layers
        if not isinstance(layer, keras.layers.InputLayer)
    }
    fitting = [name for name, layer in layers.items() if len(_shape(layer)) == rank]
    if layer_name not in fitting:
        raise ValueError(
            f"Expected layer_name to be a layer of model {model.name!r} with an output of shape {wanted}. "
            f"Received: layer_name={layer_name!r}"
            + (
                f" with shape {_shape(layers[layer_name])}"
                if layer_name in layers
                else ""
            )
            + f". The last that fit: {', '.join(fitting[-LAYERS_NAMED:]) or 'none'}"
        )

    layer = layers[layer_name]
    if grid is not None and _shape(layer)[1] not in (
        None,
        grid[0] * grid[1],
        grid[0] * grid[1] + 1,
    ):
        raise ValueError(
            f"Expected grid=(height, width) with height * width = {_shape(layer)[1]}, the number of tokens "
            f"of layer {layer_name!r}, or one less, without a class token. Received: {grid=}"
        )

    return layer


def _shape(layer):
    """The output's shape; empty where the layer does not give one tensor."""
    return tuple(getattr(layer.output, "shape", ()))


def _checked_classes(class_index, count, num_classes):
    if class_index is None:
        return None
    indices = np.asarray(class_index)
    if indices.dtype.kind not in "iu" or indices.shape not in ((), (count,)):
        raise ValueError(
            f"Expected class_index to be None, an integer or {count} integers, one per image. "
            f"Received: {class_index=}"
        )
    if indices.min() < 0 or indices.max() >= num_classes:
        raise ValueError(
            f"Expected class_index in 0...{num_classes - 1}. Received: {class_index=}"
        )
    return np.broadcast_to(indices, count)
