"""What becomes of questions, of errors and of a process that dies."""

import os

import pytest

from benchmarks.own_process import OwnProcess
from keras_medformers.support.errors import UserError


def _adding(first):
    return lambda second: (first + second, os.getpid())


def _failing():
    raise OSError("no such thing")


def _refusing():
    raise UserError("the user's mistake")


def _ending():
    os._exit(3)


def test_answers_come_from_another_process():
    with OwnProcess(_adding, (40,), "adding") as adding:
        total, process_id = adding.ask(2)
    assert total == 42 and process_id != os.getpid()


@pytest.mark.parametrize("ended_before", [False, True])
@pytest.mark.parametrize(
    "make, error, message",
    [
        (_failing, RuntimeError, "^failing: no such thing$"),
        (_refusing, UserError, "^the user's mistake$"),
        (_ending, RuntimeError, "^failing ended with 3$"),
    ],
)
def test_errors_in_the_process_come_through(make, error, message, ended_before):
    with OwnProcess(make, (), "failing") as failing:
        if ended_before:
            failing._process.join()
        with pytest.raises(error, match=message):
            failing.ask("anything")
