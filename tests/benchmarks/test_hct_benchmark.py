"""The benchmark's table, its sizes and arguments; and one side at work."""

import numpy as np
import pytest

from benchmarks import hct
from benchmarks.hct_sides import NUM_CLASSES, ORIGINAL, OURS, image_and_label, make_side
from benchmarks.paired import FORWARD, STEP
from keras_medformers.support import command_line

ROW = {
    "model": "hct", "height": 3328, "width": 2560, "what": "forward", "milliseconds": 900.4,
    "original_milliseconds": 1000.8, "memory_mib": (1500.0, 700.0), "original_memory_mib": (1000.0, 200.0),
}  # fmt: skip


def test_table():
    alone = ROW | {"original_milliseconds": None, "original_memory_mib": None}

    with_original, without = hct.table([ROW, alone]).splitlines()

    assert (
        with_original.split()
        == "hct, 3328x2560, forward 900 1001 0.90 1500 1000 1.50 1.00".split()
    )
    assert without.split() == "hct, 3328x2560, forward 900 - - 1500 - - -".split()
    assert len(with_original) == len(without) == len(hct.COMPARISON_HEADER.rstrip("\n"))


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--rounds=4"], "--rounds is 4, expected at least 5"),
        (["--original=absent"], "--original absent has no hct_base.py"),
    ],
)
def test_mistakes(arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert command_line.run(hct.main, arguments) == command_line.USER_ERROR_EXIT_CODE
    assert message in capsys.readouterr().err and not list(tmp_path.iterdir())


@pytest.mark.parametrize("text", ["512", "x512", "512x32", "axb"])
def test_sizes_that_are_none(text, capsys):
    with pytest.raises(SystemExit):
        hct.main(["--sizes", text])
    assert (
        f"expected HEIGHTxWIDTH of at least 64 pixels each, received {text!r}"
        in capsys.readouterr().err
    )


def test_the_image_is_the_same_every_time():
    image, label = image_and_label((64, 96))
    assert (
        image.shape == (1, 64, 96, 1)
        and image.dtype == np.float32
        and label.max() < NUM_CLASSES
    )
    assert np.array_equal(image, image_and_label((64, 96))[0])


def test_error_in_a_side_comes_through(tmp_path):
    pytest.importorskip("torch")
    (tmp_path / "hct_base.py").write_text("import nonsense_that_is_not_there\n")
    with pytest.raises(
        Exception,
        match="--original needs .* No module named 'nonsense_that_is_not_there'",
    ):
        with make_side(ORIGINAL, "hct", (64, 64), tmp_path, None):
            pass


@pytest.mark.slow
def test_a_side_of_ours():
    with make_side(OURS, "hct", (128, 96), None, None) as side:
        assert side.milliseconds(FORWARD) > 0 and side.result(STEP) > 0
        assert side.result(FORWARD).shape == (1, NUM_CLASSES)
        peak, libraries = side.memory_mib()
        assert peak > libraries > 100
