"""What differs from architecture to architecture when official PyTorch weights become Keras variables."""

import dataclasses
from collections.abc import Callable, Mapping

import keras
import numpy as np

_RULES: dict[str, "Rules"] = {}


@dataclasses.dataclass(frozen=True)
class Rules:
    """How the official checkpoints of one architecture name and lay out what a Keras model holds.

    Args:
        official_name: From a Keras variable's path (`"stage_0_block_1/attn/qkv/kernel"`, without the model's
            name) to the name of the official tensor; None for a variable that no official checkpoint has.
        convert: From official name and official array to the array in Keras' layout; None for
            `to_keras_layout`, which needs no names.
        adapt: From a model and a checkpoint to the checkpoint in that model's sizes, where official weights
            depend on the input's; None for what they do not.
        unused: Regular expressions; official names that one of them matches in full are read by no forward
            pass, so a checkpoint may have them.
    """

    official_name: Callable[[str], str | None]
    convert: Callable[[str, np.ndarray], np.ndarray] | None = None
    adapt: (
        Callable[[keras.Model, Mapping[str, np.ndarray]], Mapping[str, np.ndarray]]
        | None
    ) = None
    unused: tuple[str, ...] = ()


def register_rules(architecture: str, rules: Rules) -> None:
    """Makes `rules` those of every model whose `name` is `architecture`."""
    _RULES[architecture] = rules


def rules_of(model: keras.Model) -> Rules:
    """The rules registered under the model's name.

    Raises:
        ValueError: If there are none.
    """
    if model.name not in _RULES:
        raise ValueError(
            "Expected `model` to be of an architecture whose official checkpoints can be read: "
            f"{', '.join(sorted(_RULES))}. Received: model.name={model.name!r}"
        )
    return _RULES[model.name]


def to_keras_layout(
    official_array: np.ndarray, keras_variable: keras.Variable, depthwise: bool = False
) -> np.ndarray:
    """A PyTorch tensor in the layout of the Keras variable it belongs to.

    Kernels of dense layers and convolutions, `(outputs, inputs, *window)`, become `(*window, inputs,
    outputs)`; those of depthwise convolutions, `(channels * multiplier, 1, *window)`, become `(*window,
    channels, multiplier)`. Biases, norms and tables stay as they are. The result has another shape than the
    variable if the tensor does not belong to it.

    Args:
        official_array: The tensor.
        keras_variable: The variable.
        depthwise: Whether the variable is a depthwise convolution's, which its shape does not tell.
    """
    if keras_variable.name != "kernel" or official_array.ndim < 2:
        return official_array
    window_axes = tuple(range(2, official_array.ndim))
    kernel = np.transpose(official_array, (*window_axes, 1, 0))
    if not depthwise:
        return kernel
    channels, multiplier = keras_variable.shape[-2:]
    if kernel.shape[-2:] != (1, channels * multiplier):
        return official_array
    return kernel.reshape(*kernel.shape[:-2], channels, multiplier)
