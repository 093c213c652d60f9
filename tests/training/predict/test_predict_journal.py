"""The journal: what it gives back, and what it does not take for an answer."""

import math
import os

import numpy as np
import pytest

from training.predict.findings import SliceResult
from training.predict.journal import Journal

IDENTITY = {"model": {"name": "m", "version": 1}, "labels": ["any"]}


@pytest.fixture
def results(tmp_path):
    paths = [tmp_path / f"{number}.dcm" for number in range(2)]
    for path in paths:
        path.write_bytes(b"pixels")
    maps = {"probabilities": np.linspace(0, 1, 24, dtype=np.float32).reshape(2, 3, 4)}
    answer = {"probabilities": {"any": 0.25, "subdural": 1e-9}}
    return [
        SliceResult(paths[0], answer, {"position_mm": math.nan, "treated": True}, maps),
        SliceResult(paths[1], answer, {"position_mm": 5.0}),
    ]


def noted(tmp_path, results):
    journal = Journal(tmp_path, IDENTITY)
    journal.add(results[:1])
    journal.add(results[1:])
    return tmp_path / ".predict" / "journal.jsonl"


def test_answers_come_back_as_they_were(tmp_path, results):
    noted(tmp_path, results)
    journal = Journal(tmp_path, IDENTITY)
    for result in results:
        found = journal.answer(result.path)
        assert (found.path, found.probabilities) == (result.path, result.probabilities)
        assert repr(found.columns) == repr(result.columns)  # NaN included
    np.testing.assert_array_equal(
        journal.answer(results[0].path).heat_maps["probabilities"],
        results[0].heat_maps["probabilities"],
    )
    assert journal.answer(results[1].path).heat_maps is None
    assert journal.answer(tmp_path / "other.dcm") is None
    journal.close()
    assert not (tmp_path / ".predict").exists()


def test_of_another_model_nothing_is_taken(tmp_path, results):
    noted(tmp_path, results)
    journal = Journal(tmp_path, IDENTITY | {"model": {"name": "m", "version": 2}})
    assert journal.answer(results[0].path) is None


def test_a_file_that_changed_is_asked_for_again(tmp_path, results):
    noted(tmp_path, results)
    results[0].path.write_bytes(b"others")
    os.utime(results[0].path, ns=(1, 1))
    journal = Journal(tmp_path, IDENTITY)
    assert (
        journal.answer(results[0].path) is None
        and journal.answer(results[1].path) is not None
    )


def test_a_torn_line_does_not_count(tmp_path, results):
    path = noted(tmp_path, results)
    path.write_bytes(path.read_bytes()[:-20])
    journal = Journal(tmp_path, IDENTITY)
    assert (
        journal.answer(results[0].path) is not None
        and journal.answer(results[1].path) is None
    )
    journal.add(results[1:])
    assert Journal(tmp_path, IDENTITY).answer(results[1].path) is not None
