"""Parts of a phantom set come in order; the death of a process says what was being drawn."""

import os
import signal

import pytest

from data_prep.phantoms.workers import draw_all
from keras_medformers.support.errors import UserError


def double(number):
    if number < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return 2 * number


def test_parts_are_drawn_in_order_until_a_process_dies():
    drawn = []
    with pytest.raises(
        UserError,
        match=r"a process died while it drew third \(out of memory\?\); run again",
    ):
        for part in draw_all(
            double, {"first": 1, "second": 2, "third": -3, "fourth": 4}, workers=1
        ):
            drawn.append(part)
    assert drawn == [2, 4]


def test_more_workers_than_parts_are_fine():
    assert list(draw_all(double, {"only": 5}, workers=8)) == [10]
    assert list(draw_all(double, {}, workers=8)) == []
