"""Training in two stages on phantom mammograms: run folders, weights between them, interruptions."""

import dataclasses
import json
import shutil

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from interruption import assert_same_run, train_interrupted
from small_records import rows_of, small_mammogram_config

from keras_medformers.support import command_line
from keras_medformers.support.errors import UserError
from training import train
from training.input.pipeline import evaluation_batches, image_source, labels_and_ids
from training.runs import session
from training.runs.config import Config
from training.runs.workbench import Workbench

pytestmark = pytest.mark.slow


def run_both_stages(info, run_dir):
    arguments = [
        "--model=gmic", "--dataset=phantom_mammography", f"--records={info.records_dir}", f"--run={run_dir}",
        f"--data-dir={info.records_dir.parent}", "--set", "epochs=2", "batch_size=8", "accumulation_steps=2",
        "sharpness=asam", "--set-first-stage", "epochs=1", "batch_size=4",
    ]  # fmt: skip
    assert command_line.run(train.main, arguments) == 0
    return run_dir


@pytest.fixture(scope="module")
def info(mammogram_infos):
    return mammogram_infos["phantom_mammography"]


@pytest.fixture(scope="module")
def trained(info, tmp_path_factory):
    """A run of both stages without interruption."""
    return run_both_stages(info, tmp_path_factory.mktemp("runs") / "run")


def weights_of(run_dir):
    return session.load_model(run_dir).get_weights()


def test_both_stages_leave_whole_run_folders(trained, mammogram_infos):
    patches = trained / "patches"
    for folder in (trained, patches):
        for name in (
            "metrics.jsonl",
            "model.keras",
            "evaluation.json",
            "predictions.csv",
            "report.html",
        ):
            assert (folder / name).is_file(), name
    assert (trained / "export" / "gmic" / "1" / "saved_model.pb").is_file()
    first, second = Config.load(patches), Config.load(trained)
    assert (first.dataset, first.input_size, first.batch_size) == (
        "phantom_mammography_patches",
        32,
        4,
    )
    assert first.records == str(
        mammogram_infos["phantom_mammography_patches"].records_dir
    )
    assert (second.first_stage, second.weights) == (
        "gmic_patches_phantoms",
        str(patches / "model.keras"),
    )
    assert [row["steps"] for row in rows_of(trained)] == [2, 4]


def test_second_stage_starts_from_the_weights_of_the_first(trained):
    start = Workbench(Config.load(trained)).model.get_weights()
    for value, expected in zip(start, weights_of(trained / "patches"), strict=True):
        np.testing.assert_array_equal(value, expected)
    pairs = zip(weights_of(trained), start, strict=True)
    assert any(np.abs(value - old).max() > 1e-4 for value, old in pairs)


def test_best_epoch_is_that_of_the_largest_area(trained, info):
    rows = rows_of(trained)
    assert all(0 <= row["val_auc"] <= 1 for row in rows)
    model, bench = session.load_model(trained), Workbench(Config.load(trained))
    source = image_source(info, "validation", bench.preprocessor)
    logits = model.predict(evaluation_batches(source, 4), verbose=0)
    labels, _ = labels_and_ids(source)
    scores = bench.task.validation_scores(
        labels, bench.task.probabilities(logits[: len(labels)])
    )
    assert scores["auc"] == pytest.approx(max(row["val_auc"] for row in rows))


def test_predictions_say_what_was_found_in_the_image(trained, info):
    table = pd.read_csv(trained / "predictions.csv")
    assert len(table) == info.count("test")
    assert set(table["extra_laterality"]) == {0, 1}
    assert (table.loc[table["label_malignant"] == 1, "extra_finding_size"] > 0).all()
    scores = json.loads((trained / "evaluation.json").read_text())
    assert scores["task"] == "single_label" and any(
        "phantoms" in note for note in scores["notes"]
    )
    assert 0 <= scores["auc"]["auc"] <= 1


def test_export_takes_stored_mammograms(trained, info):
    served = tf.saved_model.load(str(trained / "export" / "gmic" / "1")).signatures[
        "serving_default"
    ]
    source = image_source(info, "test", preprocessor=lambda pixels: pixels)
    pixels = next(iter(evaluation_batches(source, 8)))
    assert pixels.dtype == tf.uint16
    table = pd.read_csv(trained / "predictions.csv")
    expected = table[["probability_non_malignant", "probability_malignant"]].to_numpy()
    np.testing.assert_allclose(
        served(pixels=pixels)["probabilities"], expected[: len(pixels)], atol=1e-4
    )


def test_interrupted_steps_in_parts_go_on_as_if_uninterrupted(
    trained, tmp_path, monkeypatch
):
    session.open_run(tmp_path / "run", Config.load(trained))
    train_interrupted(tmp_path / "run", monkeypatch, "Checkpoints.on_epoch_end", 1)
    session.train(tmp_path / "run")
    assert_same_run(tmp_path / "run", trained)


def test_the_same_command_again_trains_nothing_twice(trained, info):
    before = {
        path: path.stat().st_mtime_ns for path in trained.rglob("*") if path.is_file()
    }
    run_both_stages(info, trained)
    changed = {
        path.name for path, time in before.items() if path.stat().st_mtime_ns != time
    }
    assert changed <= {"config.json"}


def test_patches_in_other_splits_are_refused(info, tmp_path, capsys):
    records = tmp_path / "records"
    shutil.copytree(info.records_dir, records)
    patches = tmp_path / "records_patches"
    shutil.copytree(f"{info.records_dir}_patches", patches)
    path = patches / "dataset_info.json"
    fields = json.loads(path.read_text())
    path.write_text(json.dumps(fields | {"config": fields["config"] | {"seed": 9}}))
    arguments = [
        "--model=gmic",
        "--dataset=phantom_mammography",
        f"--records={records}",
    ]
    assert command_line.run(train.main, [*arguments, f"--run={tmp_path / 'run'}"]) != 0
    assert "expected patches with seed=0" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_finished_patches_start_another_run(trained, info, tmp_path):
    config = small_mammogram_config(
        info, weights=str(trained / "patches" / "model.keras")
    )
    arguments = train.make_parser().parse_args([
        "--model=gmic", "--dataset=phantom_mammography", f"--records={info.records_dir}",
        f"--first-stage={trained / 'patches'}",
    ])  # fmt: skip
    resolved = train.resolve_config(arguments)
    assert (resolved.weights, resolved.first_stage) == (config.weights, "none")


def test_batches_have_to_divide_into_micro_batches(info, tmp_path):
    config = small_mammogram_config(info, accumulation_steps=3)
    session.open_run(tmp_path / "run", config)
    with pytest.raises(
        UserError, match="batch_size to be a multiple of 3, .* received 4"
    ):
        session.train(tmp_path / "run")


def test_validation_without_malignant_images_cannot_choose_an_epoch(
    info, tmp_path, monkeypatch
):
    splits = {
        **info.splits,
        "validation": {**info.splits["validation"], "labels": {"malignant": 0}},
    }
    config = small_mammogram_config(info)
    session.open_run(tmp_path / "run", config)
    monkeypatch.setattr(
        "training.runs.workbench.DatasetInfo.load",
        lambda _: dataclasses.replace(info, splits=splits),
    )
    with pytest.raises(
        UserError, match="the validation split of .* has no images that are malignant"
    ):
        session.train(tmp_path / "run")
