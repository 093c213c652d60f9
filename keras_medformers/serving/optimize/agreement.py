"""Whether two SavedModels answer alike."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from keras_medformers.modalities import (
    Modality,
    get_modality,
    modality_of_old_export,
)
from keras_medformers.serving import model_card
from keras_medformers.serving.comparison import signature_requests

INSIDE = ("features", "heat_maps")
"""Ends of the names of outputs that are no probabilities."""

Answers = list[dict[tuple[str, str], np.ndarray]]
"""Arrays by signature and output, for each batch."""


def modality_of(version: Path) -> Modality:
    """What a SavedModel takes, by its model card.

    Raises:
        ValueError: If its card names no modality that is known.
    """
    card = version / "assets" / model_card.FILE
    said = json.loads(card.read_text(encoding="utf-8")) if card.is_file() else {}
    if "modality" in said:
        return get_modality(said["modality"])

    _, inputs = (
        tf.saved_model.load(str(version))
        .signatures["serving_default"]
        .structured_input_signature
    )
    pixels = inputs["pixels"]
    found = modality_of_old_export(pixels.dtype.name, pixels.shape[-1])
    if found is None:
        raise ValueError(
            "Expected an export whose model card names a modality, or `samples` to compare "
            f"on. Received: {version}"
        )

    return found


def answers(version: Path, batches: Sequence[np.ndarray]) -> Answers:
    """What every signature of a SavedModel gives for each batch of raw pixels."""
    model = tf.saved_model.load(str(version))
    given = []
    for batch in batches:
        of_batch = {}
        for signature, request in signature_requests(
            batch, "encoded" in model.signatures
        ).items():
            if signature in model.signatures:
                outputs = model.signatures[signature](**request)
                of_batch |= {
                    (signature, name): x.numpy() for name, x in outputs.items()
                }
        given.append(of_batch)

    return given


def check_agreement(
    variant: str,
    expected: Answers,
    received: Answers,
    tolerance: float,
    tolerance_inside: float,
) -> None:
    """Raises `RuntimeError` if the answers of a variant are not those expected.

    Args:
        variant: Its name, for the error.
        expected: Answers of the plain export.
        received: Answers of the variant.
        tolerance: Largest absolute difference of probabilities.
        tolerance_inside: Largest difference of heat maps, and of features in relation to the largest.
    """
    for of_plain, of_variant in zip(expected, received, strict=True):
        if of_plain.keys() != of_variant.keys():
            raise RuntimeError(
                f"The variant {variant} has other signatures or outputs: {sorted(of_variant)}"
            )
        for (signature, name), wanted in of_plain.items():
            answer = of_variant[signature, name]
            if wanted.dtype == object:  # label names
                if not np.array_equal(wanted, answer):
                    raise RuntimeError(
                        f"The variant {variant} has other {name} in {signature}"
                    )
                continue
            inside = name.endswith(INSIDE)
            allowed = (
                tolerance_inside * max(1.0, np.abs(wanted).max())
                if inside
                else tolerance
            )
            difference = float(np.max(np.abs(answer - wanted)))
            # NaN has to fail too, so the comparison is not turned around.
            if not difference <= allowed:
                raise RuntimeError(
                    f"The {name} of {signature} of the variant {variant} differ from the plain export's by "
                    f"{difference:.3g}; expected at most {allowed:.3g}. Nothing was written."
                )
