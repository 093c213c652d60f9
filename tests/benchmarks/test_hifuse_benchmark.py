"""The benchmark's table and arguments; and one side at work."""

import numpy as np
import pytest

from benchmarks import hifuse
from benchmarks.hifuse_sides import (
    COMPILED,
    NUM_CLASSES,
    ORIGINAL,
    images_and_labels,
    make_side,
)
from benchmarks.paired import FORWARD
from keras_medformers.support import command_line

ROW = {
    "size": "tiny", "batch": 8, "what": "forward", "mode": "compiled", "milliseconds": 50.4,
    "original_milliseconds": 100.8, "memory_mib": (1500.0, 700.0), "original_memory_mib": (1000.0, 200.0),
}  # fmt: skip


def test_table():
    alone = ROW | {"original_milliseconds": None, "original_memory_mib": None}

    with_original, without = hifuse.table([ROW, alone]).splitlines()

    assert (
        with_original.split()
        == "tiny, batch 8, forward, compiled 50 101 0.50 1500 1000 1.50 1.00".split()
    )
    assert (
        without.split() == "tiny, batch 8, forward, compiled 50 - - 1500 - - -".split()
    )
    assert (
        len(with_original) == len(without) == len(hifuse.COMPARISON_HEADER.rstrip("\n"))
    )


def test_inputs_are_the_same_every_time():
    images, labels = images_and_labels(2)
    assert (
        images.shape == (2, 224, 224, 3)
        and labels.shape == (2,)
        and labels.max() < NUM_CLASSES
    )
    assert np.array_equal(images, images_and_labels(2)[0])


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--rounds=4"], "--rounds is 4, expected at least 5"),
        (["--batches", "0"], "--batches is [0], expected at least 1 each"),
        (["--original=absent"], "--original absent has no main_model.py"),
    ],
)
def test_mistakes(arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert command_line.run(hifuse.main, arguments) == command_line.USER_ERROR_EXIT_CODE
    assert message in capsys.readouterr().err and not list(tmp_path.iterdir())


def test_error_in_a_side_comes_through(tmp_path):
    pytest.importorskip("torch")
    (tmp_path / "main_model.py").write_text(
        "raise ImportError('no module named nonsense')\n"
    )
    with pytest.raises(RuntimeError, match="original tiny: no module named nonsense"):
        with make_side(ORIGINAL, "tiny", 1, tmp_path, None):
            pass


@pytest.mark.slow
def test_a_side_of_ours():
    with make_side(COMPILED, "tiny", 1, None, None) as side:
        assert side.milliseconds(FORWARD) > 0
        assert side.result(FORWARD).shape == (1, NUM_CLASSES)
        peak, libraries = side.memory_mib()
        assert peak > libraries > 100
