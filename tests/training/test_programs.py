"""The programs from the command line: their help, and mistakes that get one line and exit code 2."""

import importlib
import os
import subprocess
import sys

import numpy as np
import pytest
from ct_files import write_ct
from small_records import small_config

from keras_medformers.support import command_line
from training import train
from training.papers import RECIPES

PROGRAMS = {
    "train": (
        "--model",
        "--dataset",
        "--data-dir",
        "--records",
        "--run",
        "--recipe",
        "--weights",
        "--set",
        "--devices",
        "--backbone",
        "--backbone-weights",
        "--first-stage",
        "--set-first-stage",
    ),
    "evaluate": ("--run", "--split", "--records"),
    "export": ("--run",),
    "features": ("--run",),
    "papers": (
        "--readme",
        "--differences",
        "--recipes",
        "--tables",
        "--demonstrations",
        "--write",
    ),
    "predict": (
        "PATH",
        "--output",
        "--run",
        "--export",
        "--server",
        "--protocol",
        "--model-name",
        "--treatment",
        "--batch-size",
        "--concurrency",
        "--timeout",
        "--retries",
        "--study-rule",
        "--overlays",
        "--label",
        "--report",
        "--dicomweb",
        "--study",
        "--store",
    ),
}


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    """Programs make their folders where they are started."""
    monkeypatch.chdir(tmp_path)


def run(program, *arguments):
    module = importlib.import_module(f"training.{program}")
    if hasattr(module, "__path__"):
        module = importlib.import_module(f"training.{program}.__main__")
    return command_line.run(module.main, list(arguments))


def error_of(capsys, program, *arguments):
    assert run(program, *arguments) == command_line.USER_ERROR_EXIT_CODE
    error = capsys.readouterr().err
    lines = [line for line in error.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1 and error.rstrip().endswith(lines[0])
    assert "Traceback" not in error
    return lines[0]


@pytest.mark.parametrize("program", PROGRAMS)
def test_help_says_what_it_does_and_names_every_option(program, capsys):
    with pytest.raises(SystemExit) as ended:
        run(program, "--help")
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert f"usage: python -m training.{program} " in text
    assert (
        f"    python -m training.{program} --" in text
    )  # an example that stands on its own line
    for option in PROGRAMS[program]:
        assert option in text
    assert max(len(line) for line in text.splitlines()) <= 110


def test_help_has_defaults_and_recipes(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "1000")
    texts = {}
    for program in ("train", "evaluate", "predict"):
        with pytest.raises(SystemExit):
            run(program, "--help")
        texts[program] = capsys.readouterr().out
    assert (
        "else scopeformer)" in texts["train"]
        and "else the phantoms for the model)" in texts["train"]
    )
    assert (
        "(default: records/DATASET)" in texts["train"]
        and "(default: runs/MODEL_DATASET)" in texts["train"]
    )
    assert all(name in texts["train"] for name in RECIPES)
    assert "(default: test)" in texts["evaluate"]
    assert "(default: predictions)" in texts["predict"]


def test_a_mistake_in_a_process_of_its_own_is_one_line(tmp_path):
    root = os.path.dirname(
        os.path.dirname(importlib.import_module("training").__file__)
    )
    done = subprocess.run(
        [sys.executable, "-m", "training.train", "--model", "scopefromer"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": root},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.count("\n") == 1 and done.stderr.startswith(
        "error: Unknown model."
    )
    assert "Did you mean 'scopeformer'" in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--model=scopefromer"], "Did you mean 'scopeformer'"),
        (["--dataset=rsna"], "unknown data set 'rsna'. Did you mean rsna_ich"),
        (["--recipe=scopeformer_phantom"], "did you mean scopeformer_phantoms"),
        (["--set", "epoch=3"], "unknown recipe key 'epoch'; did you mean epochs"),
        (["--set", "epochs=three"], "expected epochs to be a int, received 'three'"),
        (["--set", "epochs"], "expected --set key=value, received 'epochs'"),
        (
            ["--set", "model_config.windows=4"],
            "'efficient_scopeformer' has no setting 'windows'",
        ),
        (
            ["--model=hifuse_tiny", "--set", "model_config.window=4"],
            "did you mean window_size",
        ),
        (
            ["--model=hifuse_tiny", "--recipe=scopeformer_phantoms"],
            "is for deep_scopeformer, ",
        ),
        (
            ["--model=hifuse_tiny", "--backbone-weights=none"],
            "'hifuse_tiny' has no backbones",
        ),
        (
            ["--weights=a.weights.h5"],
            "expected --weights to be a file; there is no a.weights.h5",
        ),
        (["--backbone-weights", "a.h5", "b.h5"], "there is no a.h5, b.h5"),
        (
            ["--backbone-weights", "imagenet", "none"],
            "each of resnet152v2, efficientnetb5, densenet201, ",
        ),
        (
            ["--model=scopeformer_backbone", "--backbone=xcption"],
            "Did you mean 'xception'",
        ),
        (["--backbone=xception"], "has no setting 'backbone'; did you mean backbones"),
        (
            ["--model=hifuse_tiny", "--dataset=rsna_ich"],
            "model 'hifuse_tiny' is not for images of modality 'ct', which those of rsna_ich are",
        ),
        (
            ["--model=hifuse_tiny", "--set", "frozen_fraction=0.3"],
            "expected no frozen_fraction, since model 'hifuse_tiny' freezes nothing",
        ),
        (["--set", "data.task=multilabel"], "expected no task in --set"),
        (["--dataset=rsna_ich"], "data/rsna_ich does not exist"),
        (["--dataset=rsna_ich", "--data-dir=absent"], "absent does not exist"),
    ],
)
def test_mistakes_in_training(arguments, message, capsys, tmp_path):
    assert message in error_of(capsys, "train", *arguments)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    "arguments, folder, settings",
    [
        ([], "runs/scopeformer_phantom_head_ct", {}),
        (
            [
                "--model=scopeformer_backbone",
                "--backbone=resnet50",
                "--dataset=rsna_ich",
            ],
            "runs/scopeformer_backbone_resnet50_rsna_ich",
            {"backbone": "resnet50"},
        ),
        (["--recipe=imagenet_backbone"], "runs/imagenet_backbone_image_folder", {}),
    ],
)
def test_runs_folder_is_named_after_model_backbone_and_data_set(
    arguments, folder, settings
):
    arguments = train.make_parser().parse_args(arguments)
    config = train.resolve_config(arguments)
    assert (
        train.default_run(arguments, config) == folder
        and config.model_config == settings
    )


def test_weights_of_backbones_may_be_of_several_kinds(tmp_path):
    (tmp_path / "style.weights.h5").touch()
    words = [
        "--model=scopeformer_2cnn",
        "--backbone-weights",
        "imagenet",
        "style.weights.h5",
    ]
    config = train.resolve_config(train.make_parser().parse_args(words))
    assert config.backbone_weights == ("imagenet", "style.weights.h5")
    words = ["--model=scopeformer_backbone", "--backbone-weights", "style.weights.h5"]
    assert train.resolve_config(
        train.make_parser().parse_args(words)
    ).backbone_weights == (words[-1],)


def test_run_with_other_settings_is_not_touched(capsys, noise_info, tmp_path):
    small_config(noise_info).save(tmp_path)
    before = (tmp_path / "config.json").read_bytes()
    arguments = (
        "--dataset=rsna_ich",
        f"--records={noise_info.records_dir}",
        f"--run={tmp_path}",
    )
    assert "holds a run with other settings of" in error_of(capsys, "train", *arguments)
    assert (tmp_path / "config.json").read_bytes() == before


def test_records_of_another_data_set(capsys, noise_info):
    error = error_of(capsys, "train", f"--records={noise_info.records_dir}")
    assert (
        "expected records of phantom_head_ct" in error
        and "found those of rsna_ich" in error
    )


@pytest.mark.parametrize("program", ["evaluate", "export", "features"])
def test_folder_without_a_run(program, capsys):
    assert "absent is not the folder of a run" in error_of(
        capsys, program, "--run=absent"
    )


@pytest.mark.parametrize("program", ["evaluate", "export"])
def test_run_that_is_not_trained(program, capsys, noise_info, tmp_path):
    small_config(noise_info).save(tmp_path)
    assert "has no model.keras yet" in error_of(capsys, program, f"--run={tmp_path}")


@pytest.mark.parametrize("program", ["export", "features"])
def test_records_that_are_gone(program, capsys, noise_info, tmp_path):
    small_config(noise_info, records="gone").save(tmp_path)
    assert "gone/dataset_info.json does not exist" in error_of(
        capsys, program, f"--run={tmp_path}"
    )


def test_features_of_a_run_that_trains_on_images(capsys, noise_info, tmp_path):
    small_config(noise_info, feature_records="never").save(tmp_path)
    assert "trains on images: nothing to store" in error_of(
        capsys, "features", f"--run={tmp_path}"
    )


def test_unknown_split_ends_with_the_parsers_error(capsys):
    with pytest.raises(SystemExit) as ended:
        run("evaluate", "--run=absent", "--split=tset")
    assert ended.value.code == 2
    assert "invalid choice: 'tset'" in capsys.readouterr().err


def test_mistakes_in_prediction(capsys, noise_info, tmp_path):
    write_ct(tmp_path / "slice.dcm", np.zeros((8, 8), np.uint16))
    (tmp_path / "folder").mkdir()
    assert "there is no file or folder absent" in error_of(
        capsys, "predict", "--run=runs/x", "absent"
    )
    assert "there are no files in folder" in error_of(
        capsys, "predict", "--run=runs/x", "folder"
    )
    assert "runs/x is not the folder of a run" in error_of(
        capsys, "predict", "--run=runs/x", "slice.dcm"
    )
    small_config(noise_info).save(tmp_path)
    assert "has no export; make one" in error_of(
        capsys, "predict", f"--run={tmp_path}", "slice.dcm"
    )
    assert not (tmp_path / "predictions").exists()
