"""A step of a small DTViT is timed in a process of its own."""

import json

import pytest

from benchmarks import dtvit_step
from keras_medformers.support import command_line

pytestmark = pytest.mark.slow


def test_figures_of_a_small_network(tmp_path, capsys):
    output = tmp_path / "figures.json"
    arguments = [
        "--model",
        "dtvit_small",
        "--batches",
        "1",
        "2",
        "--output",
        str(output),
    ]
    assert command_line.run(dtvit_step.main, arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5 and lines[1].split()[:2] == ["ours", "1"]
    figures = json.loads(output.read_text())
    assert [row["batch"] for row in figures["rows"]] == [1, 1, 2, 2] and figures[
        "model"
    ] == "dtvit_small"
    assert [row["side"] for row in figures["rows"]] == 2 * ["ours", "recomputed"]
    for row in figures["rows"]:
        assert 0 < row["seconds"] < 60 and 100 < row["memory_mib"] < 20_000


@pytest.mark.parametrize(
    "arguments",
    [
        ["--batches", "0"],
        ["--rounds", "2"],
        ["--model", "dtvit_small", "--sides", "timm"],
    ],
)
def test_senseless_settings_are_mistakes_of_the_user(arguments, caplog):
    assert command_line.run(dtvit_step.main, arguments) == 2
