"""Tables of finished runs beside the papers', as Markdown and as numbers."""

import numpy as np
import pytest
from run_folders import PHANTOM_NOTES, write_picture_run, write_slice_run

from training.compare.runs import read_run
from training.compare.tables import compare
from training.papers.scopeformer import TABLE_3, TABLE_4


def compared(*folders, failures=()):
    return compare([read_run(folder) for folder in folders], dict(failures))


def section(comparison, start):
    (found,) = [each for each in comparison.sections if each.title.startswith(start)]
    return found


def test_a_row_of_ours_follows_each_of_the_papers(tmp_path):
    evaluation = write_slice_run(tmp_path / "a", "scopeformer_small")
    table = section(compared(tmp_path / "a"), "Efficient Scopeformer, Table 3")
    assert table.heads[1:] == ["accuracy", "loss", "recall", "trainable parameters"]
    assert table.rows[0] == ["Small (S)", "93.00%", "0.1703", "84.95%", "34 M"]
    name, accuracy, loss, recall, parameters = table.rows[1]
    slices = evaluation["slices"]
    assert name == f"→ ours: {tmp_path / 'a'}"
    assert (
        accuracy == f"{slices['accuracy']:.2%}" and recall == f"{slices['recall']:.2%}"
    )
    ends = slices["log_loss_interval"]
    assert loss == f"{slices['log_loss']:.4f} ({ends['low']:.4f} to {ends['high']:.4f})"
    assert parameters == "5.2 M"
    assert [row[0] for row in table.rows[2:]] == [row.name for row in TABLE_3.rows[1:]]


def test_accuracy_of_each_label(tmp_path):
    evaluation = write_slice_run(tmp_path / "a", "scopeformer_base")
    table = section(compared(tmp_path / "a"), "Efficient Scopeformer, Table 4")
    labels = evaluation["slices"]["labels"]
    assert table.rows[2][1:-1] == [
        f"{labels[name]['accuracy']:.2%}" for name in table.heads[1:-1]
    ]


def test_only_tables_in_which_a_model_occurs_are_shown(tmp_path):
    write_slice_run(tmp_path / "a", "scopeformer_medium")
    write_picture_run(tmp_path / "b", "hifuse_tiny")
    write_picture_run(tmp_path / "c", "hifuse_narrow")
    titles = [
        each.title for each in compared(*(tmp_path / name for name in "abc")).sections
    ]
    assert [title.partition(":")[0] for title in titles] == [
        "Our runs",
        "HiFuse, Table 3",
        "HiFuse, Table 4",
        "Efficient Scopeformer, Table 3",
        "Efficient Scopeformer, Table 4",
    ]
    (only,) = compared(tmp_path / "c").sections
    assert [row[:2] for row in only.rows] == [[str(tmp_path / "c"), "hifuse_narrow"]]


def test_titles_say_what_was_trained_on_phantoms_and_without_pretrained_backbones(
    tmp_path,
):
    write_slice_run(tmp_path / "a", "scopeformer_small")
    write_slice_run(tmp_path / "b", "scopeformer_small", notes=(), dataset="rsna_ich")
    for each in compared(tmp_path / "a").sections:
        assert each.title.endswith(
            "rained on phantoms, untrained backbones, test split"
        )
    both = compared(tmp_path / "a", tmp_path / "b")
    for each in both.sections:
        assert each.title.endswith(
            "on phantoms, untrained backbones, test split; on rsna_ich, test split"
        )
    names = [
        row[0] for row in section(both, "Efficient Scopeformer, Table 3").rows[1:3]
    ]
    assert names == [
        f"→ ours: {tmp_path / 'a'} (phantoms, untrained backbones, test split)",
        f"→ ours: {tmp_path / 'b'} (rsna_ich, test split)",
    ]
    (note,) = [
        note for note in both.sections[0].notes if "nothing about patients" in note
    ]
    assert (
        note == f"Trained on phantoms: says nothing about patients ({tmp_path / 'a'})."
    )


def test_several_runs_of_one_model_have_a_row_each(tmp_path):
    for seed, name in enumerate("abc"):
        write_slice_run(tmp_path / name, "efficient_scopeformer", seed=seed)
    rows = section(
        compared(*(tmp_path / name for name in "abc")), "Efficient Scopeformer, Table 5"
    ).rows
    assert [row[0] for row in rows[5:]] == [
        f"→ ours: {tmp_path / name}" for name in "abc"
    ]
    assert len({tuple(row[1:3]) for row in rows[5:]}) == 3


def test_settings_that_are_not_the_recipes_are_said(tmp_path):
    write_picture_run(
        tmp_path / "a",
        "hifuse_tiny",
        epochs=40,
        backbone_weights="none",
        input_size=224,
        learning_rate=1e-4,
        augmentation="crop",
        model_config={"irmlp": "depthwise"},
    )
    notes = compared(tmp_path / "a").sections[0].notes
    assert (
        "Recipe hifuse_isic2018 with epochs=40 model_config.irmlp=depthwise." in notes
    )


def test_a_run_evaluated_before_parameters_were_counted(tmp_path):
    write_slice_run(tmp_path / "a", "scopeformer_small", counted=False)
    table = section(compared(tmp_path / "a"), "Efficient Scopeformer, Table 3")
    assert table.rows[1][-1] == "–"
    assert f"make evaluate RUN={tmp_path / 'a'} counts parameters" in table.notes[-1]


def test_markdown_is_whole_and_its_columns_stand_in_line(tmp_path):
    write_slice_run(tmp_path / "a", "scopeformer_large_8")
    text = compared(
        tmp_path / "a", failures={"hct": "there is no recipe"}
    ).as_markdown()
    tables = [
        block.splitlines() for block in text.split("\n\n") if block.startswith("|")
    ]
    assert len(tables) == 4
    for lines in tables:
        assert len({len(line) for line in lines}) == 1
        assert len({line.count("|") for line in lines}) == 1
        assert set(lines[1]) == set("|:- ")
    assert (
        text.count("Loss: ours is divided by the sum") == 1
    )  # though two tables have a loss
    assert text.endswith("## Not compared\n\n- hct: there is no recipe\n")
    assert "Not compared" not in compared(tmp_path / "a").as_markdown()


def test_numbers_of_theirs_and_ours(tmp_path):
    evaluation = write_slice_run(tmp_path / "a", "scopeformer_small")
    path = tmp_path / "compare.csv"
    comparison = compared(tmp_path / "a")
    comparison.as_frame().to_csv(path, index=False)
    frame = comparison.as_frame()
    table = frame[frame["table"] == "Efficient Scopeformer, Table 4"]
    assert len(table) == len(TABLE_4.rows) + 1
    theirs, ours = table[table["row"] == "Small"].to_dict("records")
    assert (
        theirs["source"],
        theirs["accuracy_epidural"],
        theirs["trainable_parameters"],
    ) == (
        "paper",
        0.9808,
        34_000_000,
    )
    assert (ours["source"], ours["run"], ours["notes"]) == (
        "ours",
        str(tmp_path / "a"),
        "; ".join(PHANTOM_NOTES),
    )
    assert (
        ours["accuracy_epidural"]
        == evaluation["slices"]["labels"]["epidural"]["accuracy"]
    )
    (first,) = frame[frame["table"] == "runs"].to_dict("records")
    assert first["log_loss_low"] == evaluation["slices"]["log_loss_interval"]["low"]
    assert first["constant_prevalence"] == pytest.approx(np.log(2))
    assert "34000000," in path.read_text() and "34000000.0" not in path.read_text()
