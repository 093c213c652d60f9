"""Run folders as finished runs leave them, with scores of made-up predictions."""

import numpy as np
import pandas as pd

from data_prep.labels import HEMORRHAGE_LABELS, SKIN_LESION_LABELS
from training.config import Config
from training.evaluation import (
    ID_COLUMNS,
    evaluate_predictions,
    evaluate_single_label,
    write_evaluation,
)

COUNT = 40
PHANTOM_NOTES = ("trained on phantoms: says nothing about patients", "untrained backbones")


def write_slice_run(folder, model, notes=PHANTOM_NOTES, counted=True, seed=0, **settings):
    """A run on head CT slices; returns its evaluation."""
    settings = dict(dataset="phantom_head_ct", records="records", frozen_fraction=1.0) | settings
    random = np.random.default_rng(seed)
    labels = random.random((COUNT, len(HEMORRHAGE_LABELS))) < 0.5
    evaluation = evaluate_predictions(
        labels.astype(int), (labels + random.random(labels.shape)) / 2, _ids(), HEMORRHAGE_LABELS,
        [0.5] * len(HEMORRHAGE_LABELS), dataset=settings["dataset"], notes=notes, draws=20,
    )
    return _write(folder, Config(model=model, **settings), evaluation, counted)


def write_picture_run(folder, model, **settings):
    """A run on pictures of seven classes; returns its evaluation."""
    settings = dict(dataset="isic2018", records="records", task="single_label") | settings
    classes = np.arange(COUNT) % len(SKIN_LESION_LABELS)
    probabilities = (np.eye(len(SKIN_LESION_LABELS))[classes] + 1) / (len(SKIN_LESION_LABELS) + 1)
    evaluation = evaluate_single_label(
        classes, probabilities, _ids(), SKIN_LESION_LABELS, [1 / 7] * 7, dataset=settings["dataset"], draws=20
    )
    return _write(folder, Config(model=model, **settings), evaluation, counted=True)


def _ids():
    return pd.DataFrame({column: [f"{column}{number}" for number in range(COUNT)] for column in ID_COLUMNS})


def _write(folder, config, evaluation, counted):
    if counted:
        evaluation |= {"model": config.model, "parameters": 121_000_000, "trainable_parameters": 5_163_910}
    folder.mkdir(parents=True)
    config.save(folder)
    write_evaluation(folder, evaluation)
    return evaluation
