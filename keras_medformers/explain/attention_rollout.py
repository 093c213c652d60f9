"""Where a vision transformer's class token looks: attention followed through all encoders to the patches.

References:
    Abnar and Zuidema, Quantifying Attention Flow in Transformers, 2020, section 3 (rollout).
    Chefer, Gur and Wolf, Generic Attention-model Explainability for Interpreting Bi-Modal and
    Encoder-Decoder Transformers, 2021, equations 5 and 6 (relevance of one class).
"""

import contextlib

import keras
import numpy as np
from keras import ops

from keras_medformers.explain.attention_maps import attention_of
from keras_medformers.explain.gradients import gradient_of_sum
from keras_medformers.explain.layer_outputs import encoders_of, layer_outputs

PATCHES = "patch_embed"


def has_class_attention(model):
    """Whether the model is a vision transformer with a class token before the tokens of its patches."""
    layers = {layer.name: layer for layer in model.layers}
    encoders = encoders_of(model)
    if (
        PATCHES not in layers
        or not encoders
        or any(layer.attention != "mhsa" for layer in encoders)
    ):
        return False
    height, width = layers[PATCHES].output.shape[1:3]
    return all(layer.output.shape[1] == height * width + 1 for layer in encoders)


def attention_rollout(model, images, resize=True, batch_size=8):
    """How much of each patch reaches the class token, whatever the answer.

    In each encoder the mean over heads, half of it replaced by the token itself for the residual connection;
    the products over the encoders; of those the class token's row, divided by its maximum.

    Args:
        model: Functional vision transformer with a class token, such as `vit_*` and `dtvit_*`.
        images: What the model takes, already preprocessed.
        resize: Whether to bring the maps to the images' size, bilinearly; else there is a value per patch.
        batch_size: Images run at a time.

    Input shape:
        `(batch, height, width, channels)`.

    Output shape:
        `(batch, height, width)`, float32 numpy array in [0, 1].

    Raises:
        ValueError: If the model is no such transformer, or the images do not fit.
    """
    encoders, grid = _encoders_and_grid(model)
    tensors = {layer.name: layer.input for layer in encoders}
    rows = []
    for outputs in layer_outputs(model, images, tensors, batch_size):
        reached = None
        for layer in encoders:
            attention = attention_of(layer, outputs[layer.name]).mean(axis=1)
            step = 0.5 * attention + 0.5 * np.eye(attention.shape[-1], dtype="float32")
            reached = step if reached is None else step @ reached
        rows.append(reached[:, 0, 1:])
    return _as_maps(
        np.concatenate(rows), grid, np.shape(images)[1:3] if resize else None
    )


def class_attention(model, images, class_index, resize=True, batch_size=2):
    """How much each patch speaks for one class.

    In each encoder attention is weighted by the gradient of the class's logit with regard to it, negative
    products are set to 0, and the mean over heads is added to what came before; of the result the class
    token's row, divided by its maximum. A map without any positive value stays 0.

    Not for several threads at a time on one model.

    Args:
        model: As in `attention_rollout`, with one output of logits, `(batch, classes)`. Of several outputs
            pick one: `keras.Model(model.input, model.output["location"])`.
        images: As in `attention_rollout`.
        class_index: The class, one for all images or one per image.
        resize: As in `attention_rollout`.
        batch_size: Images run at a time; all encoders' attention of a batch is held at once.

    Input shape:
        `(batch, height, width, channels)`.

    Output shape:
        `(batch, height, width)`, float32 numpy array in [0, 1].

    Raises:
        ValueError: If the model is no such transformer, or the images or the class do not fit.
    """
    encoders, grid = _encoders_and_grid(model)
    if isinstance(model.output, (dict, list, tuple)) or len(model.output.shape) != 2:
        raise ValueError(
            f"Expected a model with one output of logits, (batch, classes). Received: {model.output}"
        )

    images = np.asarray(images)
    classes, indices = model.output.shape[-1], np.asarray(class_index)
    if indices.dtype.kind not in "iu" or indices.shape not in ((), (len(images),)):
        raise ValueError(
            f"Expected class_index to be an integer or {len(images)} integers, one per image. "
            f"Received: {class_index=}"
        )
    if indices.min() < 0 or indices.max() >= classes:
        raise ValueError(
            f"Expected class_index in 0...{classes - 1}. Received: {class_index=}"
        )

    indices, rows = np.broadcast_to(indices, len(images)), []
    tokens = grid[0] * grid[1] + 1
    for start in range(0, len(images), batch_size):
        batch = ops.convert_to_tensor(images[start : start + batch_size])
        wanted = ops.one_hot(
            ops.convert_to_tensor(indices[start : start + batch_size]), classes
        )
        shape = (len(encoders), len(batch), encoders[0].num_heads, tokens, tokens)
        gradient, maps = gradient_of_sum(
            _logit_of_shifts(model, encoders, batch, wanted), np.zeros(shape, "float32")
        )
        reached = np.eye(tokens, dtype="float32")[None]
        for of_encoder, slope in zip(maps, gradient, strict=True):
            relevance = np.maximum(ops.convert_to_numpy(of_encoder) * slope, 0).mean(
                axis=1
            )
            reached = reached + relevance @ reached
        rows.append(reached[:, 0, 1:])

    return _as_maps(np.concatenate(rows), grid, images.shape[1:3] if resize else None)


def _encoders_and_grid(model):
    if len(model.inputs) != 1 or not has_class_attention(model):
        raise ValueError(
            "Expected a vision transformer with softmax attention between a class token and patches, such as "
            f"dtvit_small. Received: model {model.name!r}"
        )
    return encoders_of(model), model.get_layer(PATCHES).output.shape[1:3]


def _logit_of_shifts(model, encoders, batch, wanted):
    """A function from what is added to each encoder's attention to the classes' logits; and the attention.

    Its gradient at 0 is that with regard to the attention.
    """

    def logits_and_maps(shifts):
        with _shifted_attention(encoders, shifts) as maps:
            logits = ops.cast(model(batch, training=False), "float32")
        return logits * wanted, [ops.cast(of_encoder, "float32") for of_encoder in maps]

    return logits_and_maps


@contextlib.contextmanager
def _shifted_attention(encoders, shifts):
    """Adds `shifts[i]` to the attention of encoder i; yields the list of the attention as it was."""
    maps = []

    def shifted(transform, shift):
        def transform_attention(attention, training):
            maps.append(transform(attention, training))
            return maps[-1] + ops.cast(shift, maps[-1].dtype)

        return transform_attention

    for index, layer in enumerate(encoders):
        layer.attn.transform_attention = shifted(
            layer.attn.transform_attention, shifts[index]
        )
    try:
        yield maps
    finally:
        for layer in encoders:
            del layer.attn.transform_attention


def _as_maps(rows, grid, size):
    """A value per patch to maps in [0, 1], at the images' size if one is given."""
    maps = rows.reshape(len(rows), *grid)  # (batch, patches) to (batch, height, width)
    highest = maps.max((1, 2), keepdims=True)
    maps = np.divide(maps, highest, out=np.zeros_like(maps), where=highest > 0)
    if size is None:
        return maps
    resized = keras.ops.image.resize(
        maps[..., None],
        tuple(size),
        interpolation="bilinear",
        data_format="channels_last",
    )
    return np.clip(ops.convert_to_numpy(resized)[..., 0], 0, 1)
