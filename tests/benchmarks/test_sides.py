"""A side's figures are its own."""

import numpy as np

from benchmarks.sides import LIBRARIES, Side, peak_mib

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
    return {LIBRARIES: peak_mib(), "hold": lambda: np.array([len(np.ones((HELD_MIB // 2, 2**17)))])}
