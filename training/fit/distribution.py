"""Which devices a run uses."""

from collections.abc import Sequence

import tensorflow as tf


def make_strategy(devices: Sequence[str] | None = None) -> tf.distribute.Strategy:
    """Mirrors the model over `devices`, by default over all GPUs there are.

    Args:
        devices: Names such as `["CPU:0", "CPU:1"]`; None takes every GPU, or the CPU.

    Returns:
        A `MirroredStrategy` for two devices or more, else the default strategy.
    """
    if devices is None:
        devices = [
            f"GPU:{index}"
            for index in range(len(tf.config.list_logical_devices("GPU")))
        ]
    if len(devices) < 2:
        return tf.distribute.get_strategy()
    return tf.distribute.MirroredStrategy(devices)
