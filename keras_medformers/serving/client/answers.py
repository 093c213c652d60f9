"""An image's outputs, read by the names that this package's exports give them."""

from collections.abc import Mapping

import numpy as np

from keras_medformers.serving.client.errors import INTERNAL, ServerError

PROBABILITIES = "probabilities"
LABELS = "labels"
HEAT_MAPS = "heat_maps"


def probabilities_by_label(
    outputs: Mapping[str, np.ndarray],
) -> dict[str, dict[str, float]]:
    """The probabilities of one image.

    Args:
        outputs: One of the dicts that `ServingClient.predict` gives.

    Returns:
        By output (`"probabilities"`, or the tasks of a model of several), the probability of each label.

    Raises:
        ServerError: If the outputs name no labels, or do not fit them.
    """
    found = {}
    for labels_name in sorted(
        name for name in outputs if name == LABELS or name.endswith(f"_{LABELS}")
    ):
        name = _belonging_to(labels_name, PROBABILITIES)
        labels, values = outputs[labels_name], outputs.get(name)
        if (
            values is None
            or np.shape(values) != np.shape(labels)
            or np.ndim(values) != 1
        ):
            raise ServerError(
                f"expected an output {name!r} with a value for each of {labels_name!r}. Received: "
                f"{'none' if values is None else np.shape(values)} for {np.shape(labels)}",
                INTERNAL,
            )
        found[name] = {
            str(label): float(value)
            for label, value in zip(labels, values, strict=True)
        }

    if not found:
        raise ServerError(
            f"the model gives no labels: its outputs are {', '.join(sorted(outputs))}; serve a model "
            "that `make export` wrote",
            INTERNAL,
        )

    return found


def heat_maps(outputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray] | None:
    """The heat maps of one image that was asked of the signature `explain`.

    Returns:
        By output as in `probabilities_by_label`, float32 `(labels, map_height, map_width)`; None if there
        are none.
    """
    names = (
        name for name in outputs if name == HEAT_MAPS or name.endswith(f"_{HEAT_MAPS}")
    )
    return {
        _belonging_to(name, PROBABILITIES, HEAT_MAPS): outputs[name]
        for name in sorted(names)
    } or None


def _belonging_to(name: str, otherwise: str, suffix: str = LABELS) -> str:
    """The output to which `TASK_labels` belongs, and `labels` alone to `otherwise`."""
    return otherwise if name == suffix else name.removesuffix(f"_{suffix}")
