"""Whole runs on photographs: what their folder holds, interruptions, and the ways to start."""

import csv
import dataclasses
import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from interruption import assert_same_run, train_interrupted
from small_records import SMALL_HIFUSE, rows_of, small_picture_config
from whole_runs import make_whole_run, train_new

from data_prep.datasets import isic2018
from keras_medformers.support import command_line
from keras_medformers.support.errors import UserError
from training.input.pipeline import evaluation_batches, image_source, labels_and_ids
from training.predict import __main__ as predict
from training.runs import session, summary
from training.runs.config import Config
from training.runs.resolve import resolve
from training.runs.workbench import Workbench
from training.statistics.exclusive_classes import single_label_metrics

pytestmark = pytest.mark.slow

EPOCHS = 3


def weights_of(run_dir):
    return session.load_model(run_dir).get_weights()


@pytest.fixture(scope="module")
def config(picture_info):
    return small_picture_config(picture_info, epochs=EPOCHS)


@pytest.fixture(scope="module")
def trained(config, tmp_path_factory):
    """A run that was trained without interruption, evaluated and exported."""
    return make_whole_run(tmp_path_factory.mktemp("runs") / "trained", config)


def test_what_the_records_decide_is_filled_in(config):
    bare = dataclasses.replace(config, label_names=(), task="multilabel", modality="ct")
    assert resolve(bare) == config


def test_rows_have_the_scores_of_exclusive_labels(trained):
    rows = rows_of(trained)
    assert [row["epoch"] for row in rows] == [1, 2, 3] and [
        row["steps"] for row in rows
    ] == [7, 14, 21]
    scores = ("log_loss", "accuracy", "f1", "precision", "recall")
    for row in rows:
        for key in ("loss", "accuracy", *(f"val_{name}" for name in scores)):
            assert np.isfinite(row[key]), key
    assert rows[-1]["loss"] < rows[0]["loss"]


def test_model_file_holds_the_first_epoch_of_the_highest_accuracy(
    trained, config, picture_info
):
    model = session.load_model(trained)
    source = image_source(picture_info, "validation", Workbench(config).preprocessor)
    labels, _ = labels_and_ids(source)
    logits = model.predict(evaluation_batches(source, 4), verbose=0)[: len(labels)]
    scores = single_label_metrics(
        labels, np.asarray(tf.nn.softmax(logits)), config.label_names, draws=1
    )
    best = max(rows_of(trained), key=lambda row: row["val_accuracy"])
    assert scores["accuracy"] == pytest.approx(best["val_accuracy"])
    assert scores["log_loss"] == pytest.approx(best["val_log_loss"], abs=1e-5)


def test_evaluation_is_of_the_test_split(trained):
    scores = json.loads((trained / "evaluation.json").read_text())
    assert (scores["task"], scores["split"], scores["images"]["count"]) == (
        "single_label",
        "test",
        14,
    )
    assert scores["notes"] == []
    table = (trained / "predictions.csv").read_text()
    assert table.count("\n") == 15
    said = "\n".join(summary.summary(trained))
    assert f"accuracy {scores['images']['accuracy']:.1%}" in said
    assert (
        f"macro F1 {scores['images']['f1']:.1%} ({scores['images']['f1_interval']['low']:.1%} to "
        in said
    )
    assert "always predicting MEL would be right in 14.3%" in said
    best = max(rows_of(trained), key=lambda row: row["val_accuracy"])
    assert (
        f"accuracy {best['val_accuracy']:.1%}" in said
        and f"(epoch {best['epoch']})" in said
    )


def test_prediction_reads_pictures_and_gives_the_models_probabilities(
    trained, picture_info, tmp_path
):
    images = picture_info.records_dir.parent / isic2018.IMAGES_NAME
    letter = tmp_path / "letter.jpg"
    letter.write_text("not a picture")
    arguments = [
        str(letter),
        str(images),
        f"--run={trained}",
        f"--output={tmp_path / 'out'}",
    ]
    assert command_line.run(predict.main, arguments) == 0
    with (tmp_path / "out" / "predictions.csv").open() as file:
        reader = csv.DictReader(file)
        assert reader.fieldnames == ["file", "class", *picture_info.label_names]
        rows = {row["file"].rsplit("/")[-1].split(".")[0]: row for row in reader}
    assert len(rows) == 56
    with (trained / "predictions.csv").open() as file:
        for expected in csv.DictReader(file):
            row = rows[expected["source_id"]]
            probabilities = [float(row[name]) for name in picture_info.label_names]
            # JPEG decoders may differ by a level or two.
            np.testing.assert_allclose(
                probabilities,
                [
                    float(expected[f"probability_{name}"])
                    for name in picture_info.label_names
                ],
                atol=0.01,
            )
            assert row["class"] == picture_info.label_names[np.argmax(probabilities)]


def test_export_takes_encoded_pictures_too(trained, picture_info):
    model = tf.saved_model.load(trained / "export" / "hifuse_narrow" / "1")
    files = sorted((picture_info.records_dir.parent / isic2018.IMAGES_NAME).iterdir())[
        :4
    ]
    found = model.signatures["encoded"](
        encoded=tf.constant([path.read_bytes() for path in files])
    )
    np.testing.assert_allclose(
        tf.reduce_sum(found["probabilities"], axis=1), 1, atol=1e-5
    )
    assert [name.decode() for name in found["labels"].numpy()[0]] == list(
        picture_info.label_names
    )


def test_interrupted_run_goes_on_bit_for_bit(trained, config, tmp_path, monkeypatch):
    session.open_run(tmp_path / "run", config)
    train_interrupted(tmp_path / "run", monkeypatch, "MetricsFile.on_epoch_begin", 2)
    session.train(tmp_path / "run")
    assert_same_run(tmp_path / "run", trained)


def test_lower_precision_trains_and_leaves_a_float32_model(trained, config, tmp_path):
    run_dir = train_new(
        tmp_path / "lower", config, precision="mixed_bfloat16", epochs=1
    )
    model = session.load_model(run_dir)
    assert {layer.dtype_policy.name for layer in model.layers} == {"float32"}
    assert {variable.dtype for variable in model.trainable_variables} == {"float32"}
    (row,), exact = rows_of(run_dir), rows_of(trained)[0]
    assert row["loss"] != exact["loss"] and row["loss"] == pytest.approx(
        exact["loss"], abs=0.1
    )
    start = Workbench(config).model.get_layer("head").kernel
    assert np.abs(model.get_layer("head").kernel - start).max() > 1e-3


def test_run_starts_from_given_weights(trained, config, tmp_path):
    path = tmp_path / "official.weights.h5"
    session.load_model(trained).save_weights(path)
    started = Workbench(dataclasses.replace(config, weights=str(path))).model
    for expected, found in zip(weights_of(trained), started.get_weights(), strict=True):
        np.testing.assert_array_equal(found, expected)
    also = Workbench(
        dataclasses.replace(config, weights=str(trained / "model.keras"))
    ).model
    np.testing.assert_array_equal(also.get_weights()[-1], weights_of(trained)[-1])


def test_weights_of_another_model_are_refused(trained, config, tmp_path):
    path = tmp_path / "other.weights.h5"
    keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(2, name="head")]
    ).save_weights(path)
    with pytest.raises(
        UserError, match="other.weights.h5 .*hifuse_narrow with 7 classes"
    ):
        Workbench(dataclasses.replace(config, weights=str(path))).model


@pytest.mark.parametrize(
    "values, message",
    [
        (
            {"label_weights": (1.0,) * 7},
            "expected no label weights, since an image has exactly one of MEL",
        ),
        (
            {"augmentation": "soft"},
            "augmentation to be one of none, crop for .* 'photograph'",
        ),
        (
            {"model": "efficient_scopeformer"},
            "is not for images of modality 'photograph'",
        ),
        ({"label_names": ("MEL", "NV")}, "labels MEL, NV, .* have MEL, NV, BCC"),
        ({"model_config": SMALL_HIFUSE | {"window_size": 7}}, "stage_0"),
    ],
)
def test_settings_that_do_not_fit_are_mistakes_of_the_user(config, values, message):
    with pytest.raises(UserError, match=message):
        Workbench(dataclasses.replace(config, **values)).model


def test_configuration_of_the_run_says_what_is_predicted(trained):
    loaded = Config.load(trained)
    assert (loaded.task, loaded.modality) == ("single_label", "photograph")
