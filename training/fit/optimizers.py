"""Optimizer and learning-rate schedule of a run."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

OPTIMIZERS = {
    "adam": keras.optimizers.Adam,
    "adamw": keras.optimizers.AdamW,
    "sgd": keras.optimizers.SGD,
}


def make_optimizer(config: Any, steps_per_epoch: int) -> keras.optimizers.Optimizer:
    """The run's optimizer with a linear warm-up and a cosine; with loss scaling where float16 needs it.

    Args:
        config: The run's `Config`.
        steps_per_epoch: Optimizer steps in an epoch.

    Returns:
        A `keras.optimizers.Optimizer`; call `exclude_vectors_from_decay` before it is built.
    """
    total_steps = config.epochs * steps_per_epoch
    warmup_steps = min(round(config.warmup_epochs * steps_per_epoch), total_steps - 1)
    schedule = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0 if warmup_steps else config.learning_rate,
        decay_steps=total_steps - warmup_steps,
        alpha=config.final_learning_rate / config.learning_rate,
        warmup_target=config.learning_rate if warmup_steps else None,
        warmup_steps=warmup_steps,
    )
    # Each device clips its share of the gradient before they are added up.
    devices = tf.distribute.get_strategy().num_replicas_in_sync
    clip_norm = config.clip_norm / devices or None
    optimizer = OPTIMIZERS[config.optimizer](
        schedule, weight_decay=config.weight_decay, global_clipnorm=clip_norm
    )
    if config.precision == "mixed_float16":
        return keras.optimizers.LossScaleOptimizer(optimizer)

    return optimizer


def exclude_vectors_from_decay(
    optimizer: keras.optimizers.Optimizer, variables: Sequence[keras.Variable]
) -> None:
    """Takes biases, norms' scales and shifts and other vectors out of the weight decay."""
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    optimizer.exclude_from_weight_decay(
        var_list=[variable for variable in variables if len(variable.shape) < 2]
    )
