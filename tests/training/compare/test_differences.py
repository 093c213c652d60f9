"""Runs on the same images: their areas under the ROC curve and the difference, in tables and as a picture."""

import pytest
from run_folders import write_mammogram_run, write_picture_run
from sklearn.metrics import roc_auc_score

from keras_medformers.support import command_line
from training.compare.__main__ import main
from training.compare.differences import (
    ALL_IMAGES,
    names_of_subsets,
    pairs_on_the_same_images,
)
from training.compare.runs import read_run
from training.compare.tables import compare
from training.statistics.predictions import read_predictions


def area_of(folder):
    table, _ = read_predictions(folder / "predictions.csv")
    return roc_auc_score(table["label_malignant"], table["probability_malignant"])


@pytest.fixture(name="runs")
def three_runs(tmp_path):
    """GMIC and HCT at full size, HCT at half size on fewer images."""
    write_mammogram_run(tmp_path / "gmic", "gmic", noise=2, seed=1)
    write_mammogram_run(tmp_path / "hct", seed=2)
    write_mammogram_run(tmp_path / "half", seed=3, input_size=1664, count=30)
    return [read_run(tmp_path / name) for name in ("gmic", "hct", "half")]


def test_runs_are_held_against_the_first_on_the_images_of_both(runs):
    first, second = pairs_on_the_same_images(runs)
    assert [pair.first for pair in (first, second)] == [runs[0]] * 2
    assert (first.images, second.images) == (40, 30) and not first.notes
    assert second.notes == (
        f"{runs[0].folder} has scored 40 images, {runs[2].folder} 30.",
    )
    found = first.areas[ALL_IMAGES]
    areas = [area_of(run.folder) for run in runs]
    assert (found["other_auc"], found["auc"]) == pytest.approx((areas[0], areas[1]))
    assert found["difference"] == pytest.approx(areas[1] - areas[0])
    assert (
        found["difference_interval"]["low"]
        < found["difference"]
        < found["difference_interval"]["high"]
    )
    assert list(names_of_subsets(first.areas).values())[:2] == ["all", "mass"]


def test_tables_have_a_row_per_kind_of_finding(runs):
    comparison = compare(runs, {})
    titles = [section.title.partition(". Ours")[0] for section in comparison.sections]
    assert titles[1].startswith("HCT, Table 3, image") and titles[2].startswith(
        "HCT, Table A1"
    )
    section = comparison.sections[3]
    assert (
        titles[3]
        == f"Difference of the areas under the ROC curve: {runs[1].folder} less {runs[0].folder}"
    )
    assert section.heads[2:] == [
        "gmic at 3328 px",
        "hct at 3328 px",
        "difference",
        "the paper's",
    ]
    assert [row[0] for row in section.rows] == [
        "all",
        "mass",
        "calcifications",
        "architectural distortion",
        "focal asymmetry",
        *(
            f"smaller than {threshold} px"
            for threshold in (100, 150, 200, 250, 300, 350, 400)
        ),
        "small third",
        "medium third",
        "large third",
    ]
    assert [row[-1] for row in section.rows[-4:]] == ["–", "+0.60%", "+3.10%", "+1.10%"]
    assert "hct at 1664 px" in comparison.sections[4].heads
    frame = comparison.as_frame()
    row = frame[(frame["table"] == titles[3]) & (frame["row"] == "all")].iloc[0]
    assert row["difference"] == pytest.approx(row["auc"] - row["first_auc"])
    assert row["difference_low"] < row["difference"] < row["difference_high"]
    paper = frame[
        (frame["table"] == "HCT, Table 3, image") & (frame["source"] == "paper")
    ]
    assert (
        paper["auc_low"].tolist()[-1] == 0.868
        and paper["auc_high"].tolist()[-1] == 0.8918
    )


def test_runs_without_common_images_or_predictions_are_in_no_pair(tmp_path, caplog):
    write_mammogram_run(tmp_path / "a", boxes=False)
    write_picture_run(tmp_path / "b", "hifuse_tiny")
    write_mammogram_run(tmp_path / "c")
    (tmp_path / "c/predictions.csv").unlink()
    write_mammogram_run(tmp_path / "d")
    table, _ = read_predictions(tmp_path / "d/predictions.csv")
    table.assign(source_id="other" + table["source_id"]).to_csv(
        tmp_path / "d/predictions.csv", index=False
    )
    comparison = compare([read_run(tmp_path / name) for name in "abcd"], {})
    assert not any(
        section.title.startswith("Difference") for section in comparison.sections
    )
    assert (
        not comparison.pictures
        and f"No differences of areas of {tmp_path / 'c'}" in caplog.text
    )


def test_the_program_draws_differences_by_size(runs, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert command_line.run(main, ["--runs", "gmic", "hct"]) == 0
    text = capsys.readouterr().out
    assert "HCT, Per-RELU; Adam + ASAM" in text and "88.00% (86.80% to 89.18%)" in text
    assert (
        (tmp_path / "runs/compare/auc_differences.png")
        .read_bytes()
        .startswith(b"\x89PNG")
    )
