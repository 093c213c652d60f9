"""Whole runs on phantoms: what their folder holds, interruptions, and the ways to train."""

import csv
import dataclasses
import json
import shutil

import numpy as np
import pytest
import tensorflow as tf
from interruption import assert_same_run, train_interrupted
from small_records import SMALL_BACKBONE, rows_of, small_config
from whole_runs import make_whole_run, train_new

from keras_medformers.support import command_line
from keras_medformers.support.errors import UserError
from training.input.pipeline import evaluation_batches, image_source, labels_and_ids
from training.predict import __main__ as predict
from training.runs import session, summary
from training.runs.config import Config
from training.runs.resolve import resolve
from training.runs.workbench import Workbench
from training.statistics.several_labels import multilabel_metrics

pytestmark = pytest.mark.slow

EPOCHS = 3


def files_below(folder):
    return {
        path: (path.stat().st_ino, path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture(scope="module")
def config(phantom_info):
    return small_config(phantom_info, epochs=EPOCHS)


@pytest.fixture(scope="module")
def trained(config, tmp_path_factory):
    """A run that was trained on stored features without interruption, evaluated and exported."""
    return make_whole_run(tmp_path_factory.mktemp("runs") / "trained", config)


def test_run_folder_has_everything(trained, config):
    assert Config.load(trained) == config
    assert sorted(path.name for path in trained.iterdir()) == [
        "checkpoints",
        "config.json",
        "evaluation.json",
        "export",
        "figures",
        "metrics.csv",
        "metrics.jsonl",
        "model.keras",
        "predictions.csv",
        "report.html",
        "tensorboard",
    ]
    assert sorted(path.name for path in (trained / "checkpoints").iterdir()) == [
        "best.weights.h5",
        f"epoch-{EPOCHS:04d}",
    ]
    assert list((trained / "tensorboard").rglob("events.out.tfevents.*"))
    assert (
        trained / "export" / "efficient_scopeformer" / "1" / "saved_model.pb"
    ).is_file()
    rows = rows_of(trained)
    assert [row["epoch"] for row in rows] == [1, 2, 3] and [
        row["steps"] for row in rows
    ] == [3, 6, 9]
    with (trained / "metrics.csv").open() as file:
        table = list(csv.DictReader(file))
    assert [float(row["val_log_loss"]) for row in table] == [
        row["val_log_loss"] for row in rows
    ]


def test_model_file_holds_the_best_epoch(trained, config, phantom_info):
    model = session.load_model(trained)
    bench = Workbench(config)
    source = image_source(phantom_info, "validation", bench.preprocessor)
    labels, _ = labels_and_ids(source)
    logits = model.predict(evaluation_batches(source, 4), verbose=0)[: len(labels)]
    scores = multilabel_metrics(
        labels,
        1 / (1 + np.exp(-logits.astype("float64"))),
        config.label_names,
        config.label_weights,
        draws=1,
    )
    best = min(row["val_log_loss"] for row in rows_of(trained))
    # Features were stored as float16.
    assert scores["log_loss"] == pytest.approx(best, abs=1e-3)


def test_evaluation_is_of_the_test_split(trained, phantom_info):
    scores = json.loads((trained / "evaluation.json").read_text())
    assert scores["model"] == "efficient_scopeformer"
    model = session.load_model(trained)
    trainable = sum(variable.numpy().size for variable in model.trainable_variables)
    assert scores["trainable_parameters"] == trainable > 0
    in_backbone = model.get_layer(SMALL_BACKBONE).count_params()
    assert scores["parameters"] == model.count_params() >= trainable + in_backbone
    assert (
        scores["split"] == "test"
        and scores["slices"]["count"] == phantom_info.count("test") == 6
    )
    assert scores["train_prevalence"] == pytest.approx(
        [count / 12 for count in phantom_info.positives("train").values()]
    )
    assert any("phantoms" in note for note in scores["notes"])
    assert any("untrained" in note for note in scores["notes"])
    assert (trained / "predictions.csv").read_text().count("\n") == 7
    said = "\n".join(summary.summary(trained))
    for name in ("report.html", "model.keras", "export"):
        assert str(trained / name) in said
    best = min(rows_of(trained), key=lambda row: row["val_log_loss"])
    assert f"log loss {best['val_log_loss']:.4f} (epoch {best['epoch']})" in said


def test_export_gives_the_models_probabilities(trained, phantom_info):
    signature = tf.saved_model.load(
        trained / "export" / "efficient_scopeformer" / "1"
    ).signatures["serving_default"]
    source = image_source(phantom_info, "test", preprocessor=lambda pixels: pixels)
    pixels = next(iter(evaluation_batches(source, 6)))
    with (trained / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    expected = [
        [float(row[f"probability_{name}"]) for name in phantom_info.label_names]
        for row in rows
    ]
    np.testing.assert_allclose(
        signature(pixels=pixels)["probabilities"], expected, atol=1e-4
    )


def test_prediction_reads_dicom_and_gives_the_models_probabilities(
    trained, phantom_info, tmp_path
):
    images = phantom_info.records_dir.parent / "stage_2_train"
    letter = tmp_path / "letter.txt"
    letter.write_text("not a slice")
    arguments = [
        str(letter),
        str(images),
        f"--run={trained}",
        f"--output={tmp_path / 'out'}",
    ]
    assert command_line.run(predict.main, arguments) == 0
    with (tmp_path / "out" / "predictions.csv").open() as file:
        rows = {row["file"]: row for row in csv.DictReader(file)}
    assert sorted(rows) == sorted(map(str, images.iterdir())) and len(rows) == 24
    with (trained / "predictions.csv").open() as file:
        for expected in csv.DictReader(file):
            row = rows[str(images / f"{expected['source_id']}.dcm")]
            for name in phantom_info.label_names:
                probability = float(expected[f"probability_{name}"])
                assert float(row[name]) == pytest.approx(probability, abs=1e-4)


def test_finished_run_is_left_alone(trained, config):
    before = files_below(trained)
    session.open_run(trained, config)
    session.train(trained)
    changed = {
        path.name
        for path, what in files_below(trained).items()
        if before.get(path) != what
    }
    assert changed <= {"config.json"} and Config.load(trained) == config


def test_another_configuration_does_not_get_into_a_run(trained, config, tmp_path):
    before = files_below(trained)
    with pytest.raises(
        UserError, match="other settings of batch_size, seed; name another"
    ):
        session.open_run(trained, dataclasses.replace(config, seed=5, batch_size=2))
    assert files_below(trained) == before
    (tmp_path / "letter.txt").write_text("not a run")
    with pytest.raises(UserError, match="is not empty and holds no run"):
        session.open_run(tmp_path, config)


@pytest.mark.parametrize(
    "where, epoch", [("MetricsFile.on_epoch_begin", 1), ("Checkpoints.on_epoch_end", 2)]
)
def test_interrupted_run_ends_as_an_uninterrupted_one(
    trained, config, tmp_path, monkeypatch, where, epoch
):
    run_dir = tmp_path / "interrupted"
    session.open_run(run_dir, config)
    train_interrupted(run_dir, monkeypatch, where, epoch)
    with pytest.raises(UserError, match="has no model.keras yet"):
        session.evaluate(run_dir)

    train_new(run_dir, config)
    assert_same_run(run_dir, trained)
    with (run_dir / "metrics.csv").open() as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == ["1", "2", "3"]


def test_run_interrupted_after_its_last_epoch_is_finished(trained, config, tmp_path):
    run_dir = tmp_path / "almost"
    shutil.copytree(trained, run_dir)
    (run_dir / "model.keras").unlink()
    train_new(run_dir, config)
    assert rows_of(run_dir) == rows_of(trained)
    for expected, found in zip(weights_of(trained), weights_of(run_dir), strict=True):
        np.testing.assert_array_equal(found, expected)


def weights_of(run_dir):
    return session.load_model(run_dir).get_weights()


def test_training_on_images_is_the_same_up_to_the_stored_precision(
    trained, config, tmp_path
):
    run_dir = train_new(
        tmp_path / "images",
        config,
        feature_records="never",
        epochs=1,
        warmup_epochs=0.0,
    )
    features = train_new(tmp_path / "features", config, epochs=1, warmup_epochs=0.0)
    (on_images,), (on_features,) = rows_of(run_dir), rows_of(features)
    assert on_images["loss"] == pytest.approx(on_features["loss"], abs=2e-3)
    assert on_images["val_log_loss"] == pytest.approx(
        on_features["val_log_loss"], abs=2e-3
    )
    assert on_images["loss"] != on_features["loss"]


def test_lower_precision_trains_and_leaves_a_float32_model(trained, config, tmp_path):
    run_dir = train_new(tmp_path / "lower", config, precision="mixed_bfloat16")
    model = session.load_model(run_dir)
    policies = {layer.dtype_policy.name for layer in model.layers}
    assert (
        policies
        == {"float32"}
        == {variable.dtype for variable in model.trainable_variables}
    )
    rows, exact = rows_of(run_dir), rows_of(trained)
    assert rows != exact
    for row, expected in zip(rows, exact, strict=True):
        assert row["loss"] == pytest.approx(expected["loss"], abs=0.05)
    # The file holds what was trained, not the weights of the start.
    start = Workbench(config).model
    head = model.get_layer("head").kernel.numpy()
    assert np.abs(head - start.get_layer("head").kernel.numpy()).max() > 1e-3
    np.testing.assert_allclose(
        head, session.load_model(trained).get_layer("head").kernel, atol=0.02
    )


def test_unfrozen_layers_train_and_frozen_ones_stay(config, tmp_path):
    config = dataclasses.replace(
        config, frozen_fraction=0.7, epochs=1, warmup_epochs=0.0, weight_decay=0.0
    )
    start = Workbench(config).model.get_layer(SMALL_BACKBONE)
    run_dir = train_new(tmp_path / "unfrozen", config)
    end = session.load_model(run_dir).get_layer(SMALL_BACKBONE)
    frozen = round(0.7 * len(start.layers))
    changed = {False: set(), True: set()}
    for place, (before, after) in enumerate(zip(start.layers, end.layers, strict=True)):
        for old, new in zip(before.get_weights(), after.get_weights(), strict=True):
            changed[place >= frozen].add(not np.array_equal(old, new))
    # Also the statistics of frozen BatchNorm layers stay.
    assert changed == {False: {False}, True: {True}}


@pytest.fixture(scope="module")
def backbone_run(config, tmp_path_factory):
    """A backbone trained as a classifier, evaluated and exported."""
    run_dir = tmp_path_factory.mktemp("backbone") / "run"
    train_new(
        run_dir,
        config,
        model="scopeformer_backbone",
        model_config={"backbone": SMALL_BACKBONE},
        frozen_fraction=0.0,
        epochs=2,
    )
    session.evaluate(run_dir)
    session.export(run_dir)
    return run_dir


def test_backbone_run_leaves_weights_that_other_runs_take(backbone_run, config):
    (path,) = (backbone_run / "backbones").iterdir()
    assert path.name == f"{SMALL_BACKBONE}.weights.h5"
    start = Workbench(dataclasses.replace(config, backbone_weights=(str(path),))).model
    trained = session.load_model(backbone_run).get_layer(SMALL_BACKBONE)
    # Both are the best epoch's, and other weights than the untrained ones.
    for value, expected in zip(
        start.get_layer(SMALL_BACKBONE).get_weights(),
        trained.get_weights(),
        strict=True,
    ):
        np.testing.assert_array_equal(value, expected)
    untrained = Workbench(config).model.get_layer(SMALL_BACKBONE)
    assert any(
        not np.array_equal(*pair)
        for pair in zip(trained.get_weights(), untrained.get_weights(), strict=True)
    )


def test_backbone_run_is_evaluated_and_exported(backbone_run):
    scores = json.loads((backbone_run / "evaluation.json").read_text())
    assert scores["model"] == "scopeformer_backbone"
    model = session.load_model(backbone_run)
    # All but BatchNorm's statistics train.
    assert scores["trainable_parameters"] == sum(
        v.numpy().size for v in model.trainable_variables
    )
    assert 0.9 < scores["trainable_parameters"] / scores["parameters"] < 1
    assert "untrained backbones" not in scores["notes"]
    assert (
        backbone_run / "export" / "scopeformer_backbone" / "1" / "saved_model.pb"
    ).is_file()


def test_export_without_a_map_gives_the_class_token(config, tmp_path):
    settings = {
        "patch_size": 16,
        "num_layers": 1,
        "embed_dim": 12,
        "mlp_dim": 16,
        "num_heads": 2,
    }
    run_dir = train_new(
        tmp_path / "run",
        config,
        model="scopeformer_vit",
        model_config=settings,
        epochs=1,
        warmup_epochs=0.0,
    )
    version = session.export(run_dir)
    features = tf.saved_model.load(str(version)).signatures["features"]
    assert features.structured_outputs["features"].shape[1:] == (12,)


def test_too_few_slices_for_a_batch_is_a_mistake_of_the_user(config, tmp_path):
    with pytest.raises(
        UserError, match="at least one batch of 13, found 12 .*--set batch_size"
    ):
        train_new(tmp_path / "run", config, batch_size=13)


def test_records_of_another_data_set_are_refused(config):
    with pytest.raises(
        UserError,
        match="expected records of rsna_ich in .*, found those of phantom_head_ct",
    ):
        resolve(dataclasses.replace(config, dataset="rsna_ich"))
    assert resolve(dataclasses.replace(config, label_names=())) == config


def test_label_weights_have_to_fit_the_records(config, tmp_path):
    with pytest.raises(UserError, match="one label weight for each of any, epidural"):
        train_new(tmp_path / "run", config, label_weights=(1.0, 2.0))


def test_wrong_model_settings_are_a_mistake_of_the_user(config, tmp_path):
    with pytest.raises(UserError, match="feature_sise"):
        train_new(
            tmp_path / "run",
            config,
            model_config=config.model_config | {"feature_sise": 4},
        )
