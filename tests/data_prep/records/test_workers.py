"""The pool keeps order and survives the death of its processes."""

import os
import signal

import pytest

from data_prep.records.workers import WorkerDied, Workers


def square(number):
    if number < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    if number == 13:
        raise ArithmeticError("13")
    return number * number


def test_results_are_in_order_and_errors_are_raised_here():
    with Workers(2) as workers:
        assert list(
            workers.map(square, (number for number in range(100) if number != 13))
        ) == [number * number for number in range(100) if number != 13]
        with pytest.raises(ArithmeticError):
            list(workers.map(square, [13]))


def test_a_process_that_dies_costs_one_item():
    items = list(range(20, 60))
    items[15] = -1
    with Workers(2) as workers:
        results = list(workers.map(square, items))
    assert isinstance(results[15], WorkerDied)
    assert [result for result in results if not isinstance(result, WorkerDied)] == [
        n * n for n in items if n >= 0
    ]


def test_items_are_not_read_far_ahead():
    read = []
    with Workers(1) as workers:
        next(
            workers.map(
                square, (read.append(number) or number for number in range(14, 10_000))
            )
        )
    assert len(read) < 100
