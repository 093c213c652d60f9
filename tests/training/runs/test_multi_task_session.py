"""Whole runs of a network with two decoders, on phantoms: what their folder holds, and other sizes."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from interruption import assert_same_run, train_interrupted
from small_records import SIZE_PX, rows_of
from whole_runs import make_whole_run, train_new

from data_prep.labels import HEMORRHAGE_AND_LOCATION
from keras_medformers.support import command_line
from keras_medformers.support.errors import UserError
from training.explain import __main__ as explain
from training.explain.explainer import Explainer
from training.input.pipeline import evaluation_batches, labels_and_ids
from training.predict import __main__ as predict
from training.runs import session, summary
from training.runs.config import Config
from training.runs.resolve import resolve
from training.runs.workbench import Workbench

CLASS_NAMES = HEMORRHAGE_AND_LOCATION.label_names

pytestmark = pytest.mark.slow

SMALL_DTVIT = {
    "patch_size": 16,
    "num_layers": 2,
    "embed_dim": 16,
    "mlp_dim": 16,
    "num_heads": 2,
    "classifier_dim": 8,
}


@pytest.fixture(scope="module")
def config(phantom_info):
    bare = Config(
        model="dtvit_small",
        dataset=phantom_info.dataset,
        records=str(phantom_info.records_dir),
        model_config=SMALL_DTVIT,
        input_size=SIZE_PX,
        batch_size=4,
        epochs=3,
        learning_rate=1e-3,
        warmup_epochs=0.0,
        augmentation="dtvit",
        seed=3,
    )
    return resolve(bare)


@pytest.fixture(scope="module")
def trained(config, tmp_path_factory):
    """A run that was trained, evaluated and exported."""
    return make_whole_run(tmp_path_factory.mktemp("runs") / "trained", config)


def test_the_model_and_the_records_decide_on_the_task(config):
    assert (config.task, config.label_names, config.label_weights) == (
        "multi_task",
        CLASS_NAMES,
        (),
    )


def test_rows_have_loss_and_accuracy_of_both_tasks(trained):
    rows = rows_of(trained)
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    for row in rows:
        for task in ("hemorrhage", "location"):
            for key in (
                f"{task}_loss",
                f"{task}_accuracy",
                f"val_{task}_log_loss",
                f"val_{task}_accuracy",
            ):
                assert np.isfinite(row[key]), key
        total = row["val_hemorrhage_log_loss"] + row["val_location_log_loss"]
        assert row["val_log_loss"] == pytest.approx(total)
    assert rows[-1]["loss"] != rows[0]["loss"]


def test_model_file_gives_a_dict_and_is_of_the_lowest_validation_loss(trained, config):
    model, bench = session.load_model(trained), Workbench(config)
    assert set(model.output) == {"hemorrhage", "location"}
    source = bench.source("validation")
    labels, _ = labels_and_ids(source)
    logits = bench.task.with_one_output(model).predict(
        evaluation_batches(source, 4), verbose=0
    )
    scores = bench.task.validation_scores(
        labels, bench.task.probabilities(logits[: len(labels)])
    )
    best = min(rows_of(trained), key=lambda row: row["val_log_loss"])
    assert scores["log_loss"] == pytest.approx(best["val_log_loss"], abs=1e-4)


def test_evaluation_and_predictions_hold_both_tasks(trained, phantom_info):
    scores = json.loads((trained / "evaluation.json").read_text())
    table = pd.read_csv(trained / "predictions.csv")
    assert scores["task"] == "multi_task" and scores["model"] == "dtvit_small"
    assert scores["slices"]["count"] == scores["hemorrhage"]["count"] == len(table) == 6
    assert (
        scores["location"]["count"]
        == table["label_ich"].sum()
        == phantom_info.positives("test")["any"]
    )
    right = (table["probability_ich"] > table["probability_normal"]) == (
        table["label_ich"] == 1
    )
    assert scores["hemorrhage"]["accuracy"] == pytest.approx(right.mean())
    np.testing.assert_allclose(
        table[[f"probability_{name}" for name in CLASS_NAMES[2:]]].sum(axis=1), 1
    )
    said = "\n".join(summary.summary(trained))
    assert f"test, hemorrhage: accuracy {scores['hemorrhage']['accuracy']:.1%}" in said
    assert f"test, location: accuracy {scores['location']['accuracy']:.1%}" in said


def test_report_has_the_papers_pictures(trained):
    page = (trained / "report.html").read_text()
    for name in (
        "learning_curves",
        "confusion_hemorrhage",
        "confusion_location",
        "examples",
        "attention_slices",
    ):
        assert (trained / "figures" / f"{name}.png").stat().st_size > 1000, name
    assert (
        "subtentorial" in page
        and "Location is scored over the slices with hemorrhage" in page
    )


def test_export_serves_both_tasks_and_the_class_token(trained, config):
    version = trained / "export" / "dtvit_small" / "1"
    signatures = tf.saved_model.load(version).signatures
    hu = np.full((2, 50, 70, 1), 40, "int16")
    hu[:, :10] = -1000
    served = signatures["serving_default"](pixels=tf.constant(hu))
    assert sorted(served) == [
        "hemorrhage",
        "hemorrhage_labels",
        "location",
        "location_labels",
    ]
    assert [name.decode() for name in served["location_labels"].numpy()[0]] == list(
        CLASS_NAMES[2:]
    )
    model = session.load_model(trained)
    for task, logits in model.predict(
        Workbench(config).preprocessor(hu), verbose=0
    ).items():
        expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        np.testing.assert_allclose(served[task], expected, atol=1e-4)
    features = signatures["features"](pixels=tf.constant(hu))
    assert sorted(features) == ["features", "hemorrhage", "location"]
    assert features["features"].shape == (2, SMALL_DTVIT["embed_dim"])
    assert (version / "assets" / "labels.txt").read_text().split() == list(CLASS_NAMES)


def test_prediction_names_hemorrhage_and_location(trained, phantom_info, tmp_path):
    images = phantom_info.records_dir.parent / "stage_2_train"
    assert (
        command_line.run(
            predict.main, [str(images), f"--run={trained}", f"--output={tmp_path}"]
        )
        == 0
    )
    found = pd.read_csv(tmp_path / "predictions.csv", keep_default_na=False)
    assert list(found) == [
        "file",
        "study",
        "position_mm",
        "hemorrhage",
        "location",
        *CLASS_NAMES,
    ]
    assert len(found) == 24
    assert (
        found["hemorrhage"] == np.where(found["ich"] > found["normal"], "ich", "normal")
    ).all()
    likeliest = found[list(CLASS_NAMES[2:])].idxmax(axis=1)
    assert (
        found["location"] == np.where(found["hemorrhage"] == "ich", likeliest, "")
    ).all()
    found = found.set_index(
        found["file"].str.rpartition("/")[2].str.removesuffix(".dcm")
    )
    expected = pd.read_csv(trained / "predictions.csv").set_index("source_id")
    for name in CLASS_NAMES:
        np.testing.assert_allclose(
            found.loc[expected.index, name], expected[f"probability_{name}"], atol=1e-4
        )


def test_explanation_is_of_the_answer(trained, tmp_path):
    assert (
        command_line.run(
            explain.main, ["--run", str(trained), "--output", str(tmp_path)]
        )
        == 0
    )
    written = {path.name for path in tmp_path.iterdir()}
    assert {"attention_slices.png", "contact_sheet.png", "similarity.csv"} <= written
    explainer = Explainer(trained, None, None)
    assert explainer.crop_fraction == pytest.approx(64 / 73)
    hu = np.full((40, 40, 1), 40, "int16")
    ((found, picture, shown),) = explainer.explain([hu])
    probabilities = explainer.task.probabilities(
        explainer.model(explainer.preprocessor(hu[None]))
    )
    assert found["predicted"] == CLASS_NAMES[explainer.task.answer(probabilities)[0]]
    assert picture.shape == shown.shape == (40, 40, 3)


def test_interrupted_run_is_augmented_as_an_uninterrupted_one(
    trained, config, tmp_path, monkeypatch
):
    session.open_run(tmp_path / "run", config)
    train_interrupted(tmp_path / "run", monkeypatch, "MetricsFile.on_epoch_begin", 1)
    session.train(tmp_path / "run")
    assert_same_run(tmp_path / "run", trained)


def test_weights_of_one_size_start_a_run_of_another(trained, config, tmp_path):
    weights = tmp_path / "small.weights.h5"
    session.load_model(trained).save_weights(weights)
    larger = dataclasses.replace(config, input_size=96, weights=str(weights))
    started = Workbench(larger).model
    assert started.get_layer("position_embedding").position.shape[1] == 1 + 36
    learned = session.load_model(trained)
    for layer in ("patch_embed", "encoder_1", "location_head"):
        for value, expected in zip(
            started.get_layer(layer).get_weights(),
            learned.get_layer(layer).get_weights(),
            strict=True,
        ):
            np.testing.assert_array_equal(value, expected)
    run_dir = train_new(tmp_path / "larger", larger, epochs=1)
    assert np.isfinite(rows_of(run_dir)[0]["val_log_loss"])


def test_first_versions_settings_train(config, tmp_path):
    run_dir = train_new(
        tmp_path / "first",
        config,
        epochs=1,
        optimizer="sgd",
        learning_rate=0.01,
        augmentation="none",
        model_config=SMALL_DTVIT | {"classifier_dim": None},
    )
    names = {layer.name for layer in session.load_model(run_dir).layers}
    assert "hemorrhage_head" in names and "hemorrhage_head_hidden" not in names


def test_lower_precision_keeps_both_decoders_exact(config, tmp_path):
    bench = Workbench(dataclasses.replace(config, precision="mixed_bfloat16"))
    policies = {
        layer.name: layer.dtype_policy.name for layer in bench.trained_part.layers
    }
    assert policies["encoder_0"] == "mixed_bfloat16"
    assert (
        policies["hemorrhage_head"]
        == policies["location_head"]
        == policies["logits"]
        == "float32"
    )
    run_dir = train_new(
        tmp_path / "lower", config, precision="mixed_bfloat16", epochs=1
    )
    model = session.load_model(run_dir)
    assert {variable.dtype for variable in model.trainable_variables} == {"float32"}
    start = Workbench(config).model.get_layer("location_head").kernel
    assert np.abs(model.get_layer("location_head").kernel - start).max() > 1e-4


def test_changed_slices_are_normalised_after_the_change(config):
    bench = Workbench(config)
    ((inputs, _),) = bench_batches(bench)
    darkest = (0 - np.array([0.485, 0.456, 0.406])) / np.array([0.229, 0.224, 0.225])
    # Corners that a turn uncovers are black, as the air around the head is.
    np.testing.assert_allclose(inputs.numpy().min(axis=(0, 1, 2)), darkest, atol=1e-4)
    assert inputs.shape == (4, SIZE_PX, SIZE_PX, 3) and inputs.numpy().max() < 2.7


def bench_batches(bench):
    from training.input.pipeline import training_batches

    source = bench.source("train")
    return training_batches(
        source, 4, seed=0, first_epoch=0, epochs=1, shuffle_buffer=8
    ).take(1)


@pytest.mark.parametrize(
    "values, message",
    [
        (
            {"task_weights": (1.0, 2.0, 3.0)},
            "a weight for each of hemorrhage, location, received",
        ),
        ({"label_weights": (1.0,) * 5}, "expected no label weights"),
        (
            {"label_names": ("any",)},
            "labels any, and the records in .* have normal, ich, deep",
        ),
        (
            {"augmentation": "crop"},
            "none, soft, hard, dtvit for images of modality 'ct'",
        ),
        ({"input_size": 40}, "divide by `patch_size`"),
    ],
)
def test_settings_that_do_not_fit_are_mistakes_of_the_user(config, values, message):
    with pytest.raises(UserError, match=message):
        Workbench(dataclasses.replace(config, **values)).model


def test_records_without_locations_are_a_mistake_of_the_user(config, noise_info):
    other = dataclasses.replace(
        config, records=str(noise_info.records_dir), dataset="rsna_ich"
    )
    with pytest.raises(
        UserError, match="labels .any. and .location., from which hemorrhage and"
    ):
        resolve(other)
