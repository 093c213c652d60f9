"""Heat maps of every class inside a graph, for the signature `explain`.

Networks with a map before their head: Grad-CAM, as `keras_medformers.explain.grad_cam` draws it. Vision
transformers, whose class token is the only thing that their head reads: attention weighted by its gradients,
as `keras_medformers.explain.class_attention` draws it.

References:
    Selvaraju et al., Grad-CAM, 2017, equations 1 and 2.
    Chefer, Gur and Wolf, Generic Attention-model Explainability, 2021, equations 5 and 6.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence

import keras
import tensorflow as tf

from keras_medformers.explain import encoders_of, has_class_attention
from keras_medformers.explain.attention_rollout import PATCHES


def make_heat_maps(model: keras.Model, feature_layer: str) -> Callable:
    """What adds heat maps to a pass through the network.

    Args:
        model: Functional model with one input.
        feature_layer: Name of the layer with the map that Grad-CAM looks at.

    Returns:
        A function of `run`, a function without arguments that runs the network in the present graph and gives
        its features and its logits, these by name. It gives both, and heat maps by name, float32
        `(batch, classes, height, width)` in [0, 1]: a value per position of the map, or per patch.

    Raises:
        ValueError: If the network has neither such a map nor a class token that attends to patches.
    """
    if has_class_attention(model):
        return _class_attention(
            encoders_of(model), model.get_layer(PATCHES).output.shape[1:3]
        )
    shape = tuple(model.get_layer(feature_layer).output.shape)
    if len(shape) != 4:
        raise ValueError(
            "Expected a layer with a map, (batch, height, width, channels), for the heat maps, or a vision "
            f"transformer with a class token. Received: feature_layer={feature_layer!r} of shape {shape}"
        )
    return _grad_cam


def _grad_cam(run: Callable) -> tuple:
    features, logits = run()
    maps = tf.cast(features, tf.float32)

    def heat(gradients: Sequence[tf.Tensor]) -> tf.Tensor:
        weights = tf.reduce_mean(
            tf.cast(gradients[0], tf.float32), axis=(1, 2), keepdims=True
        )
        return _divided_by_maximum(tf.nn.relu(tf.reduce_sum(weights * maps, axis=-1)))

    return (
        features,
        logits,
        {name: _by_class(scores, [features], heat) for name, scores in logits.items()},
    )


def _class_attention(encoders: Sequence, grid: tuple[int, int]) -> Callable:
    def heat_maps(run: Callable) -> tuple:
        with _recorded_attention(encoders) as attention:
            features, logits = run()

        def heat(gradients: Sequence[tf.Tensor]) -> tf.Tensor:
            # The class token's row of (1 + relevance of the last encoder) ... (1 + that of the first).
            tokens = grid[0] * grid[1] + 1
            row = tf.one_hot(tf.zeros(tf.shape(features)[:1], tf.int32), tokens)[
                :, tf.newaxis
            ]
            for maps, slope in zip(
                reversed(attention), reversed(gradients), strict=True
            ):
                relevance = tf.reduce_mean(
                    tf.nn.relu(tf.cast(maps * slope, tf.float32)), axis=1
                )
                row += row @ relevance
            return _divided_by_maximum(tf.reshape(row[:, 0, 1:], [-1, *grid]))

        return (
            features,
            logits,
            {
                name: _by_class(scores, attention, heat)
                for name, scores in logits.items()
            },
        )

    return heat_maps


def _by_class(
    logits: tf.Tensor, sources: Sequence[tf.Tensor], heat: Callable
) -> tf.Tensor:
    """Heat of each class, from the gradients of its logits with regard to the sources.

    A loop in the graph, so that its size and memory do not grow with the number of classes.
    """

    def of_class(index):
        scores = tf.cast(tf.gather(logits, index, axis=1), tf.float32)
        return heat(tf.gradients(scores, list(sources), unconnected_gradients="zero"))

    maps = tf.map_fn(
        of_class, tf.range(logits.shape[1]), fn_output_signature=tf.float32
    )
    return tf.transpose(maps, [1, 0, 2, 3])


def _divided_by_maximum(heat: tf.Tensor) -> tf.Tensor:
    return tf.math.divide_no_nan(heat, tf.reduce_max(heat, axis=(1, 2), keepdims=True))


@contextlib.contextmanager
def _recorded_attention(encoders: Sequence) -> Iterator[list[tf.Tensor]]:
    """Yields the list that the encoders' attention goes into as they run, in their order."""
    maps = []

    def recording(transform: Callable) -> Callable:
        def transform_attention(attention, training):
            maps.append(transform(attention, training))
            return maps[-1]

        return transform_attention

    for layer in encoders:
        layer.attn.transform_attention = recording(layer.attn.transform_attention)
    try:
        yield maps
    finally:
        for layer in encoders:
            del layer.attn.transform_attention
