"""HCT's tables: that what the paper says of its numbers fits them, and the rows that runs belong to."""

import math
import re

import pytest

import keras_medformers
from training.papers.hct import (
    GAINS_BY_THIRD,
    TABLE_3_IMAGES,
    TABLE_3_PATCHES,
    TABLE_A1,
)
from training.papers.paper import ends_of, value_of

POSITIVES, NEGATIVES = 1195, 6163  # Table 2, test


def areas(table, optimizer=""):
    return {
        row.model: value_of(row.printed[-1])
        for row in table.rows
        if row.name.endswith(optimizer)
    }


def test_every_printed_interval_is_that_of_images_drawn_one_by_one():
    for row in TABLE_3_IMAGES.rows:
        area, (low, high) = value_of(row.printed[-1]), ends_of(row.printed[-1])
        above, below = (
            area / (2 - area),
            2 * area**2 / (1 + area),
        )  # Hanley and McNeil, 1982
        variance = area * (1 - area)
        variance += (POSITIVES - 1) * (above - area**2) + (NEGATIVES - 1) * (
            below - area**2
        )
        expected = 2 * 1.96 * math.sqrt(variance / (POSITIVES * NEGATIVES))
        assert 0.85 < (high - low) / expected < 1.05, row.name
    widths = [
        high - low
        for low, high in (ends_of(row.printed[-1]) for row in TABLE_3_PATCHES.rows)
    ]
    assert max(widths) < 0.014 and min(widths) > 0.011


def test_what_the_text_says_of_table_3():
    adam, asam = areas(TABLE_3_IMAGES, "Adam"), areas(TABLE_3_IMAGES, "ASAM")
    assert max(asam, key=asam.get) == "hct" and max(adam, key=adam.get) == "hct_softmax"
    assert (
        sorted(adam.values())[-2] == adam["hct"]
    )  # "second best - and not the best - performance"
    for of_optimizer in (adam, asam):
        assert (
            min(of_optimizer["hct"], of_optimizer["hct_softmax"]) > of_optimizer["gmic"]
        )
    assert all(asam[model] > adam[model] for model in adam)
    assert len(asam) == len(areas(TABLE_3_PATCHES, "Adam")) == 5


def test_what_the_text_says_of_findings():
    by_model = {
        row.model: [value_of(printed) for printed in row.printed]
        for row in TABLE_A1.rows
    }
    assert by_model["hct"] == [
        max(column) for column in zip(*by_model.values(), strict=True)
    ]
    gains = [
        ours - theirs
        for ours, theirs in zip(by_model["hct"], by_model["gmic"], strict=True)
    ]
    names = [column.name for column in TABLE_A1.columns]
    by_name = dict(zip(names, gains, strict=True))
    assert by_name["focal asymmetry"] == pytest.approx(
        0.05
    )  # the text has these two the other way round
    assert by_name["architectural distortion"] == pytest.approx(0.045)
    assert sorted(gains)[-2:] == [
        by_name["architectural distortion"],
        by_name["focal asymmetry"],
    ]
    assert (
        GAINS_BY_THIRD["medium"] > GAINS_BY_THIRD["large"] > GAINS_BY_THIRD["small"] > 0
    )


def test_counts_of_parameters_are_our_networks():
    for row in TABLE_3_IMAGES.rows[:3]:
        model = keras_medformers.create_model(row.model, input_shape=(None, None, 1))
        count = sum(math.prod(variable.shape) for variable in model.trainable_variables)
        assert value_of(row.printed[0]) == pytest.approx(count, abs=1e4), row.name


def test_rows_are_in_the_papers_order():
    names = [re.split("[,;]", row.name)[0] for row in TABLE_3_IMAGES.rows]
    assert names == ["GMIC", "Def-GMIC", "HCT", "HCT", "HCT"] * 2
