"""How growth and crossing are fitted, the table, the arguments, and a small run of all layers."""

import json

import pytest

from benchmarks import attention_scaling
from benchmarks.attention_scaling import (
    EXACT,
    LAYERS,
    NYSTROM,
    RELU,
    crossing,
    growth_of,
    summary,
)
from keras_medformers.support import command_line

ROWS = [
    {"layer": layer, "tokens": tokens, "milliseconds": cost(tokens), "memory_mib": cost(tokens) / 2}
    for tokens in (64, 256, 1024, 4096)
    for layer, cost in ((RELU, lambda t: 0.02 * t), (EXACT, lambda t: 4e-5 * t**2))
]  # fmt: skip


def test_growth_is_the_exponent_of_the_larger_sizes():
    assert growth_of(ROWS, RELU) == pytest.approx({"milliseconds": 1, "memory_mib": 1})
    assert growth_of(ROWS, EXACT)["milliseconds"] == pytest.approx(2)
    flat = [row | {"milliseconds": max(row["milliseconds"], 5)} for row in ROWS]
    assert growth_of(flat, RELU)["milliseconds"] == pytest.approx(
        1
    )  # 64 tokens are not fitted
    assert (
        growth_of(ROWS[:4], RELU)
        == growth_of(ROWS, NYSTROM)
        == {"milliseconds": None, "memory_mib": None}
    )


def test_crossing_lies_where_both_take_equally_long():
    assert crossing(ROWS, RELU) == pytest.approx(500)
    assert crossing(ROWS[-2:], RELU) == 4096 and crossing(ROWS[:2], RELU) is None
    assert crossing(ROWS, NYSTROM) is None


def test_summary():
    growth = {layer: growth_of(ROWS, layer) for layer in (RELU, EXACT)}
    head, relu, exact = summary(growth, {RELU: crossing(ROWS, RELU)}).splitlines()
    assert (
        relu.split()
        == "Performer, ReLU tokens^1.00 tokens^1.00 500 tokens tokens^1.05".split()
    )
    assert exact.split() == "exact tokens^2.00 tokens^2.00 - -".split()
    assert len(head) == len(relu) == len(exact)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--rounds=4"], "--rounds is 4, expected at least 5"),
        (["--tokens", "300"], "--tokens is [300], expected powers of two from 4"),
        (["--channels", "60"], "--channels is 60, expected a multiple of --heads 8"),
    ],
)
def test_mistakes(arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert (
        command_line.run(attention_scaling.main, arguments)
        == command_line.USER_ERROR_EXIT_CODE
    )
    assert message in capsys.readouterr().err and not list(tmp_path.iterdir())


@pytest.mark.slow
def test_all_layers_at_a_small_size(tmp_path, capsys):
    output = tmp_path / "figures.json"
    assert (
        command_line.run(
            attention_scaling.main, ["--tokens", "32", "--output", str(output)]
        )
        == 0
    )
    rows = json.loads(output.read_text())["rows"]
    assert [row["layer"] for row in rows] == list(LAYERS) and all(
        row["milliseconds"] > 0 for row in rows
    )
    assert capsys.readouterr().out.startswith(attention_scaling.HEADER)
