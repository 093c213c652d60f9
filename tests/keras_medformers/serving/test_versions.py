"""Folders of versions while exports run side by side, fail or are killed."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from keras_medformers.serving import versions
from keras_medformers.serving.versions import new_version

WRITE_AND_WAIT = """
import importlib.util, pathlib, sys, time
spec = importlib.util.spec_from_file_location("versions", sys.argv[1])
versions = importlib.util.module_from_spec(spec)
spec.loader.exec_module(versions)
with versions.new_version(pathlib.Path(sys.argv[2])) as version:
    version.path.mkdir()
    (version.path / "saved_model.pb").write_text("half of it")
    print("written", flush=True)
    time.sleep(60)
"""


def numbers(folder):
    return sorted(int(path.name) for path in folder.iterdir() if path.name.isdecimal())


def write(directory, content="all"):
    with new_version(directory) as version:
        version.path.mkdir()
        (version.path / "saved_model.pb").write_text(content)
        return version.publish()


def test_a_killed_export_leaves_nothing_that_looks_like_a_version(tmp_path):
    arguments = [sys.executable, "-c", WRITE_AND_WAIT, versions.__file__, str(tmp_path)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "written\n"
        process.send_signal(signal.SIGKILL)
    (left,) = tmp_path.iterdir()
    assert (
        left.name.startswith(".partial-")
        and (left / "model" / "saved_model.pb").is_file()
    )
    assert write(tmp_path).name == "1"
    assert left.is_dir()  # it could be an export that is still running
    long_ago = left.stat().st_mtime - versions.ABANDONED_AFTER_S - 1
    os.utime(left, (long_ago, long_ago))
    assert write(tmp_path).name == "2"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1", "2"]


def test_exports_side_by_side_get_numbers_of_their_own(tmp_path):
    barrier, published = threading.Barrier(8), []

    def export(content):
        with new_version(tmp_path) as version:
            version.path.mkdir()
            (version.path / "saved_model.pb").write_text(content)
            barrier.wait()
            published.append((version.publish(), content))

    threads = [threading.Thread(target=export, args=(str(i),)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert numbers(tmp_path) == list(range(1, 9))
    assert len(list(tmp_path.iterdir())) == 8
    for path, content in published:
        assert (path / "saved_model.pb").read_text() == content


def test_a_failed_export_leaves_nothing(tmp_path):
    with pytest.raises(KeyError):
        with new_version(tmp_path / "new") as version:
            version.path.mkdir()
            raise KeyError
    assert list((tmp_path / "new").iterdir()) == []


def test_a_version_is_readable_by_others(tmp_path):
    """The folder that is being written is its writer's alone; a server is often another user."""
    mask = os.umask(0o022)
    try:
        assert write(tmp_path).stat().st_mode & 0o777 == 0o755
    finally:
        os.umask(mask)
