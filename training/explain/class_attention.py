"""Where the class token of a vision transformer looks, for the images of which it is most sure."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import pandas as pd

from keras_medformers.explain import (
    attention_rollout,
    class_attention,
    has_class_attention,
    overlay,
    place_on_picture,
)
from keras_medformers.modalities import get_modality
from training.runs.network_input import crop_fraction

IMAGES_LOOKED_AT = 6
ROLLOUT = "attention rollout"


@dataclasses.dataclass(frozen=True)
class Looked:
    """What was seen in an image.

    Attributes:
        name: The image's name and what it truly is.
        panels: Pictures by caption, uint8 of shape `(height, width, 3)`: the image, and it with maps over it.
    """

    name: str
    panels: dict[str, np.ndarray]


def look_at_classes(
    model: keras.Model,
    bench: Any,
    inputs: np.ndarray,
    records: Sequence[Mapping],
    probabilities: np.ndarray,
) -> list[Looked]:
    """Rollout, and the attention that speaks for the likeliest class of each task.

    Args:
        model: The run's network with one output.
        bench: The run's `Workbench`.
        inputs: What the network takes.
        records: Of the same images, `inputs` as stored, `labels` and ids.
        probabilities: `(images, labels)`.

    Returns:
        A list of `Looked`; empty for networks without a class token before patches.
    """
    if not has_class_attention(model):
        return []

    chosen = _surest(bench.task.answer(probabilities), probabilities)
    inputs, probabilities = inputs[chosen], probabilities[chosen]
    maps = {ROLLOUT: attention_rollout(model, inputs)}
    shown = bench.task.answers_by_task(probabilities)
    for task, columns in shown.items():
        maps[task] = class_attention(model, inputs, np.maximum(columns, 0))
    looked = []
    for i, place in enumerate(chosen):
        of_image = {name: of_all[i] for name, of_all in maps.items()}
        answers = {task: columns[i] for task, columns in shown.items()}
        looked.append(
            _looked(records[place], of_image, answers, probabilities[i], bench)
        )

    return looked


def _surest(answers, probabilities):
    """Places of the images that were answered most surely, of each answer in turn."""
    ranked = np.argsort(-probabilities[np.arange(len(answers)), answers], kind="stable")
    turns = pd.Series(answers[ranked]).groupby(answers[ranked]).cumcount()
    return ranked[np.argsort(turns.to_numpy(), kind="stable")][:IMAGES_LOOKED_AT]


def _looked(record, maps, answers, probabilities, bench):
    names = bench.config.label_names
    picture = get_modality(bench.config.modality).to_picture(record["inputs"])
    crop = crop_fraction(bench.preprocessor)
    panels = {"image": picture}
    for name, heat in maps.items():
        column = answers.get(name)
        if column is not None and column < 0:
            continue
        caption = (
            name if column is None else f"{names[column]} {probabilities[column]:.0%}"
        )
        panels[caption] = overlay(
            picture, place_on_picture(heat, *picture.shape[:2], crop)
        )

    there = [name for name, label in zip(names, record["labels"], strict=True) if label]
    return Looked(
        f"{record['source_id'].decode()}: {', '.join(there) or 'none'}", panels
    )
