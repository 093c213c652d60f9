"""Files and folders that are there whole or not at all."""

import csv
import json
import os
import pathlib
import re

import pytest

import keras_medformers
from keras_medformers.support.whole_files import (
    PARTIAL,
    whole_file,
    whole_folder,
    write_bytes,
    write_csv,
    write_json,
    write_text,
)

HOUSE = pathlib.Path(keras_medformers.__file__).parents[1]


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_there_when_the_block_has_ended(tmp_path):
    path = tmp_path / "model.weights.h5"
    path.write_bytes(b"before")
    with whole_file(path) as temporary:
        assert temporary.parent == tmp_path
        assert temporary.name.startswith(PARTIAL)
        assert temporary.name.endswith(".weights.h5")  # Keras looks at it
        temporary.write_bytes(b"after")
        assert path.read_bytes() == b"before"
    assert path.read_bytes() == b"after"
    assert names(tmp_path) == ["model.weights.h5"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_block_that_raises_leaves_the_file_of_before(tmp_path, error):
    path = tmp_path / "table.csv"
    path.write_text("before")
    with pytest.raises(error), whole_file(path) as temporary:
        temporary.write_text("half")
        raise error
    assert path.read_text() == "before"
    assert names(tmp_path) == ["table.csv"]


def test_a_block_that_raises_before_it_writes_leaves_nothing(tmp_path):
    with pytest.raises(ValueError), whole_file(tmp_path / "a"):
        raise ValueError
    assert not names(tmp_path)


def test_a_block_that_writes_nothing_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError), whole_file(tmp_path / "a"):
        pass


def test_what_a_killed_process_left_is_overwritten(tmp_path):
    (tmp_path / f"{PARTIAL}a.txt").write_text("half of something longer")
    write_text(tmp_path / "a.txt", "whole")
    assert names(tmp_path) == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "whole"


def test_a_folder_is_there_when_the_block_has_ended(tmp_path):
    left = tmp_path / f"{PARTIAL}epoch-0001"
    left.mkdir()
    (left / "of_a_killed_process").write_text("")
    path = tmp_path / "epoch-0001"
    with whole_folder(path) as temporary:
        (temporary / "state.json").write_text("{}")
        assert not path.exists()
    assert names(tmp_path) == ["epoch-0001"]
    assert names(path) == ["state.json"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_folder_whose_block_raises_is_not_there(tmp_path, error):
    with pytest.raises(error), whole_folder(tmp_path / "a") as temporary:
        (temporary / "half").write_text("")
        raise error
    assert not names(tmp_path)


def test_a_folder_that_is_there_is_kept(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "file").write_text("before")
    with pytest.raises(OSError), whole_folder(tmp_path / "a") as temporary:
        (temporary / "file").write_text("after")
    assert (tmp_path / "a" / "file").read_text() == "before"
    assert names(tmp_path) == ["a"]


def test_the_mode_of_the_file_is_the_writers(tmp_path):
    with whole_file(tmp_path / "secret") as temporary:
        os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT, 0o600))
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600


def test_texts_bytes_tables_and_json(tmp_path):
    write_text(tmp_path / "a.txt", "eins\r\nzwei\n\u00b5")
    assert (tmp_path / "a.txt").read_bytes() == "eins\r\nzwei\n\u00b5".encode()
    write_bytes(tmp_path / "a.bin", b"\0\r\n")
    assert (tmp_path / "a.bin").read_bytes() == b"\0\r\n"
    write_csv(tmp_path / "a.csv", ("file", "reason"), [("a,b", 1), ("c", 2)])
    assert (tmp_path / "a.csv").read_bytes() == b'file,reason\n"a,b",1\nc,2\n'
    with (tmp_path / "a.csv").open(newline="") as file:
        assert list(csv.reader(file))[1] == ["a,b", "1"]
    write_json(tmp_path / "a.json", {"b": [1], "a": None})
    text = (tmp_path / "a.json").read_text()
    assert json.loads(text) == {"b": [1], "a": None}
    assert text == '{\n  "b": [\n    1\n  ],\n  "a": null\n}\n'
    write_json(tmp_path / "a.json", {"b": 1, "a": 2}, indent=None, sort_keys=True)
    assert (tmp_path / "a.json").read_text() == '{"a": 2, "b": 1}\n'


def test_json_that_cannot_be_written_leaves_what_was_there(tmp_path):
    write_json(tmp_path / "a.json", 1)
    with pytest.raises(ValueError):
        write_json(tmp_path / "a.json", float("nan"), allow_nan=False)
    assert (tmp_path / "a.json").read_text() == "1\n"


def test_nobody_else_renames_what_he_has_written():
    by_hand = re.compile(
        r"\bos\.(replace|rename)\(|\b(partial|temporary|tmp)\.(replace|rename)\("
    )
    found = {
        str(path.relative_to(HOUSE))
        for package in ("keras_medformers", "data_prep", "training", "benchmarks")
        for path in (HOUSE / package).rglob("*.py")
        if by_hand.search(path.read_text(encoding="utf-8"))
    }
    assert found == {"keras_medformers/support/whole_files.py"}
