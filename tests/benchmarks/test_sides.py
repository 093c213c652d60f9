"""A side's figures are its own, and sides take turns."""

import numpy as np

from benchmarks.sides import LIBRARIES, Side, median_milliseconds, peak_mib

HELD_MIB = 512


def test_memory_of_the_process_that_starts_a_side_is_not_the_sides():
    held = np.ones((HELD_MIB, 2**17))
    assert peak_mib() > HELD_MIB
    with Side(_make, name="a side") as side:
        before, _ = side.memory_mib()
        assert np.array_equal(side.result("hold"), [HELD_MIB // 2])
        after, libraries = side.memory_mib()
    assert libraries <= before < peak_mib() - HELD_MIB / 2
    assert after - before > HELD_MIB / 2 - 16
    assert len(held) == HELD_MIB


def _make():
    return {
        LIBRARIES: peak_mib(),
        "hold": lambda: np.array([len(np.ones((HELD_MIB // 2, 2**17)))]),
    }


def test_sides_alternate():
    asked = []

    class Counting:
        def __init__(self, name, *durations_ms):
            self.name, self.durations_ms = name, iter(durations_ms)

        def milliseconds(self, what):
            asked.append((self.name, what))
            return next(self.durations_ms)

    medians = median_milliseconds(
        [Counting("a", 3, 1, 9), Counting("b", 5, 5, 6)], "step", 3
    )

    assert medians == [3, 5]
    assert asked == [("a", "step"), ("b", "step")] * 3
