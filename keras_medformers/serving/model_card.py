"""The card that goes with an exported model: what it is, for programs and for people."""

import datetime
import json
from collections.abc import Mapping, Sequence
from typing import Any

from keras_medformers.serving.pixels import Pixels
from keras_medformers.serving.signatures import PROBABILITIES
from keras_medformers.version import __version__

FILE = "model_card.json"


def model_card_text(
    given: Mapping[str, Any] | None,
    name: str,
    kind: Pixels,
    label_names: Mapping[str, Sequence[str]],
    input_shape: Sequence[int | None],
) -> str:
    """The content of `model_card.json`.

    Args:
        given: What is known about the model's training and use; the export's own facts go over it.
        name: Name of the export.
        kind: What stands in the raw pixels.
        label_names: Names of the labels by output.
        input_shape: `(height, width, channels)` of the network's input; None where any size goes.
    """
    only_one = label_names.keys() == {PROBABILITIES}
    card = {
        **(given or {}),
        "name": name,
        "version_of_package": __version__,
        "created": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "not_a_medical_device": True,
        "modality": kind.modality.name,
        "pixel_dtype": kind.dtype,
        "channels": kind.channels,
        "label_names": list(label_names[PROBABILITIES])
        if only_one
        else dict(label_names),
        "input_size": list(input_shape[:2]),
    }
    return json.dumps(card, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
