"""A small network is served in every way, each in a process of its own, and timed."""

import json

import pytest

from benchmarks import serving
from keras_medformers.support import command_line

pytestmark = pytest.mark.slow


def test_figures_of_a_small_network(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(
        serving, "check_rounds", lambda rounds: None
    )  # one is enough to see that it runs
    output = tmp_path / "figures.json"
    arguments = [
        "--model",
        "dtvit_small",
        "--variants",
        "--batches",
        "1",
        "--rounds",
        "1",
    ]
    assert command_line.run(serving.main, [*arguments, "--output", str(output)]) == 0
    figures = json.loads(output.read_text())
    assert [row["side"] for row in figures["rows"]] == [
        "model.predict",
        "model(x)",
        "export",
        "one op a time",
    ]
    for row in figures["rows"]:
        assert row["mib"] > 1 and row["cold_start_s"] > max(row["seconds"].values()) > 0
    printed = capsys.readouterr().out
    assert printed.count("/ model.predict") == 2 and "cold start" in printed


@pytest.mark.parametrize("arguments", [["--batches", "0"], ["--rounds", "2"]])
def test_senseless_settings_are_mistakes_of_the_user(arguments, capsys):
    assert command_line.run(serving.main, arguments) == 2
    assert arguments[0] in capsys.readouterr().err
