"""Both sides get the same weights, have to agree on the logits, and are timed in turn."""

from contextlib import contextmanager

import numpy as np
import pytest

from benchmarks.paired import FORWARD, PASSES, STEP, check_equal, paired_medians

LOGITS = np.array([[1.0, -4.0]])


class Drawn:
    """A side whose calls take as long as it is told."""

    def __init__(self, logits, milliseconds):
        self.logits, self.milliseconds_of = logits, milliseconds

    def result(self, what):
        assert what == FORWARD
        return self.logits

    def milliseconds(self, what):
        return self.milliseconds_of[what]


def making(logits, milliseconds, given):
    @contextmanager
    def make(weights):
        given.append(weights)
        yield Drawn(logits, milliseconds)

    return make


def test_medians_of_both():
    given = []
    ours = making(LOGITS, {FORWARD: 2, STEP: 6}, given)
    theirs = making(LOGITS, {FORWARD: 4, STEP: 5}, given)

    assert paired_medians("a network", ours, theirs, PASSES, 5) == {
        FORWARD: (2, 4),
        STEP: (6, 5),
    }
    assert given[0] == given[1] and given[0].suffix == ".npz"


def test_alone_no_weights_are_exchanged():
    given = []
    ours = making(LOGITS, {STEP: 6}, given)

    assert paired_medians("a network", ours, None, [STEP], 5) == {STEP: (6, None)}
    assert given == [None]


def test_sides_that_differ_are_not_timed():
    ours, theirs = (making(logits, {}, []) for logits in (LOGITS + 1, LOGITS))
    with pytest.raises(
        RuntimeError, match="logits of a network differ .* by 2.5e-01 of the largest"
    ):
        paired_medians("a network", ours, theirs, PASSES, 5)


def test_logits_may_differ_by_rounding_alone():
    check_equal(LOGITS + 1e-4, LOGITS, "same")
    with pytest.raises(
        RuntimeError, match="logits of other differ .* by 2.5e-01 of the largest"
    ):
        check_equal(LOGITS + 1, LOGITS, "other")
    with pytest.raises(RuntimeError, match="differ"):
        check_equal(LOGITS * np.nan, LOGITS, "no number")
