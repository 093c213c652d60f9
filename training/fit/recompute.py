"""A functional model run block by block, whose activations inside blocks are computed again for gradients.

Only the maps between blocks stay in memory. `keras.RematScope` does not serve here: it repeats
single layers, whose inputs stay, and a repeated layer would count its batch twice in the running statistics
and drop other units than it did at first. Here a block is a function without side effects.
"""

import fnmatch
from collections.abc import Mapping, Sequence

import keras
import tensorflow as tf


def split_into_blocks(
    model: keras.Model, block_ends: Sequence[str] = ()
) -> list[keras.Model]:
    """The model as a chain of models that share its layers.

    A block ends where branches meet, or after a layer that `block_ends` names, and nothing else is still
    needed.

    Args:
        model: A functional model of one input and one output.
        block_ends: Shell-style patterns of layers' names, as models are registered with them
            (`ModelLayers.blocks`).

    Returns:
        A list of functional models, each to be fed with the output of the one before.
    """
    ends = _narrow_points(model, block_ends)
    starts = [model.input, *ends]
    return [
        keras.Model(start, end)
        for start, end in zip(starts, [*ends, model.output], strict=True)
    ]


def _narrow_points(model, block_ends):
    """Outputs of such layers that all that follows depends on, and on nothing else."""
    layers = [
        layer
        for layer in model.layers
        if not isinstance(layer, keras.layers.InputLayer)
    ]
    last_use = {
        id(tensor): index
        for index, layer in enumerate(layers)
        for tensor in _inputs(layer)
    }
    last_use[id(model.output)] = len(layers)
    points, needed_until = [], 0
    for index, layer in enumerate(layers[:-1]):
        ends_block = len(_inputs(layer)) > 1 or any(
            fnmatch.fnmatchcase(layer.name, pattern) for pattern in block_ends
        )
        if ends_block and needed_until <= index:
            points.append(layer.output)
        needed_until = max(needed_until, last_use[id(layer.output)])

    return points


def _inputs(layer):
    return layer.input if isinstance(layer.input, list) else [layer.input]


def run_blocks(
    blocks: Sequence[keras.Model], values: Mapping[int, tf.Tensor], x: tf.Tensor
) -> tuple[tf.Tensor, dict[int, tf.Tensor]]:
    """Runs the blocks in training mode, with given values in place of their variables' own.

    Args:
        blocks: What `split_into_blocks` gave.
        values: Tensors by `id` of the variable, of all variables of the blocks.
        x: The first block's input.

    Returns:
        The last block's output; and `values` after the run, in which those of running statistics and
        random states have moved on.
    """
    after = dict(values)
    for block in blocks:
        x, moved = _run_block(block, values, x)
        after |= moved
    return x, after


def _run_block(block, values, x):
    trained = block.trainable_variables
    kept = [
        (variable, values[id(variable)]) for variable in block.non_trainable_variables
    ]
    moved = {}

    def forward(x, *weights):
        with keras.StatelessScope(
            [*zip(trained, weights, strict=True), *kept]
        ) as scope:
            y = block(x, training=True)
        if not moved:  # the first time, not when gradients are taken
            moved.update(
                (id(variable), scope.get_current_value(variable))
                for variable, _ in kept
            )
        return y

    y = tf.recompute_grad(forward)(x, *(values[id(variable)] for variable in trained))
    return y, moved
