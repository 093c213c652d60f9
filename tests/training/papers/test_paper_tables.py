"""The papers' tables: their form, and that what is said about them fits them."""

import numpy as np
import pytest

import keras_medformers
from data_prep.datasets import get_dataset
from data_prep.labels import HEMORRHAGE_LABELS
from training.papers import PAPERS
from training.papers.dtvit import PAPER as DTVIT
from training.papers.hifuse import PAPER as HIFUSE
from training.papers.paper import ends_of, millions, value_of
from training.papers.scopeformer import (
    ACCURACY_NOTE,
    TABLE_1,
    TABLE_3,
    TABLE_4,
    TABLE_5,
)

TABLES = {
    f"{paper.name}, {table.number}": table
    for paper in PAPERS.values()
    for table in paper.tables
}


@pytest.mark.parametrize(
    "table", TABLES.values(), ids=[name.replace(",", "") for name in TABLES]
)
def test_a_table_is_whole_and_of_models_and_data_sets_that_we_have(table):
    assert len({row.name for row in table.rows}) == len(table.rows)
    assert len({column.key for column in table.columns}) == len(table.columns)
    assert {row.model for row in table.rows if row.model} <= set(
        keras_medformers.list_models()
    )
    for dataset in table.datasets:
        get_dataset(dataset)
    for row in table.rows:
        assert len(row.printed) == len(table.columns)
        for column, printed in zip(table.columns, row.printed, strict=True):
            value = printed.partition(" (")[0]
            percentage = column.form(0.5) == "50.00%"
            assert value.endswith("%") == percentage, (row.name, printed)
            assert value == "" or value_of(value) > 0
            assert not value.endswith("%") or value_of(value) < 1
            if ends := ends_of(printed):
                assert 0 < ends[0] < value_of(printed) < ends[1] < 1


@pytest.mark.parametrize(
    "printed, value",
    [
        ("93.00%", 0.93),
        ("95.40%", 0.954),
        ("0.0705", 0.0705),
        ("34 M", 34e6),
        ("8.13 G", 8.13e9),
        ("85.04% (83.74% to 86.36%)", 0.8504),
        ("", None),
    ],
)
def test_what_is_printed_as_a_number(printed, value):
    assert value_of(printed) == value


def test_our_counts_are_shown_in_millions():
    assert millions(5_163_910) == "5.2 M"


def test_the_note_on_accuracy_says_what_the_tables_hold():
    assert [column.name for column in TABLE_4.columns[:-1]] == list(HEMORRHAGE_LABELS)
    means = [
        np.mean([value_of(printed) for printed in row.printed[:-1]])
        for row in TABLE_4.rows
    ]
    models = {row.model for row in TABLE_4.rows}
    overall = [value_of(row.printed[0]) for row in TABLE_3.rows if row.model in models]
    assert len(overall) == len(means) == 4
    assert f"{100 * min(means):.1f} to {100 * max(means):.1f}%" in ACCURACY_NOTE
    assert f"{100 * min(overall):.1f} to {100 * max(overall):.1f}%" in ACCURACY_NOTE


def test_table_5_repeats_the_best_row_of_table_3():
    best = max(TABLE_3.rows, key=lambda row: value_of(row.printed[0]))
    accuracy, loss, _, parameters = best.printed
    assert (best.model, (accuracy, loss, parameters)) == (
        TABLE_5.rows[0].model,
        TABLE_5.rows[0].printed,
    )


@pytest.mark.parametrize(
    "table, normal, ich",
    [
        (DTVIT.table("Table 3, classifier 1"), 459, 807),
        (DTVIT.table("first version, Table 2, classifier 1"), 1342, 1681),
    ],
    ids=["later", "first"],
)
def test_dtvits_first_classifier_is_scored_for_the_normal_class(table, normal, ich):
    for row in table.rows:
        accuracy, precision, recall, _, specificity = map(value_of, row.printed)

        def implied(positives, others):
            hits = recall * positives
            false = hits * (1 / precision - 1)
            return (hits + others - false) / (positives + others), 1 - false / others

        assert implied(normal, ich) == pytest.approx(
            (accuracy, specificity), abs=0.0015
        )
        if row.name == "without augmentation":
            assert abs(implied(ich, normal)[1] - specificity) > 0.01
    assert [column.path for column in table.columns[:2]] == [
        ("hemorrhage", "accuracy"),
        ("hemorrhage", "labels", "normal", "precision"),
    ]


def test_table_3_of_scopeformer_repeats_the_counts_of_table_1():
    for row in TABLE_3.rows:
        assert row.printed[-1] == TABLE_1.printed(row.model, "parameters")


def test_hifuses_ablation_ends_at_its_tiny_row():
    *_, last = HIFUSE.table("Table 3").rows
    tiny = HIFUSE.table("Table 4").row("HiFuse_Tiny")

    assert last.printed == tiny.printed[2:] and not last.settings
    for key in ("parameters", "multiply_adds"):
        tables = (HIFUSE.table("Table 1"), HIFUSE.table("Table 4"))
        assert len({table.printed("hifuse_tiny", key) for table in tables}) == 1


@pytest.mark.parametrize(
    "number, count", [("Table 4", 2998), ("Table 5", 186), ("Table 6", 2000)]
)
def test_accuracies_of_hifuses_tables_are_shares_of_the_pictures_they_are_said_to_be_of(
    number, count
):
    table = HIFUSE.table(number)
    index = [column.key for column in table.columns].index("accuracy")

    for row in table.rows:
        accuracy = value_of(row.printed[index])
        right = round(accuracy * count)
        assert abs(right / count - accuracy) <= 0.000051, row.name
    assert f"{count:,} pictures" in table.scored_on
