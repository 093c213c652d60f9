"""`python -m keras_medformers.porting`: what it writes, what it says, and one line for each mistake."""

import logging
import subprocess
import sys

import keras
import numpy as np
import pytest

from keras_medformers import create_model
from keras_medformers.porting.__main__ import main

SETTINGS = {"input_shape": (64, 64, 3), "window_size": 2, "depths": (1, 1, 1, 1)}
ASSIGNMENTS = ["--set", *(f"{key}={value}" for key, value in SETTINGS.items())]


@pytest.fixture(scope="module")
def source():
    """A HiFuse of four classes with weights that are all different."""
    model = create_model("hifuse_narrow", num_classes=4, **SETTINGS)
    generator = np.random.default_rng(0)
    for weight in model.weights:
        weight.assign(generator.uniform(0.5, 1.5, weight.shape))
    return model


@pytest.fixture
def checkpoint(source, official_state_dict, tmp_path):
    safetensors = pytest.importorskip("safetensors.numpy")
    arrays = official_state_dict(source)
    arrays.update(
        {"norm.weight": np.ones(9, "float32"), "norm.bias": np.ones(9, "float32")}
    )
    safetensors.save_file(arrays, tmp_path / "official.safetensors")
    return tmp_path / "official.safetensors"


def error_of(capsys, *arguments):
    assert main([str(argument) for argument in arguments]) == 2
    output = capsys.readouterr()
    assert (
        output.err.startswith("error: ")
        and output.err.count("\n") == 1
        and not output.out
    )
    return output.err


def assert_same_weights(model, source):
    for ours, theirs in zip(model.weights, source.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs, err_msg=ours.path)


def test_weights_file_with_as_many_classes_as_the_checkpoint(
    source, checkpoint, tmp_path, caplog
):
    with caplog.at_level(logging.INFO):
        output = tmp_path / "ported.weights.h5"
        assert main(["hifuse_narrow", str(checkpoint), str(output), *ASSIGNMENTS]) == 0
    assert_same_weights(
        create_model("hifuse_narrow", 4, weights=output, **SETTINGS), source
    )
    parameters = sum(int(np.prod(weight.shape)) for weight in source.trainable_weights)
    assert (
        f"{len(source.weights)} tensors" in caplog.text
        and f"{parameters:,} trainable" in caplog.text
    )
    assert "Not needed: 2 tensors of norm" in caplog.text
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "official.safetensors",
        "ported.weights.h5",
    ]


def test_keras_file(source, checkpoint, tmp_path):
    assert (
        main(
            ["hifuse_narrow", str(checkpoint), str(tmp_path / "a.keras"), *ASSIGNMENTS]
        )
        == 0
    )
    model = keras.saving.load_model(tmp_path / "a.keras")
    assert_same_weights(model, source)
    images = np.random.default_rng(0).normal(size=(1, 64, 64, 3)).astype("float32")
    np.testing.assert_allclose(model(images), source(images), rtol=1e-6)


def test_help(capsys):
    with pytest.raises(SystemExit) as exit_code:
        main(["--help"])
    assert exit_code.value.code == 0
    output = capsys.readouterr().out
    assert "--num-classes" in output and "hifuse_tiny official.pth" in output


def test_mistakes_are_one_line(checkpoint, tmp_path, capsys):
    out = tmp_path / "out.weights.h5"
    out.write_bytes(b"kept")
    given = ("hifuse_narrow", checkpoint, out)
    assert "num_classes=4" in error_of(capsys, *given, "--num-classes", 5, *ASSIGNMENTS)
    wider = ("--set", *ASSIGNMENTS[1:3], "depths=(1, 1, 2, 1)")
    assert "layers3.blocks.1.attn.qkv.weight" in error_of(capsys, *given, *wider)
    assert "irmlp" in error_of(capsys, *given, "--set", "irmpl=dense")
    assert "--num-classes" in error_of(capsys, *given, "--set", "num_classes=3")
    assert "key=value" in error_of(capsys, *given, "--set", "irmlp")
    assert "hifuse_tiny" in error_of(capsys, "hifuse_tini", checkpoint, out)
    assert "absent.pth" in error_of(
        capsys, "hifuse_narrow", tmp_path / "absent.pth", out
    )
    assert ".weights.h5 or .keras" in error_of(
        capsys, "hifuse_narrow", checkpoint, tmp_path / "out.h5"
    )
    assert "nowhere" in error_of(
        capsys, "hifuse_narrow", checkpoint, tmp_path / "nowhere" / "out.keras"
    )
    assert out.read_bytes() == b"kept"
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "official.safetensors",
        "out.weights.h5",
    ]


def test_runs_as_a_program(tmp_path):
    command = [
        sys.executable,
        "-m",
        "keras_medformers.porting",
        "hifuse_narrow",
        "absent.pth",
        "out.keras",
    ]
    wrong = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert wrong.returncode == 2
    assert wrong.stderr.splitlines()[-1].startswith("error: Expected a checkpoint file")
    assert "Traceback" not in wrong.stderr
