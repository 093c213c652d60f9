"""Checkpoint files in every layout, and files that must not be read, or cannot be."""

import os
import pickle
import subprocess
import sys
from argparse import Namespace

import numpy as np
import pytest

from keras_medformers.porting import load_state_dict, read_checkpoint


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


@pytest.fixture
def tensors(torch, state_dict):
    return {name: torch.tensor(array) for name, array in state_dict.items()}


def assert_same(read, state_dict):
    assert sorted(read) == sorted(state_dict)
    for name, array in state_dict.items():
        assert isinstance(read[name], np.ndarray) and read[name].dtype == array.dtype
        np.testing.assert_array_equal(read[name], array)


LAYOUTS = {
    "whole": lambda tensors: tensors,
    "state_dict": lambda tensors: {
        "epoch": 3,
        "state_dict": tensors,
        "optimizer": {"state": {}},
    },
    "model": lambda tensors: {"model": tensors, "best": 0.5, "scheduler": None},
    "net": lambda tensors: {
        "net": tensors,
        "optimizer": {"state": {0: tensors["head.bias"]}},
        "epoch": 90,
    },
    "data_parallel": lambda tensors: {
        f"module.{name}": tensor for name, tensor in tensors.items()
    },
    "net_data_parallel": lambda tensors: {"net": LAYOUTS["data_parallel"](tensors)},
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("suffix", [".pth", ".pt", ".bin"])
def test_torch_layouts(torch, tensors, state_dict, tmp_path, layout, suffix):
    path = tmp_path / f"checkpoint{suffix}"
    torch.save(LAYOUTS[layout](tensors), path)
    assert_same(read_checkpoint(path), state_dict)


def test_a_model_from_a_file_gives_the_outputs_of_the_one_it_came_from(
    torch, small_network, other_small_network, official_state_dict, tmp_path
):
    arrays = official_state_dict(small_network)
    tensors = {name: torch.tensor(array) for name, array in arrays.items()}
    torch.save({"net": tensors}, tmp_path / "small.pth")
    loaded = other_small_network()
    load_state_dict(loaded, read_checkpoint(tmp_path / "small.pth"))
    images = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype("float32")
    np.testing.assert_array_equal(loaded(images), small_network(images))


def test_files_of_old_torch_versions(torch, tensors, state_dict, tmp_path):
    torch.save(
        {"net": tensors}, tmp_path / "old.pth", _use_new_zipfile_serialization=False
    )
    assert_same(read_checkpoint(tmp_path / "old.pth"), state_dict)


def test_short_floats_become_float32_and_others_stay(torch, tmp_path):
    tensors = {
        "half": torch.tensor([0.5, 65504.0], dtype=torch.float16),
        "brain": torch.tensor([0.5, 1e38], dtype=torch.bfloat16),
        "double": torch.tensor([0.1], dtype=torch.float64),
        "count": torch.tensor(7),
        "parameter": torch.nn.Parameter(torch.ones(2)),
    }
    torch.save(tensors, tmp_path / "mixed.pth")
    read = read_checkpoint(tmp_path / "mixed.pth")
    types = {name: array.dtype.name for name, array in read.items()}
    assert types == {
        "half": "float32",
        "brain": "float32",
        "double": "float64",
        "count": "int64",
        "parameter": "float32",
    }
    np.testing.assert_array_equal(read["half"], np.float32([0.5, 65504]))
    np.testing.assert_allclose(read["brain"], [0.5, 1e38], rtol=0.01)


def test_a_tensor_that_is_no_array_is_named(torch, tmp_path):
    torch.save({"mask": torch.eye(3).to_sparse()}, tmp_path / "sparse.pth")
    with pytest.raises(ValueError, match="sparse.pth.*mask"):
        read_checkpoint(tmp_path / "sparse.pth")


def test_safetensors(state_dict, tmp_path):
    safetensors = pytest.importorskip("safetensors.numpy")
    import ml_dtypes

    prefixed = {f"module.{name}": array for name, array in state_dict.items()}
    safetensors.save_file(prefixed, tmp_path / "a.safetensors")
    assert_same(read_checkpoint(tmp_path / "a.safetensors"), state_dict)
    short = {
        "brain": np.array([0.5, 2], ml_dtypes.bfloat16),
        "half": np.array([0.5, 2], "float16"),
    }
    safetensors.save_file(short, tmp_path / "short.safetensors")
    expected = {name: np.float32([0.5, 2]) for name in short}
    assert_same(read_checkpoint(tmp_path / "short.safetensors"), expected)
    content = (tmp_path / "a.safetensors").read_bytes()
    for damaged in (content[:-10], content[:5], b"", b"not at all one of these files"):
        (tmp_path / "damaged.safetensors").write_bytes(damaged)
        with pytest.raises(
            ValueError, match="damaged.safetensors is no whole safetensors file"
        ):
            read_checkpoint(tmp_path / "damaged.safetensors")


class TouchesAFile:
    """An object whose unpickling makes the file `path`."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("place", ["top", "beside", "inside"])
def test_code_in_a_pickle_is_not_run(torch, tensors, tmp_path, place):
    evil = TouchesAFile(tmp_path / "made")
    content = {
        "top": evil,
        "beside": {"net": tensors, "args": evil},
        "inside": {**tensors, "x": evil},
    }[place]
    torch.save(content, tmp_path / "evil.pth")
    with pytest.raises(
        ValueError, match=r"evil.pth.*running its code \(it names .*mkdir\)"
    ):
        read_checkpoint(tmp_path / "evil.pth")
    for protocol in (2, 4):
        (tmp_path / "evil.bin").write_bytes(
            pickle.dumps(content if place == "top" else evil, protocol)
        )
        with pytest.raises(ValueError, match="evil.bin"):
            read_checkpoint(tmp_path / "evil.bin")
    assert not (tmp_path / "made").exists()
    pickle.loads(pickle.dumps(evil))
    assert (tmp_path / "made").exists()


def test_a_pickled_model_is_refused_with_the_way_to_convert_it(
    torch, tensors, tmp_path
):
    torch.save(torch.nn.Sequential(torch.nn.Linear(3, 2)), tmp_path / "model.pth")
    expected = r"model.pth.*container.Sequential.*torch.save\(model.state_dict\(\)"
    with pytest.raises(ValueError, match=expected):
        read_checkpoint(tmp_path / "model.pth")
    torch.save({"net": tensors, "args": Namespace(lr=1)}, tmp_path / "with_args.pth")
    with pytest.raises(
        ValueError, match=r"with_args.pth.*argparse.Namespace.*other objects"
    ):
        read_checkpoint(tmp_path / "with_args.pth")


def test_a_script_is_refused(torch, tmp_path):
    with pytest.warns(DeprecationWarning):
        torch.jit.script(torch.nn.Linear(3, 2)).save(str(tmp_path / "script.pt"))
    with pytest.raises(ValueError, match="script.pt is a TorchScript program"):
        read_checkpoint(tmp_path / "script.pt")


def test_damaged_files_are_named(torch, tensors, tmp_path):
    torch.save(tensors, tmp_path / "new.pth")
    torch.save(tensors, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    new, old = (tmp_path / "new.pth").read_bytes(), (tmp_path / "old.pth").read_bytes()
    truncated = [new[: len(new) // 2], new[:-1], old[:200], old[:-20]]
    for content in [b"", b"hello world", b"<!DOCTYPE html>", *truncated]:
        (tmp_path / "damaged.pth").write_bytes(content)
        with pytest.raises(
            ValueError, match="damaged.pth is no PyTorch checkpoint, or a truncated one"
        ):
            read_checkpoint(tmp_path / "damaged.pth")


def test_other_contents_and_files_are_refused(torch, tensors, tmp_path):
    contents = {
        "elsewhere": {"weights": tensors},
        "twice": {"net": tensors, "model": tensors},
        "list": list(tensors.values()),
        "empty": {},
        "half": {"net": {**tensors, "epoch": 3}},
    }
    for name, content in contents.items():
        torch.save(content, tmp_path / f"{name}.pth")
        with pytest.raises(ValueError, match=f"{name}.pth.*state_dict, model, net"):
            read_checkpoint(tmp_path / f"{name}.pth")
    with pytest.raises(FileNotFoundError, match="absent.pth"):
        read_checkpoint(tmp_path / "absent.pth")
    with pytest.raises(FileNotFoundError):
        read_checkpoint(tmp_path)
    (tmp_path / "weights.h5").touch()
    with pytest.raises(
        ValueError, match=r"\.safetensors, \.pt, \.pth, \.bin.*weights.h5"
    ):
        read_checkpoint(tmp_path / "weights.h5")


def test_without_torch_and_safetensors_the_package_imports_and_says_what_to_install(
    tmp_path,
):
    program = """
import sys

class NotInstalled:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "safetensors"):
            raise ImportError(name)

sys.meta_path.insert(0, NotInstalled())
from keras_medformers.porting import read_checkpoint
for path in sys.argv[1:]:
    try:
        read_checkpoint(path)
    except ValueError as error:
        assert "pip install 'keras_medformers[porting]'" in str(error) and path in str(error), error
    else:
        raise AssertionError(path)
"""
    paths = [tmp_path / "a.pth", tmp_path / "a.safetensors"]
    for path in paths:
        path.touch()
    subprocess.run([sys.executable, "-c", program, *map(str, paths)], check=True)
