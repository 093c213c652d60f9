"""Studies from slices: how they are put together, and what decides on their probabilities."""

from pathlib import Path

import pytest

from data_prep.modalities.reader import Place
from keras_medformers.support.errors import UserError
from training.predict.findings import SliceResult
from training.predict.studies import group_studies, slices_counted, study_probabilities


def multilabel(name, first, second):
    return SliceResult(
        Path(name), {"probabilities": {"any": first, "subdural": second}}
    )


def two_tasks(name, ich, deep):
    return SliceResult(
        Path(name),
        {
            "hemorrhage": {"normal": 1 - ich, "ich": ich},
            "location": {"deep": deep, "lobar": 1 - deep},
        },
    )


def test_rules():
    assert (slices_counted("max"), slices_counted("mean"), slices_counted("top12")) == (
        1,
        None,
        12,
    )
    for rule in ("", "min", "top", "top-1", "top0", "top1.5", "maximum"):
        with pytest.raises(UserError, match="--study-rule must be max, mean, or topK"):
            slices_counted(rule)


@pytest.mark.parametrize(
    "count, any_, subdural",
    [(1, 0.9, 0.8), (2, 0.7, 0.6), (None, 0.5, 1.4 / 3), (7, 0.5, 1.4 / 3)],
)
def test_labels_that_may_occur_together_are_each_by_themselves(count, any_, subdural):
    slices = [
        multilabel("a", 0.9, 0.4),
        multilabel("b", 0.1, 0.2),
        multilabel("c", 0.5, 0.8),
    ]
    found = study_probabilities(slices, count, exclusive=False)
    assert found == {
        "probabilities": pytest.approx({"any": any_, "subdural": subdural})
    }


def test_labels_that_exclude_each_other_come_from_the_same_slices():
    slices = [
        two_tasks("a", 0.2, 1.0),
        two_tasks("b", 0.9, 0.4),
        two_tasks("c", 0.7, 0.6),
    ]
    found = study_probabilities(slices, 1, exclusive=True)
    # The slice without bleeding has a sure location, which says nothing.
    assert found["hemorrhage"] == pytest.approx({"normal": 0.1, "ich": 0.9})
    assert found["location"] == pytest.approx({"deep": 0.4, "lobar": 0.6})
    found = study_probabilities(slices, 2, exclusive=True)
    assert found["hemorrhage"] == pytest.approx({"normal": 0.2, "ich": 0.8})
    assert found["location"] == pytest.approx({"deep": 0.5, "lobar": 0.5})


def test_slices_are_ordered_by_series_and_position_and_studies_by_files():
    results = [
        (multilabel("b2", 0.1, 0.1), Place("1.2.3", "2", 10.0)),
        (multilabel("a1", 0.2, 0.2), Place("1.2.9", "1", 0.0)),
        (multilabel("b3", 0.3, 0.3), Place("1.2.3", "2", float("nan"))),
        (multilabel("b1", 0.4, 0.4), Place("1.2.3", "2", -10.0)),
        (multilabel("b0", 0.5, 0.5), Place("1.2.3", "1", 99.0)),
        (multilabel("alone", 0.9, 0.9), Place()),
    ]
    first, second = group_studies(results, "max", "multilabel")
    assert (first.study_id, second.study_id, first.rule) == (
        "study 1",
        "study 2",
        "max",
    )
    assert [one.path.name for one in first.slices] == ["b0", "b1", "b2", "b3"]
    assert first.probabilities["probabilities"]["any"] == 0.5
    assert [one.path.name for one in second.slices] == ["a1"]
