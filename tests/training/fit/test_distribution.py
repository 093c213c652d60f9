"""Training mirrored over two devices, in a process of its own: they are made once per process."""

import json
import os
import pathlib
import subprocess
import sys

import pytest
import tensorflow as tf
from small_records import SMALL_MODEL, small_config, small_picture_config

from training.fit.distribution import make_strategy

TWO_DEVICES = """
import pathlib
import sys

import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

from training.fit import callbacks
from training.runs import session

two, one = map(pathlib.Path, sys.argv[1:])


begin = callbacks.MetricsFile.on_epoch_begin


def interrupted(self, epoch, logs=None):
    if epoch == 1:
        raise KeyboardInterrupt
    begin(self, epoch, logs)


callbacks.MetricsFile.on_epoch_begin = interrupted
try:
    session.train(two, devices=["CPU:0", "CPU:1"])
except KeyboardInterrupt:
    callbacks.MetricsFile.on_epoch_begin = begin
    assert callbacks.Checkpoints(two).finished_epochs() == 1
session.train(two, devices=["CPU:0", "CPU:1"])
(two / "model.keras").unlink()  # as if interrupted after the last epoch
session.train(two, devices=["CPU:0", "CPU:1"])
assert tf.distribute.get_strategy().num_replicas_in_sync == 1
session.train(one)
"""


PICTURES_ON_TWO_DEVICES = """
import pathlib
import sys

import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

from training.runs import session

session.train(pathlib.Path(sys.argv[1]), devices=["CPU:0", "CPU:1"])
"""


@pytest.fixture(scope="module")
def runs(phantom_info, tmp_path_factory):
    """Folders of the same run on two devices, interrupted after an epoch, and on one."""
    folder = tmp_path_factory.mktemp("distributed")
    records = folder / "records"
    records.mkdir()
    for path in phantom_info.records_dir.iterdir():
        if path.is_file():
            (records / path.name).write_bytes(path.read_bytes())
    # 6 slices are validated in batches of 4. Re-attention has a BatchNorm, with statistics of each device
    # alone, so only without it are the numbers those of one device.
    config = small_config(
        phantom_info,
        records=str(records),
        epochs=2,
        warmup_epochs=0.0,
        model_config=SMALL_MODEL | {"attention": "mhsa"},
    )
    made = {devices: folder / devices for devices in ("two", "one")}
    for run_dir in made.values():
        run_dir.mkdir()
        config.save(run_dir)
    run_python(TWO_DEVICES, *made.values())
    return made


def run_python(program, *arguments):
    here = pathlib.Path(__file__).parent
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program, *map(str, arguments)],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(
                map(str, (here, here.parent, here.parent.parent))
            ),
        },
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "ran out of data" not in done.stderr


def rows_of(run_dir):
    return [
        json.loads(line)
        for line in (run_dir / "metrics.jsonl").read_text().splitlines()
    ]


@pytest.mark.slow
def test_two_devices_train_as_one(runs):
    two, one = rows_of(runs["two"]), rows_of(runs["one"])
    assert [row["steps"] for row in two] == [3, 6]
    for row, expected in zip(two, one, strict=True):
        assert row.keys() == expected.keys()
        for key in ("loss", "val_log_loss", "val_auroc_any", "learning_rate"):
            assert row[key] == pytest.approx(expected[key], abs=1e-4), key
    assert abs(one[0]["loss"] - one[1]["loss"]) > 1e-3


@pytest.mark.slow
def test_model_trained_on_two_devices_is_whole(runs):
    from training.runs import session

    models = {devices: session.load_model(run_dir) for devices, run_dir in runs.items()}
    for first, second in zip(models["two"].weights, models["one"].weights, strict=True):
        assert abs(first.numpy() - second.numpy()).max() < 1e-3, first.path


@pytest.mark.slow
def test_pictures_train_on_two_devices(picture_info, tmp_path):
    # Its BatchNorms have statistics of each device alone, so the numbers are not those of one device. 14
    # pictures are validated in batches of 4.
    from training.runs import session

    config = small_picture_config(picture_info, epochs=2, warmup_epochs=0.0)
    config.save(tmp_path)
    run_python(PICTURES_ON_TWO_DEVICES, tmp_path)
    rows = rows_of(tmp_path)
    assert [row["steps"] for row in rows] == [7, 14]
    assert rows[1]["loss"] < rows[0]["loss"] < 2.5 and rows[1]["val_log_loss"] < 2.5
    assert session.load_model(tmp_path).output_shape == (None, 7)


def test_the_default_is_one_device_on_a_machine_without_gpus():
    if tf.config.list_logical_devices("GPU"):
        pytest.skip("there are GPUs")
    assert make_strategy().num_replicas_in_sync == 1
    assert make_strategy() is tf.distribute.get_strategy()


def test_one_device_needs_no_mirrors():
    assert not isinstance(make_strategy(["CPU:0"]), tf.distribute.MirroredStrategy)
