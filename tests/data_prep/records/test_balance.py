"""Balance by replication: the paper's numbers, and where copies end up."""

import numpy as np
import pytest

from data_prep.records import balance


def test_the_papers_counts():
    counts = {-1: 4407, 0: 6093, 1: 1656, 2: 495}
    locations = np.repeat(list(counts), list(counts.values()))
    times = balance.times_wanted(locations)
    after = {value: int(times[locations == value].sum()) for value in counts}
    assert after == {-1: 13221, 0: 6093, 1: 4968, 2: 5940}
    assert sum(after.values()) == 30222


@pytest.mark.parametrize(
    "locations, times",
    [
        ([], []),
        ([-1, -1], [1, 1]),
        ([0, 2, 2], [2, 1, 1]),
        ([-1, -1, -1, -1, 0, 1], [1, 1, 1, 1, 2, 2]),
    ],
)
def test_classes_that_are_missing_or_rarer_than_normal(locations, times):
    np.testing.assert_array_equal(
        balance.times_wanted(np.array(locations, np.int64)), times
    )


def test_copies_in_test_are_counted(caplog):
    balance.warn_of_copies_in_test(
        ["a", "a", "b", "b", "c"], np.array([1, 0, 1, 1, 0], bool)
    )
    assert (
        "of 3 test slices 1 are copies of others of them, and 1 have copies in train"
        in caplog.text
    )
