"""The real make targets, from DICOM to an exported model, on a small set and a small model."""

import json
import pathlib
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from real_dicom import CT_SAMPLES, NOT_CT_SAMPLES, slice_id

from data_prep.labels import HEMORRHAGE_LABELS, SKIN_LESION_LABELS
from data_prep.modalities.head_ct.dicom import read_slice
from data_prep.phantoms import head_ct as phantom_head_ct
from data_prep.phantoms import skin as phantom_skin
from data_prep.records import examples, schema

pytestmark = pytest.mark.slow

ROOT = pathlib.Path(__file__).parent.parent
SMALL = json.dumps(
    {
        "backbones": ["mobilenet"],
        "feature_size": 16,
        "num_layers": 1,
        "mlp_dim": 32,
        "num_heads": 2,
    },
    separators=(",", ":"),
)


def make(target, **variables):
    """Runs a make target with this process's environment as the virtual one."""
    command = ["make", "-C", str(ROOT), target, f"VENV={sys.prefix}"]
    command += [f"{name}={value}" for name, value in variables.items()]
    installed = pathlib.Path(sys.prefix) / ".installed"
    command += [] if installed.exists() else ["-o", "setup"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """What `make train` leaves behind, and what it said."""
    folder = tmp_path_factory.mktemp("end_to_end")
    config = phantom_head_ct.PhantomConfig(patients=12, slices_per_series=4, seed=1)
    phantom_head_ct.make(folder / "data", config, workers=2)
    output = make(
        "train",
        DATA_DIR=folder / "data",
        RECORDS=folder / "records",
        RUN=folder / "run",
        ARGS=f"--set epochs=2 batch_size=8 'model_config={SMALL}'",
    )
    return folder / "run", output


def test_train_leaves_a_whole_run_folder(run):
    run_dir, _ = run
    for name in (
        "config.json",
        "metrics.jsonl",
        "metrics.csv",
        "model.keras",
        "evaluation.json",
        "predictions.csv",
        "report.html",
        "checkpoints/best.weights.h5",
        "export/efficient_scopeformer/1/saved_model.pb",
    ):
        assert (run_dir / name).is_file(), name
    assert list((run_dir / "tensorboard").rglob("events.out.tfevents.*"))
    assert len((run_dir / "metrics.jsonl").read_text().splitlines()) == 2


def test_train_says_that_backbones_are_untrained_and_where_results_are(run):
    run_dir, output = run
    assert "UNTRAINED BACKBONES" in output
    assert (
        "untrained backbones"
        in json.loads((run_dir / "evaluation.json").read_text())["notes"]
    )
    assert str(run_dir / "report.html") in output


def test_train_again_does_nothing_twice(run):
    run_dir, _ = run
    before = {
        path: path.stat().st_mtime_ns for path in run_dir.rglob("*") if path.is_file()
    }
    folder = run_dir.parent
    make(
        "train",
        DATA_DIR=folder / "data",
        RECORDS=folder / "records",
        RUN=run_dir,
        ARGS=f"--set epochs=2 batch_size=8 'model_config={SMALL}'",
    )
    changed = [p.name for p, time in before.items() if p.stat().st_mtime_ns != time]
    assert set(changed) <= {"config.json"}


def test_real_files_become_records_and_probabilities(run, real_rsna_dir, tmp_path):
    run_dir, _ = run
    make(
        "tfrecords",
        DATASET="rsna_ich",
        DATA_DIR=real_rsna_dir,
        RECORDS=tmp_path / "records",
        ARGS="--max-reject-share 0.5",
    )

    info = schema.DatasetInfo.load(tmp_path / "records")
    shards = [str(path) for split in schema.SPLITS for path in info.shard_files(split)]
    records = (
        tf.data.TFRecordDataset(shards)
        .map(examples.parse_example)
        .batch(len(CT_SAMPLES))
    )
    served = tf.saved_model.load(
        str(run_dir / "export" / "efficient_scopeformer" / "1")
    )
    images = next(iter(records))["image"]
    outputs = served.signatures["serving_default"](pixels=images)

    assert images.shape[0] == len(CT_SAMPLES)
    assert len(pd.read_csv(tmp_path / "records" / "rejects.csv")) == len(NOT_CT_SAMPLES)
    probabilities = outputs["probabilities"].numpy()
    assert probabilities.shape == (len(CT_SAMPLES), 6)
    assert np.all((probabilities > 0) & (probabilities < 1))


def test_predict_gives_what_the_keras_model_gives(run, real_rsna_dir, tmp_path):
    import keras

    import keras_medformers

    run_dir, _ = run
    output = make(
        "predict",
        RUN=run_dir,
        DATA_DIR=real_rsna_dir / "stage_2_train",
        ARGS=f"--output {tmp_path / 'out'}",
    )

    table = pd.read_csv(tmp_path / "out" / "predictions.csv")
    assert len(table) == len(CT_SAMPLES)
    assert f"{len(NOT_CT_SAMPLES)} files set aside" in output
    model = keras.models.load_model(run_dir / "model.keras", compile=False)
    preprocessor = keras_medformers.preprocessor("scopeformer")
    for index, row in table.iterrows():
        assert pathlib.Path(row["file"]).stem == slice_id(index)
        logits = model.predict(
            preprocessor(read_slice(row["file"]).hu[None, ..., None]), verbose=0
        )
        expected = 1 / (1 + np.exp(-logits[0]))
        np.testing.assert_allclose(
            row[list(HEMORRHAGE_LABELS)].to_numpy(float), expected, atol=1e-4
        )


def test_export_counts_up_and_evaluate_repeats_the_scores(run):
    run_dir, _ = run
    before = json.loads((run_dir / "evaluation.json").read_text())

    make("export", RUN=run_dir)
    make("evaluate", RUN=run_dir)

    assert (
        run_dir / "export" / "efficient_scopeformer" / "2" / "saved_model.pb"
    ).is_file()
    after = json.loads((run_dir / "evaluation.json").read_text())
    assert after["slices"]["log_loss"] == pytest.approx(
        before["slices"]["log_loss"], rel=1e-5
    )


PICTURES_ARGS = (
    "--set epochs=1 batch_size=8 input_size=64 'model_config.depths=[1,1]' 'model_config.embed_dims=[8,16]' "
    "'model_config.num_heads=[1,2]' model_config.window_size=4"
)


@pytest.fixture(scope="module")
def picture_run(tmp_path_factory):
    """What `make train` leaves behind of pictures, and what it said."""
    folder = tmp_path_factory.mktemp("end_to_end_pictures")
    config = phantom_skin.PhantomSkinConfig(images=60, least_share=0.1, seed=1)
    phantom_skin.make(folder / "data", config, workers=2)
    output = make(
        "train",
        MODEL="hifuse_narrow",
        DATASET="phantom_skin",
        DATA_DIR=folder / "data",
        RECORDS=folder / "records",
        RUN=folder / "run",
        ARGS=PICTURES_ARGS,
    )
    return folder / "run", output


def test_train_leaves_a_whole_run_folder_of_pictures(picture_run):
    run_dir, output = picture_run
    for name in (
        "config.json",
        "metrics.jsonl",
        "model.keras",
        "evaluation.json",
        "predictions.csv",
        "report.html",
        "figures/confusion.png",
        "export/hifuse_narrow/1/saved_model.pb",
    ):
        assert (run_dir / name).is_file(), name
    scores = json.loads((run_dir / "evaluation.json").read_text())
    assert scores["task"] == "single_label" and any(
        "phantoms" in note for note in scores["notes"]
    )
    assert (
        f"macro F1 {scores['images']['f1']:.1%}" in output
        and str(run_dir / "report.html") in output
    )


def test_predict_names_the_class_of_pictures(picture_run, tmp_path):
    run_dir, _ = picture_run
    (tmp_path / "broken.jpg").write_bytes(b"")
    folder = run_dir.parent / "data" / "ISIC2018_Task3_Training_Input"
    pictures = sorted(folder.iterdir())[:6]
    for path in pictures:
        (tmp_path / path.name).write_bytes(path.read_bytes())
    output = make(
        "predict", RUN=run_dir, DATA_DIR=tmp_path, ARGS=f"--output {tmp_path / 'out'}"
    )
    table = pd.read_csv(tmp_path / "out" / "predictions.csv")
    assert (
        list(table.columns) == ["file", "class", *SKIN_LESION_LABELS]
        and len(table) == 6
    )
    np.testing.assert_allclose(
        table[list(SKIN_LESION_LABELS)].sum(axis=1), 1, atol=1e-5
    )
    assert set(table["class"]) <= set(SKIN_LESION_LABELS)
    assert (
        "6 photographs classified, 1 files set aside" in output
        and "broken.jpg" in output
    )


def test_a_variant_of_the_export_stands_beside_it_and_answers_alike(picture_run):
    run_dir, _ = picture_run
    output = make("export", RUN=run_dir, ARGS="--variant frozen")
    exports = [
        run_dir / "export" / name for name in ("hifuse_narrow", "hifuse_narrow_frozen")
    ]
    assert f"--model_base_path={exports[1]}" in output
    assert (
        "ingerprint" not in output
    )  # TensorFlow's talk about SavedModels that lack one
    files = [
        path.read_bytes()
        for path in sorted((run_dir.parent / "data").rglob("*.jpg"))[:3]
    ]
    answers = []
    for version in (exports[0] / "2", exports[1] / "1"):
        signature = tf.saved_model.load(str(version)).signatures["encoded"]
        answers.append(signature(encoded=tf.constant(files))["probabilities"])
    np.testing.assert_allclose(*answers, atol=1e-5)


def test_backbone_learned_from_pictures_starts_a_scopeformer(
    run, picture_run, tmp_path
):
    from training.runs.session import load_model

    common = "--set epochs=1 batch_size=8 input_size=64 precision=float32"
    pictures, slices = picture_run[0].parent, run[0].parent
    make(
        "train",
        MODEL="imagenet_backbone",
        BACKBONE="mobilenet",
        DATA_DIR=pictures / "data",
        RECORDS=pictures / "records",
        RUN=tmp_path / "backbone",
        ARGS=common,
    )
    weights = tmp_path / "backbone" / "backbones" / "mobilenet.weights.h5"
    settings = {
        "backbones": ["mobilenet", "mobilenet"],
        "num_layers": 1,
        "mlp_dim": 32,
        "num_heads": 2,
    }
    output = make(
        "train",
        MODEL="scopeformer_2cnn",
        DATA_DIR=slices / "data",
        RECORDS=slices / "records",
        RUN=tmp_path / "run",
        ARGS=f"--backbone-weights none {weights} {common} "
        f"'model_config={json.dumps(settings, separators=(',', ':'))}'",
    )
    assert (
        "UNTRAINED BACKBONES" in output
        and "mobilenet_2" not in output.partition("UNTRAINED")[2][:80]
    )
    scores = json.loads((tmp_path / "run" / "evaluation.json").read_text())
    assert (
        scores["model"] == "scopeformer_2cnn"
        and "untrained backbones" in scores["notes"]
    )
    learned = load_model(tmp_path / "backbone").get_layer("mobilenet").get_weights()
    started = load_model(tmp_path / "run").get_layer("mobilenet_2").get_weights()
    for value, expected in zip(started, learned, strict=True):
        np.testing.assert_array_equal(value, expected)


DTVIT_ARGS = (
    "--set epochs=1 batch_size=8 input_size=64 model_config.num_layers=1 model_config.embed_dim=24 "
    "precision=float32"
)


def test_train_and_predict_of_two_tasks(tmp_path):
    prevalence = dict.fromkeys(HEMORRHAGE_LABELS, 0.0) | {
        "any": 0.75,
        "intraparenchymal": 0.75,
    }
    config = phantom_head_ct.PhantomConfig(
        patients=24,
        slices_per_series=4,
        second_series=0.0,
        image_size_px=128,
        seed=1,
        prevalence=prevalence,
    )
    phantom_head_ct.make(tmp_path / "data", config, workers=2)
    run_dir = tmp_path / "run"
    output = make(
        "train",
        MODEL="dtvit_small",
        DATA_DIR=tmp_path / "data",
        RECORDS=tmp_path / "records",
        RUN=run_dir,
        ARGS=DTVIT_ARGS,
    )
    scores = json.loads((run_dir / "evaluation.json").read_text())
    assert (scores["task"], scores["dataset"]) == ("multi_task", "phantom_ich_location")
    assert (
        f"test, hemorrhage: accuracy {scores['hemorrhage']['accuracy']:.1%}" in output
    )
    for name in (
        "report.html",
        "figures/attention_slices.png",
        "export/dtvit_small/1/saved_model.pb",
    ):
        assert (run_dir / name).is_file(), name
    make(
        "predict",
        RUN=run_dir,
        DATA_DIR=tmp_path / "data" / "stage_2_train",
        ARGS=f"--output {tmp_path / 'out'}",
    )
    table = pd.read_csv(tmp_path / "out" / "predictions.csv")
    assert len(table) == 96 and {
        "hemorrhage",
        "location",
        "ich",
        "subtentorial",
    } <= set(table.columns)


def dry_run(*words):
    """What make would run."""
    command = [
        "make",
        "-n",
        "-C",
        str(ROOT),
        *words,
        f"VENV={sys.prefix}",
        "-o",
        "setup",
    ]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.mark.parametrize(
    "assignments, passed",
    [
        ([], ""),
        (["MODEL=foo"], "--model foo"),
        (
            ["MODEL=hct", "DATASET=mammography", "DATA_DIR=d", "RECORDS=r", "RUN=x"],
            "--model hct --dataset mammography --data-dir d --records r --run x",
        ),
        (["BACKBONE=xception", "DATASET="], "--backbone xception"),
        (["ARGS=--recipe hct"], "--recipe hct"),
    ],
)
def test_make_passes_what_it_was_given_and_knows_no_models(assignments, passed):
    said = dry_run("train", *assignments).stdout
    assert f"-m training.train {passed}".strip() in " ".join(said.split())


@pytest.mark.parametrize(
    "assignments, run",
    [
        (["MODEL=foo", "DATASET=bar"], "runs/foo_bar"),
        (["MODEL=foo", "BACKBONE=b", "DATASET=bar"], "runs/foo_b_bar"),
        (["MODEL=foo", "RUN=elsewhere"], "elsewhere"),
        (["MODEL=foo"], "runs/foo_phantom"),
    ],
)
def test_make_finds_the_run_of_a_model(assignments, run):
    assert f"--run {run}" in dry_run("evaluate", *assignments).stdout


def test_make_tfrecords_wants_a_data_set():
    assert "-m data_prep.tfrecords" in dry_run("tfrecords").stdout
    asked = dry_run("tfrecords", "DATASET=isic2018", "DATA_DIR=isic").stdout
    assert "--dataset isic2018 --data-dir isic" in asked
    refused = dry_run("tfrecords", "MODEL=hct")
    assert refused.returncode and "expected DATASET" in refused.stderr
