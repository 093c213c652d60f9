"""The model card: facts of the run, scores with intervals, and nothing that names a folder or a patient."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
from small_records import small_config, small_picture_config

import keras_medformers
from data_prep.records.schema import DatasetInfo
from training.export import serve_commands
from training.runs.config import Config
from training.runs.model_card import describe_preprocessing, make_model_card, metrics_of
from training.statistics.predictions import ID_COLUMNS, write_evaluation
from training.tasks.tasks import task_of


@pytest.fixture
def config(noise_info):
    return small_config(
        noise_info, treatment="mask",
        backbone_weights=("/home/somebody/mobilenet.weights.h5",),
    )  # fmt: skip


@pytest.fixture
def evaluation(config):
    random = np.random.default_rng(0)
    labels = random.integers(0, 2, (20, len(config.label_names)))
    ids = pd.DataFrame(
        {name: [f"secret-{name}-{i // 2}" for i in range(20)] for name in ID_COLUMNS}
    )
    return task_of(config).evaluate(
        labels, random.uniform(size=labels.shape), ids, [0.5] * labels.shape[1],
        dataset=config.dataset, records=config.records, notes=["of random numbers"],
    )  # fmt: skip


def card_of(config, run_dir):
    preprocessor = keras_medformers.preprocessor(config.model, config.input_size)
    card = make_model_card(
        run_dir, config, DatasetInfo.load(config.records), preprocessor
    )
    return card, json.dumps(card, allow_nan=False)


def test_the_facts_of_a_run(config, evaluation, noise_info, tmp_path):
    write_evaluation(tmp_path, evaluation)
    card, text = card_of(config, tmp_path)
    assert (card["model"], card["dataset"], card["modality"]) == (
        "efficient_scopeformer",
        "rsna_ich",
        "ct",
    )
    assert card["split_counts"]["train"]["images"] == noise_info.count("train") == 16
    assert card["split_counts"]["test"]["labels"] == noise_info.positives("test")
    assert card["treatment"] == "mask" and "'mask'" in card["limitations"][-1]
    assert "of random numbers" in card["limitations"]
    assert (
        "Not a medical device" in card["intended_use"]
        and "slices of head CT" in card["intended_use"]
    )
    assert card["training"]["learning_rate"] == config.learning_rate
    assert card["training"]["weights"] == "none"
    assert card["training"]["backbone_weights"] == {"mobilenet": "a file"}
    slices = card["metrics"]["slices"]
    assert slices["log_loss"] == evaluation["slices"]["log_loss"]
    assert (
        slices["log_loss_interval"]["low"]
        < slices["log_loss"]
        < slices["log_loss_interval"]["high"]
    )
    assert (
        slices["labels"]["any"]["auroc"]
        == evaluation["slices"]["labels"]["any"]["auroc"]
    )
    for secret in ("secret", "somebody", config.records, str(tmp_path)):
        assert secret not in text


def test_the_card_names_only_settings_that_had_an_effect(
    config, picture_info, tmp_path
):
    start = dataclasses.replace(config, weights="/home/somebody/start.weights.h5")
    training = card_of(start, tmp_path)[0]["training"]
    assert training["weights"] == "a file" and "backbone_weights" not in training
    assert training["frozen_fraction"] == 1.0 and "task_weights" not in training
    raw = Config(
        **small_picture_config(picture_info).values() | {"frozen_fraction": 1.0}
    )
    training = card_of(raw, tmp_path)[0]["training"]
    absent = {"frozen_fraction", "backbone_weights", "label_weights", "task_weights"}
    assert not absent & set(training)


def test_a_run_that_was_not_evaluated_says_so(config, tmp_path):
    card, _ = card_of(config, tmp_path)
    assert card["metrics"] is None
    assert "Not evaluated when this was written." in card["limitations"]


def test_lists_and_tables_stay_in_the_evaluation():
    found = metrics_of({
        "split": "test", "task": "single_label", "constant_prevalence_score": 1.5, "records": "somewhere",
        "prevalence": [0.5, 0.5], "notes": ["x"],
        "images": {"count": 3, "f1": None, "confusion": [[1, 0], [0, 2]], "majority_label": "a",
                   "undefined": {},
                   "labels": {"a": {"recall": 1.0, "curve": [1, 2], "undefined": {"auroc": "one class"}}}},
    })  # fmt: skip
    assert found == {
        "split": "test", "task": "single_label", "constant_prevalence_score": 1.5,
        "images": {"count": 3, "f1": None, "labels": {"a": {"recall": 1.0}}},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "size", "steps"),
    [
        (
            "scopeformer", 64,
            ["resized to 64 x 64 by area averaging",
             "HU windows (level/width) 40/80, 80/200, 40/380, each brought to [0, 255]"],
        ),
        (
            "dtvit", 224,
            ["resized to 256 x 256 by area averaging", "the middle 224 x 224 kept",
             "HU windows (level/width) 40/80, 40/80, 40/80, each brought to [0, 255]",
             "multiplied by 0.01712, 0.01751, 0.01743, then -2.118, -2.036, -1.804 added"],
        ),
        (
            "hifuse_tiny", 224,
            ["shorter side resized to 256 (bilinear, antialiased), the middle 224 x 224 kept",
             "multiplied by 0.007843, then -1 added"],
        ),
        (
            "imagenet_backbone", 224,
            ["shorter side resized to 256 (bilinear, antialiased), the middle 224 x 224 kept"],
        ),
        ("hct", None, ["each image brought to mean 0 and deviation 1"]),
    ],
)  # fmt: skip
def test_preprocessing_in_words(name, size, steps):
    pixels, _, said = describe_preprocessing(
        keras_medformers.preprocessor(name, size)
    ).partition(": ")
    assert pixels.endswith("channel(s)") and said == "; ".join(steps)


def test_part_of_the_picture_that_heat_maps_are_of(config, noise_info, tmp_path):
    assert card_of(config, tmp_path)[0]["heat_map_crop"] is None
    card, _ = card_of(small_picture_config(noise_info), tmp_path)
    assert card["heat_map_crop"] == pytest.approx(64 / 73)


def test_commands_that_serve_an_export(tmp_path):
    docker, server = serve_commands(tmp_path / "my models" / "hct" / "3")
    assert (
        f"-v '{tmp_path}/my models/hct:/models/hct:ro' -e MODEL_NAME=hct tensorflow/serving:"
        in docker
    )
    assert f"--model_name=hct '--model_base_path={tmp_path}/my models/hct'" in server
