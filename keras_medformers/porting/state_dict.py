"""Official PyTorch weights, given as arrays by name, into the variables of a Keras model."""

import re
from collections.abc import Iterable, Mapping

import keras
import numpy as np

from keras_medformers.porting.rules import Rules, rules_of, to_keras_layout

INTEGER_BUFFERS = ("num_batches_tracked", "relative_position_index")
"""Last parts of the names of buffers that PyTorch stores and Keras has no use for."""

HEAD_KERNEL = "head/kernel"
"""Path of the classifier's kernel, the last of whose axes counts the classes."""

SHOWN_NAMES = 25
"""So many names of a kind are in an error; of more, the number."""


def load_state_dict(
    model: keras.Model, state_dict: Mapping[str, np.ndarray]
) -> list[str]:
    """Sets every weight of `model`, moving statistics too, from the tensors of an official checkpoint.

    Nothing is set unless everything fits. Variables that are no weights (seeds, metrics) are left alone, and
    so are weights that no official checkpoint has, such as decoders put on an official encoder.

    Args:
        model: Model whose `name` is that of an architecture with rules.
        state_dict: From official names to arrays in PyTorch's layout, as `read_checkpoint` gives it. Integer
            buffers, and tensors that the rules list as unused, may be there or not.

    Returns:
        The names in `state_dict` that were not needed, sorted.

    Raises:
        ValueError: If there are no rules for the model, or if names are missing, unexpected, of the wrong
            shape or hold values that are no finite numbers; each is listed.
    """
    rules = rules_of(model)
    weights = {_path(model, weight): weight for weight in model.weights}
    if rules.adapt:
        state_dict = rules.adapt(model, state_dict)
    names = {path: rules.official_name(path) for path in weights}
    sources = {path: name for path, name in names.items() if name is not None}
    depthwise = _depthwise_kernels(model)
    left_over = set(state_dict) - set(sources.values())
    unused = sorted(name for name in left_over if _is_unused(name, rules))

    values, misshapen, not_finite = {}, [], []
    for path, name in sources.items():
        if name not in state_dict:
            continue
        array, problem = _numbers(state_dict[name])
        if problem:
            not_finite.append(f"{name} ({problem})")
            continue
        value = _converted(rules, name, array, weights[path], path in depthwise)
        if value is None or value.shape != tuple(weights[path].shape):
            misshapen.append(
                f"{name} of shape {array.shape} for {path} of shape {tuple(weights[path].shape)}"
            )
        values[path] = value

    problems = [
        _listed(
            "missing", (name for name in sources.values() if name not in state_dict)
        ),
        _listed("unexpected", left_over - set(unused)),
        _listed("of the wrong shape", misshapen),
        _listed("no finite numbers", not_finite),
    ]
    if any(problems):
        raise ValueError(
            f"Expected `state_dict` to hold the official weights of this {model.name} "
            f"({len(sources)} tensors). Received {len(state_dict)} tensors;"
            f"{''.join(problems)}{_advice(model, sources, state_dict)}"
        )
    for path, value in values.items():
        weights[path].assign(value)
    return unused


def classes_of(model: keras.Model, state_dict: Mapping[str, np.ndarray]) -> int | None:
    """The number of classes that the checkpoint's classifier has; None if either side has no classifier."""
    rules = rules_of(model)
    if HEAD_KERNEL not in {_path(model, weight) for weight in model.weights}:
        return None
    name = rules.official_name(HEAD_KERNEL)
    return int(np.shape(state_dict[name])[0]) if np.ndim(state_dict.get(name)) else None


def _path(model: keras.Model, weight: keras.Variable) -> str:
    return weight.path.removeprefix(f"{model.name}/")


def _depthwise_kernels(model: keras.Model) -> set[str]:
    kinds = keras.layers.DepthwiseConv1D, keras.layers.DepthwiseConv2D
    layers = (
        model._flatten_layers()
    )  # those inside other layers, too, which `model.layers` has not
    return {_path(model, layer.kernel) for layer in layers if isinstance(layer, kinds)}


def _is_unused(name: str, rules: Rules) -> bool:
    return name.rpartition(".")[2] in INTEGER_BUFFERS or any(
        re.fullmatch(pattern, name) for pattern in rules.unused
    )


def _numbers(value) -> tuple[np.ndarray, str]:
    """The value as an array, and what is wrong with it if something is."""
    try:
        array = np.asarray(value)
        finite = bool(np.isfinite(array).all())
    except (TypeError, ValueError, RuntimeError) as error:
        return np.zeros(0), f"not an array of numbers: {error}"
    return (
        array,
        "" if finite else f"{np.count_nonzero(~np.isfinite(array))} NaN or infinite",
    )


def _converted(
    rules: Rules, name: str, array: np.ndarray, weight: keras.Variable, depthwise: bool
) -> np.ndarray | None:
    """The array in Keras' layout; None if its shape admits no conversion."""
    if rules.convert is None:
        return to_keras_layout(array, weight, depthwise)
    try:
        return rules.convert(name, array)
    except (ValueError, IndexError):
        return None


def _listed(kind: str, names: Iterable[str]) -> str:
    names = sorted(names)
    if not names:
        return ""
    more = f", and {len(names) - SHOWN_NAMES} more" if len(names) > SHOWN_NAMES else ""
    return f"\n{len(names)} {kind}: {', '.join(names[:SHOWN_NAMES])}{more}."


def _advice(
    model: keras.Model, sources: Mapping[str, str], state_dict: Mapping[str, np.ndarray]
) -> str:
    if not set(state_dict) & set(sources.values()):
        return "\nNo name is one of the architecture's: is it a checkpoint of another network?"
    classes = classes_of(model, state_dict)
    if classes is not None and classes != model.output_shape[-1]:
        return f"\nThe checkpoint's head has {classes} classes: build the model with num_classes={classes}."
    return ""
