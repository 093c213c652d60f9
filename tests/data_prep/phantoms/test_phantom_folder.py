"""The folder of a phantom set: what is claimed, finished and replaced."""

import json
import logging
from dataclasses import asdict, dataclass

import pytest

from data_prep.phantoms.folder import (
    DONE_FILE,
    PROGRESS_DIR,
    UNFINISHED_FILE,
    PhantomFolder,
)
from keras_medformers.support.errors import UserError


@dataclass
class Settings:
    seed: int = 0

    def as_dict(self):
        return asdict(self)


def _folder(path, seed=0, tool_version=1):
    return PhantomFolder(path, tool_version, Settings(seed), ("images",))


def _fill(path):
    for name in ("images", PROGRESS_DIR):
        (path / name).mkdir()
        (path / name / "0").write_text("")


def _names(path):
    return sorted(entry.name for entry in path.iterdir())


def test_a_set_is_claimed_finished_and_found_again(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    folder = _folder(tmp_path / "set")
    assert (
        folder.claim(overwrite=False) is None and folder.claim(overwrite=False) is None
    )
    _fill(folder.path)
    assert _names(folder.path) == [PROGRESS_DIR, "images", UNFINISHED_FILE]
    assert not caplog.messages
    summary = folder.finish({"pictures": 1})
    assert list(summary) == ["tool_version", "config", "pictures"]
    assert _names(folder.path) == ["images", DONE_FILE]
    assert json.loads((folder.path / DONE_FILE).read_text()) == summary
    assert _folder(folder.path).claim(overwrite=False) == summary
    assert caplog.messages == [
        f"{folder.path} is there already, made with the same settings"
    ]


@pytest.mark.parametrize("finished", [False, True])
def test_another_set_is_removed_only_when_asked(tmp_path, finished):
    old = _folder(tmp_path)
    old.claim(overwrite=False)
    _fill(tmp_path)
    if finished:
        old.finish({})
    with pytest.raises(UserError, match="tool version 1, now 2"):
        _folder(tmp_path, tool_version=2).claim(overwrite=False)
    new = _folder(tmp_path, seed=1)
    with pytest.raises(UserError, match=r"seed=0, now 1\); give --overwrite"):
        new.claim(overwrite=False)
    assert (tmp_path / "images" / "0").exists()
    assert new.claim(overwrite=True) is None
    assert _names(tmp_path) == [UNFINISHED_FILE]
    assert json.loads((tmp_path / UNFINISHED_FILE).read_text())["config"] == {"seed": 1}
