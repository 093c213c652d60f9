"""Rows alternate and their medians are told."""

import pytest

from benchmarks import attention_width, re_attention, rounds
from keras_medformers.support import command_line


def test_rows_alternate_after_a_warm_up():
    calls, figures = [], iter([9, 100, 1, 100, 2, 100, 3])

    def first():
        calls.append("first")
        return next(figures)

    def second():
        calls.append("second")
        return next(figures, 100)

    found = rounds.medians({"first": first, "second": second}, 3)

    assert found == {"first": 2, "second": 100}
    assert calls == ["first", "second"] * 4


def test_seconds():
    found = rounds.median_seconds(
        {"sum": lambda: sum(range(20_000)), "nothing": lambda: None}, 5
    )
    assert found["sum"] > found["nothing"] > 0


@pytest.mark.parametrize(
    "benchmark, arguments, message",
    [
        (re_attention, ["--rounds=4"], "--rounds is 4, expected at least 5"),
        (attention_width, ["--rounds=1"], "--rounds is 1, expected at least 5"),
        (
            attention_width,
            ["--widths", "128", "128"],
            "[128, 128], expected at least two different",
        ),
        (attention_width, ["--widths", "0", "128"], "--widths is [0, 128]"),
    ],
)
def test_mistakes(benchmark, arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert (
        command_line.run(benchmark.main, arguments) == command_line.USER_ERROR_EXIT_CODE
    )
    assert message in capsys.readouterr().err and not list(tmp_path.iterdir())
