"""Run folders as finished runs leave them, with scores of made-up predictions."""

import numpy as np
import pandas as pd

from data_prep.labels import (
    HEMORRHAGE_LABELS,
    MAMMOGRAM_LABELS,
    SKIN_LESION_LABELS,
)
from training.papers.scopeformer import RSNA_LABEL_WEIGHTS
from training.runs.config import Config
from training.statistics.predictions import (
    ID_COLUMNS,
    predictions_frame,
    write_evaluation,
)
from training.tasks.multilabel import MultiLabel
from training.tasks.single_label import SingleLabel
from training.tasks.words import words_of

COUNT = 40
PHANTOM_NOTES = (
    "trained on phantoms: says nothing about patients",
    "untrained backbones",
)


def write_slice_run(
    folder, model, notes=PHANTOM_NOTES, counted=True, seed=0, **settings
):
    """A run on head CT slices; returns its evaluation."""
    settings = (
        dict(
            dataset="phantom_head_ct",
            records="records",
            frozen_fraction=1.0,
            task="multilabel",
            modality="ct",
        )
        | settings
    )
    random = np.random.default_rng(seed)
    task = MultiLabel(HEMORRHAGE_LABELS, RSNA_LABEL_WEIGHTS, words_of("ct"))
    labels = random.random((COUNT, len(HEMORRHAGE_LABELS))) < 0.5
    evaluation = task.evaluate(
        labels.astype(int),
        (labels + random.random(labels.shape)) / 2,
        _ids(),
        [0.5] * len(HEMORRHAGE_LABELS),
        dataset=settings["dataset"],
        notes=notes,
        draws=20,
    )
    return _write(folder, Config(model=model, **settings), evaluation, counted)


def write_picture_run(folder, model, **settings):
    """A run on pictures of seven classes; returns its evaluation."""
    settings = (
        dict(
            dataset="isic2018",
            records="records",
            task="single_label",
            modality="photograph",
        )
        | settings
    )
    classes = np.arange(COUNT) % len(SKIN_LESION_LABELS)
    probabilities = (np.eye(len(SKIN_LESION_LABELS))[classes] + 1) / (
        len(SKIN_LESION_LABELS) + 1
    )
    evaluation = SingleLabel(SKIN_LESION_LABELS).evaluate(
        classes,
        probabilities,
        _ids(),
        [1 / 7] * 7,
        dataset=settings["dataset"],
        draws=20,
    )
    return _write(folder, Config(model=model, **settings), evaluation, counted=True)


def write_mammogram_run(
    folder, model="hct", count=COUNT, noise=1.0, seed=0, boxes=True, **settings
):
    """A run on mammograms with its predictions, the same labels and findings for every seed."""
    settings = {
        "dataset": "mammography", "records": "records", "task": "single_label",
        "modality": "mammogram", "optimizer": "adam",
        "weight_decay": 0.0, "sharpness": "asam", "input_size": 3328, "label_names": MAMMOGRAM_LABELS,
    } | settings  # fmt: skip
    labels = np.arange(count) % 2
    ids = pd.DataFrame(
        {
            column: [f"{column}{number}" for number in range(count)]
            for column in ID_COLUMNS
        }
    )
    if boxes:
        ids["extra_finding_type"] = np.where(labels, np.arange(count) // 2 % 4, -1)
        ids["extra_finding_size"] = np.where(labels, 60 + 7 * np.arange(count), -1)
    score = 1 / (1 + np.exp(-np.random.default_rng(seed).normal(labels, noise)))
    probabilities = np.stack([1 - score, score], axis=1)
    evaluation = SingleLabel(MAMMOGRAM_LABELS).evaluate(
        labels,
        probabilities,
        ids,
        [0.5, 0.5],
        dataset=settings["dataset"],
        draws=20,
        auc_draws=50,
    )
    evaluation = _write(
        folder, Config(model=model, **settings), evaluation, counted=True
    )
    table = predictions_frame(
        ids, np.eye(2, dtype=int)[labels], probabilities, MAMMOGRAM_LABELS
    )
    table.to_csv(folder / "predictions.csv", index=False)
    return evaluation


def _ids():
    return pd.DataFrame(
        {
            column: [f"{column}{number}" for number in range(COUNT)]
            for column in ID_COLUMNS
        }
    )


def _write(folder, config, evaluation, counted):
    if counted:
        evaluation |= {
            "model": config.model,
            "parameters": 121_000_000,
            "trainable_parameters": 5_163_910,
        }
    folder.mkdir(parents=True)
    config.save(folder)
    write_evaluation(folder, evaluation)
    return evaluation
