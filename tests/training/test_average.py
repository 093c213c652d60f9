"""Means over runs, what is refused, and what is said about runs that are no folds."""

import json

import pytest

from data_prep.labels import HEMORRHAGE_AND_LOCATION
from keras_medformers.support import command_line
from keras_medformers.support.errors import UserError
from training.average import as_markdown, average, main

INTERVAL = {"low": 0.5, "high": 0.75, "level": 0.95, "draws": 1000, "unit": "image"}


def write_run(folder, accuracy, source_ids, model="hifuse_small", seed=0, **changes):
    images = {
        "count": len(source_ids),
        "accuracy": accuracy,
        "accuracy_interval": INTERVAL,
    }
    images |= {
        "f1": 0.5,
        "precision": 0.75,
        "recall": 0.25,
        "log_loss": 1.0,
        "majority_accuracy": 0.125,
    }
    evaluation = {
        "task": "single_label",
        "dataset": "kvasir",
        "split": "test",
        "label_names": ["polyps", "cecum"],
        "images": images,
        "notes": [],
    }
    folder.mkdir()
    (folder / "evaluation.json").write_text(json.dumps(evaluation | changes))
    (folder / "config.json").write_text(
        json.dumps({"model": model, "records": str(folder), "seed": seed})
    )
    lines = ["source_id,label_polyps", *(f"{source_id},1" for source_id in source_ids)]
    (folder / "predictions.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture
def folds(tmp_path):
    return [
        write_run(tmp_path / "fold_0", 0.84, ["a", "b", "c"]),
        write_run(tmp_path / "fold_1", 0.86, ["NA", "d"]),
    ]


def test_runs_count_alike(folds):
    result = average(folds)
    assert result["mean"]["accuracy"] == pytest.approx(0.85)
    assert result["mean"]["f1"] == 0.5 and result["mean"]["majority_accuracy"] == 0.125
    assert (result["images"], result["shared_images"], result["notes"]) == (5, 0, [])
    assert [run["scores"]["accuracy"] for run in result["runs"]] == [0.84, 0.86]
    assert result["runs"][0]["scores"]["accuracy_interval"] == INTERVAL


def test_table_has_a_row_per_run_and_the_means(folds):
    lines = as_markdown(average(folds)).splitlines()
    assert lines[0] == "hifuse_small on kvasir, test split: mean of 2 runs"
    cells = [cell.strip() for cell in lines[4].strip("|").split("|")]
    assert cells[:4] == [str(folds[0]), "3", "84.00% (50.00% to 75.00%)", "50.00%"]
    cells = [cell.strip() for cell in lines[6].strip("|").split("|")]
    assert cells[:3] == ["**mean**", "5", "**85.00%**"]
    assert len({line.count("|") for line in lines[2:7]}) == 1


def test_says_when_runs_share_images_or_differ(tmp_path, folds):
    again = write_run(
        tmp_path / "again", 0.8, ["a", "b", "e"], model="hifuse_base", seed=1
    )
    result = average([folds[0], again])
    assert result["shared_images"] == 2
    assert result["notes"] == [
        "the runs differ in model",
        "2 of the 4 images were scored by more than one run, so the runs are not folds",
    ]
    assert "Note: the runs differ in model." in as_markdown(result)


def test_several_labels_per_image_are_averaged_too(tmp_path):
    scores = {
        "count": 1,
        "log_loss": 0.2,
        "accuracy": 0.9,
        "weighted_accuracy": 0.8,
        "recall": 0.7,
    }
    slices = [
        scores | {"auroc_any": 0.6},
        scores | {"auroc_any": None, "log_loss": 0.4},
    ]
    runs = [
        write_run(
            tmp_path / name,
            0,
            [name],
            task="multilabel",
            slices=each,
            label_names=["any", "subdural"],
        )
        for name, each in zip("ab", slices, strict=True)
    ]
    result = average(runs)
    assert result["mean"]["log_loss"] == pytest.approx(0.3)
    assert result["mean"]["auroc_any"] is None
    assert "| **–** |" in as_markdown(result)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"task": "multilabel"},
            "runs of one task, received single_label in .* and multilabel in",
        ),
        ({"label_names": ["polyps"]}, "one label names"),
        ({"dataset": "isic2018"}, "one dataset"),
        ({"split": "validation"}, "one split"),
    ],
)
def test_refuses_runs_that_were_not_evaluated_alike(tmp_path, folds, changes, message):
    other = write_run(tmp_path / "other", 0.5, ["z"], **changes)
    with pytest.raises(UserError, match=message):
        average([folds[0], other])


def test_refuses_one_run_twice(folds):
    for runs in (
        folds[:1],
        [folds[0], folds[0]],
        [folds[0], folds[1].parent / "fold_1/../fold_0"],
    ):
        with pytest.raises(UserError, match="two or more different runs"):
            average(runs)


@pytest.mark.parametrize("name", ["evaluation.json", "predictions.csv", "config.json"])
def test_a_missing_file_is_named(folds, name):
    (folds[1] / name).unlink()
    with pytest.raises(UserError, match=f"there is no .*fold_1/{name}.*make evaluate"):
        average(folds)


def test_program_writes_table_and_json(folds, tmp_path, capsys):
    output = tmp_path / "average.json"
    runs = [str(folder) for folder in folds]
    assert command_line.run(main, [*runs, "--output", str(output)]) == 0
    assert "**85.00%**" in capsys.readouterr().out
    assert json.loads(output.read_text()) == average(runs)
    assert (
        command_line.run(main, [*runs, "--output", str(tmp_path / "absent" / "a.json")])
        == 2
    )
    assert command_line.run(main, runs[:1]) == 2
    assert "error: expected two or more different runs" in capsys.readouterr().err


def test_scores_of_two_tasks_stand_under_their_names(tmp_path):
    def scores(accuracy):
        of_task = dict.fromkeys(
            ("f1", "precision", "recall", "specificity", "majority_accuracy"), 0.5
        )
        return of_task | {"accuracy": accuracy, "accuracy_interval": INTERVAL}

    folders = [
        write_run(
            tmp_path / str(number),
            0.5,
            [str(number)],
            model="dtvit_small",
            task="dual_task",  # as earlier versions wrote it
            label_names=list(HEMORRHAGE_AND_LOCATION.label_names),
            slices={"count": 1, "accuracy": 0.8, "log_loss": 1.0},
            hemorrhage=scores(0.9),
            location=location,
        )
        for number, location in enumerate((scores(0.6), scores(0.8)))
    ]
    result = average(folders)
    assert (
        result["mean"]["hemorrhage.accuracy"] == 0.9
        and result["mean"]["accuracy"] == 0.8
    )
    assert result["mean"]["location.accuracy"] == pytest.approx(0.7)
    table = as_markdown(result)
    assert "location: accuracy" in table and "60.00% (50.00% to 75.00%)" in table
    json.dumps(result, allow_nan=False)
