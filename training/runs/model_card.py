"""What goes into an export's `model_card.json`: on what a run was trained, how good it is, what it is for.

The card leaves the house with the model, so it names no folder, file, patient or image.
"""

import json
from collections.abc import Mapping
from pathlib import Path

import keras

from data_prep.records.schema import DatasetInfo
from data_prep.records.splits import SPLITS
from keras_medformers.layers import (
    AreaResize,
    HounsfieldWindows,
    ImageStandardization,
    ResizeAndCrop,
)
from keras_medformers.modalities import get_modality
from keras_medformers.tasks import MULTILABEL, task_name
from training.runs.chosen_backbones import weights_of_backbones
from training.runs.config import Config
from training.runs.network_input import crop_fraction
from training.runs.reading import settings_of_run
from training.runs.resolve import only_what_applies
from training.runs.summary import notes

EVALUATION_FILE = "evaluation.json"

TRAINING_FACTS = (
    "model_config", "frozen_fraction", "epochs", "batch_size", "optimizer", "learning_rate",
    "final_learning_rate", "warmup_epochs", "weight_decay", "sharpness", "label_weights", "task_weights",
    "augmentation", "precision", "seed",
)  # fmt: skip
"""Fields of the run's configuration that the card repeats; none of them can be a path."""

INTENDED_USE = (
    "Research and engineering on {pictures} like those it was trained on. Not a medical device: not for "
    "diagnosis, triage or any other clinical use."
)

LIMITATIONS = (
    "Probabilities are not calibrated for other hospitals, devices or populations.",
    "Whatever is not among the labels goes unnoticed.",
    "Heat maps show what the network reacted to, not where a finding ends.",
)


def make_model_card(
    run_dir: str | Path,
    config: Config,
    info: DatasetInfo,
    preprocessor: keras.Model,
) -> dict:
    """The card of a trained run.

    Args:
        run_dir: The run's folder; its `evaluation.json`, where there is one, gives the metrics.
        config: The run's `Config`.
        info: `DatasetInfo` of its records.
        preprocessor: The run's preprocessor.

    Returns:
        A dict that `json.dumps(..., allow_nan=False)` takes.
    """
    path = Path(run_dir) / EVALUATION_FILE
    evaluation = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return {
        "model": config.model,
        "task": config.task,
        "modality": config.modality,
        "dataset": config.dataset,
        "split_counts": {split: _counts(info.splits[split]) for split in SPLITS},
        "treatment": config.treatment,
        "preparation": settings_of_run(config).of_answers(),
        "preprocessing": describe_preprocessing(preprocessor),
        "heat_map_crop": crop_fraction(preprocessor),
        "metrics": metrics_of(evaluation),
        "intended_use": INTENDED_USE.format(
            pictures=get_modality(config.modality).pictures
        ),
        "limitations": _limitations(config, evaluation),
        "training": _training(only_what_applies(config)),
    }


def describe_preprocessing(preprocessor: keras.Model) -> str:
    """The preprocessor's layers in words."""
    (pixels,) = preprocessor.inputs
    steps = [step for layer in preprocessor.layers if (step := _step(layer))]
    return (
        f"{pixels.dtype} pixels with {pixels.shape[-1]} channel(s): {'; '.join(steps)}"
    )


def _step(layer):
    """What a layer does, or nothing where it leaves images as they are."""
    kind = type(layer).__name__
    if isinstance(layer, AreaResize):
        return f"resized to {layer.height} x {layer.width} by area averaging"
    if isinstance(layer, ResizeAndCrop):
        return (
            f"shorter side resized to {layer.resize_to} (bilinear, antialiased), the middle "
            f"{layer.crop_to} x {layer.crop_to} kept"
        )
    if isinstance(layer, HounsfieldWindows):
        windows = ", ".join(f"{level:g}/{width:g}" for level, width in layer.windows)
        return f"HU windows (level/width) {windows}, each brought to [0, 255]"
    if isinstance(layer, ImageStandardization):
        return "each image brought to mean 0 and deviation 1"
    if kind == "CenterCrop":
        return f"the middle {layer.height} x {layer.width} kept"
    if kind == "Rescaling":
        return _rescaling(layer.scale, layer.offset)

    return f"{kind} {layer.name}"


def _rescaling(scale, offset):
    if (scale, offset) == (1, 0):
        return None
    scales, offsets = (
        ", ".join(
            f"{value:.4g}"
            for value in (values if isinstance(values, (list, tuple)) else [values])
        )
        for values in (scale, offset)
    )
    return f"multiplied by {scales}, then {offsets} added"


def metrics_of(evaluation: Mapping) -> dict | None:
    """The scores of an evaluation with their intervals, or None where there was none."""
    if not evaluation:
        return None
    scores = {
        key: _scores(value)
        for key, value in evaluation.items()
        if isinstance(value, dict)
    }
    return {
        "split": evaluation["split"],
        "task": task_name(evaluation.get("task", MULTILABEL)),
        **{key: found for key, found in scores.items() if found},
        "constant_prevalence_score": evaluation["constant_prevalence_score"],
    }


def _scores(values):
    """Numbers and intervals, at whatever depth; without lists, which are curves and tables."""
    found = {}
    for key, value in values.items():
        if key in ("confusion", "undefined"):
            continue
        if isinstance(value, dict):
            found[key] = _scores(value)
        elif value is None or isinstance(value, (int, float)):
            found[key] = value
    return found


def _counts(split):
    return {
        "images": split["records"],
        "patients": split["patients"],
        "labels": dict(split["labels"]),
    }


def _limitations(config, evaluation):
    said = [*LIMITATIONS, *(evaluation.get("notes") or notes(config))]
    if config.treatment not in (None, "none"):
        said.append(
            f"Trained on slices treated by {config.treatment!r}, which takes away what lies outside the "
            "head; the SavedModel does not do this itself."
        )
    if not evaluation:
        said.append("Not evaluated when this was written.")
    return said


def _training(config):
    """How it was trained, by what had an effect; of weights only what kind they were."""
    values = config.values()
    starts = weights_of_backbones(config)
    return {
        **{name: values[name] for name in TRAINING_FACTS if name in values},
        "weights": _kind_of_weights(config.weights),
        **(
            {
                "backbone_weights": {
                    name: _kind_of_weights(start) for name, start in starts.items()
                }
            }
            if starts
            else {}
        ),
    }


def _kind_of_weights(start):
    return start if start in ("none", "imagenet") else "a file"
