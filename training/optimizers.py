"""Optimizer and learning-rate schedule of a run."""

import keras

OPTIMIZERS = {"adamw": keras.optimizers.AdamW, "sgd": keras.optimizers.SGD}


def make_optimizer(config, steps_per_epoch):
    """AdamW or SGD with a linear warm-up and a cosine.

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
    return OPTIMIZERS[config.optimizer](schedule, weight_decay=config.weight_decay)


def exclude_vectors_from_decay(optimizer, variables):
    """Takes biases, norms' scales and shifts and other vectors out of the weight decay."""
    optimizer.exclude_from_weight_decay(
        var_list=[variable for variable in variables if len(variable.shape) < 2]
    )
