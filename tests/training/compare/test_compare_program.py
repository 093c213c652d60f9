"""The program that compares: which runs it takes, trains and refuses."""

import json
import os
import pathlib

import pandas as pd
import pytest
from run_folders import write_mammogram_run, write_picture_run, write_slice_run
from small_records import SIZE_PX, SMALL_HIFUSE

from keras_medformers.support import command_line
from keras_medformers.support.errors import UserError
from training import train
from training.compare import runs
from training.compare.__main__ import main


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    """The program looks for runs, and makes its folder, where it is started."""
    monkeypatch.chdir(tmp_path)


def run(*arguments):
    return command_line.run(main, list(arguments))


def as_trained(model, *options):
    """The settings that `training.train` would give a run of the model."""
    config = train.resolve_config(
        train.make_parser().parse_args(["--model", model, *options])
    )
    return {key: value for key, value in config.values().items() if key != "model"}


def test_takes_runs_and_finished_models(tmp_path, capsys):
    write_slice_run(
        tmp_path / "runs/scopeformer_phantom_head_ct",
        "efficient_scopeformer",
        **as_trained("scopeformer"),
    )
    write_slice_run(tmp_path / "elsewhere", "scopeformer_small")
    # the folder is that of an alias, and named twice
    assert (
        run(
            "--models",
            "efficient_scopeformer",
            "scopeformer",
            "--runs",
            "elsewhere",
            "runs/scopeformer_phantom_head_ct",
            "runs/compare",
        )
        == 0
    )
    text = capsys.readouterr().out
    assert text == (tmp_path / "runs/compare/compare.md").read_text(encoding="utf-8")
    assert text.count("| → ours: runs/scopeformer_phantom_head_ct ") == 1
    assert text.count("| → ours: elsewhere ") == 2  # Tables 3 and 4
    frame = pd.read_csv(tmp_path / "runs/compare/compare.csv")
    assert set(frame["run"].dropna()) == {
        "elsewhere",
        "runs/scopeformer_phantom_head_ct",
    }


def test_runs_that_cannot_be_compared_are_listed(tmp_path, capsys):
    write_picture_run(tmp_path / "good", "hifuse_tiny")
    write_picture_run(tmp_path / "damaged", "hifuse_tiny")
    (tmp_path / "damaged/evaluation.json").write_text("{")
    write_picture_run(tmp_path / "trained", "hifuse_tiny")
    (tmp_path / "trained/evaluation.json").unlink()
    write_picture_run(tmp_path / "strange", "hifuse_tiny")
    (tmp_path / "strange/evaluation.json").write_text(
        json.dumps({"task": "regression"})
    )
    assert (
        run(
            "--runs",
            "good",
            "damaged",
            "trained",
            "strange",
            "absent",
            "--output",
            "tables",
        )
        == 2
    )
    printed = capsys.readouterr()
    reasons = printed.out.partition("## Not compared\n\n")[2].splitlines()
    assert [reason.partition(":")[0] for reason in reasons] == [
        "- damaged",
        "- trained",
        "- strange",
        "- absent",
    ]
    assert (
        "is not valid JSON" in reasons[0] and "make evaluate RUN=trained" in reasons[1]
    )
    assert (
        "unknown task 'regression'" in reasons[2]
        and "not the folder of a run" in reasons[3]
    )
    assert "| → ours: good " in printed.out
    assert (
        "error: not compared: damaged, trained, strange, absent; the reasons"
        in printed.err
    )


@pytest.mark.parametrize(
    "arguments, message",
    [
        ([], "expected --models or --runs, or both; received neither"),
        (["--models"], "received neither"),
        (["--models", "hifuse_tiny", "scopefromer"], "Did you mean 'scopeformer'"),
        (["--runs", "absent"], "nothing to compare: the reasons for absent are above"),
    ],
)
def test_mistakes_are_one_line(arguments, message, capsys, tmp_path):
    assert run(*arguments) == 2
    errors = [
        line
        for line in capsys.readouterr().err.splitlines()
        if line.startswith("error: ")
    ]
    assert len(errors) == 1 and message in errors[0]
    assert not list(tmp_path.iterdir())


def test_runs_of_two_stages_are_taken_for_the_models():
    # Training has put in the size of the records, and the weights of the first stage.
    settings = as_trained("hct", "--dataset", "mammography")
    trained = {
        "weights": "patches/model.keras",
        "input_size": 3328,
        "modality": "mammogram",
    }
    write_mammogram_run(
        pathlib.Path("runs/hct_mammography"), "hct", **settings | trained
    )
    options = ["--dataset", "mammography"]
    assert runs.run_of_model("hct", options).config.weights == "patches/model.keras"
    with pytest.raises(UserError, match="other settings of epochs;"):
        runs.run_of_model("hct", [*options, "--set", "epochs=1"])


def test_a_run_with_other_settings_is_not_taken_for_the_models(tmp_path, capsys):
    folder = "runs/hifuse_tiny_isic2018"
    settings = as_trained("hifuse_tiny", "--dataset", "isic2018") | {"epochs": 3}
    write_picture_run(tmp_path / folder, "hifuse_tiny", **settings)
    assert run("--models", "hifuse_tiny", "--dataset", "isic2018") == 2
    error = capsys.readouterr().err
    assert f"{folder} holds a run with other settings of epochs" in error
    assert f"compare it as it is: --runs {folder}" in error
    assert (
        run("--models", "hifuse_tiny", "--dataset", "isic2018", "--set", "epochs=3")
        == 0
    )
    assert f"| → ours: {folder} " in capsys.readouterr().out


def test_help_names_what_it_takes(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    with pytest.raises(SystemExit) as ended:
        run("--help")
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert (
        "    python -m training.compare --models scopeformer_small efficient_scopeformer"
        in text
    )
    options = (
        "--runs",
        "--dataset",
        "--data-dir",
        "--records",
        "--backbone-weights",
        "--set",
        "--output",
    )
    for option in options:
        assert option in text
    assert "(default: runs/compare)" in text and "(default: data/DATASET)" in text
    assert max(len(line) for line in text.splitlines()) <= 110


@pytest.mark.slow
def test_trains_what_is_not_there_yet_and_the_others_when_one_cannot_be(
    picture_info, tmp_path, capfd
):
    arguments = [
        "--models",
        "scopeformer",
        "hifuse_tiny",
        "--dataset",
        "isic2018",
        "--records",
        str(picture_info.records_dir),
        "--set",
        "epochs=1",
        "batch_size=4",
        f"input_size={SIZE_PX}",
        f"model_config={json.dumps(SMALL_HIFUSE)}",
    ]
    assert run(*arguments) == 2
    text, log = capfd.readouterr()
    assert text.startswith("# The papers' tables") and "UserWarning" not in text
    assert (
        "- scopeformer: model 'efficient_scopeformer' is not for images of modality "
        "'photograph', which those of isic2018 are" in text
    )
    assert (
        "HiFuse, Table 4: skin lesions of ISIC2018. Ours: trained on isic2018, test split"
        in text
    )
    folder = tmp_path / "runs/hifuse_tiny_isic2018"
    assert (folder / "model.keras").is_file() and list(folder.glob("export/*/1"))
    before = (folder / "model.keras").stat().st_mtime_ns
    assert run(*arguments) == 2
    assert capfd.readouterr().out == text
    assert (folder / "model.keras").stat().st_mtime_ns == before


@pytest.mark.slow
def test_a_training_that_is_killed_has_a_reason(monkeypatch):
    monkeypatch.setattr(runs, "_train", os._exit)
    with pytest.raises(
        UserError, match="its process was killed, most likely for want of memory"
    ):
        runs.train_in_another_process(9)
