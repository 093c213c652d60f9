"""The program from DICOM files to records: content, determinism, resumption, rejects, exit codes."""

import csv
import json
import shutil

import numpy as np
import pytest
import tensorflow as tf
from ct_files import write_rsna
from real_dicom import CT_SAMPLES, NOT_CT_SAMPLES, sample, slice_id

from data_prep import tfrecords
from data_prep.modalities.head_ct.dicom import read_slice
from data_prep.records.examples import parse_example
from data_prep.records.schema import DatasetInfo
from data_prep.records.splits import SPLITS
from keras_medformers.support import command_line


def run(data_dir, records, *arguments, dataset="rsna_ich"):
    options = [
        f"--dataset={dataset}",
        f"--data-dir={data_dir}",
        f"--records={records}",
        "--workers=2",
    ]
    options += [
        "--image-size=16",
        "--shards=2",
        f"--id-key-file={records.parent / 'key'}",
    ]
    return command_line.run(tfrecords.main, [*options, *arguments])


def read_records(records):
    info = DatasetInfo.load(records)
    parsed = {}
    for split in SPLITS:
        files = [str(path) for path in info.shard_files(split)]
        for example in tf.data.TFRecordDataset(files).map(parse_example):
            parsed[example["source_id"].numpy().decode()] = (split, example)
    return info, parsed


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    return write_rsna(
        tmp_path_factory.mktemp("rsna"), patients=12, slices_per_patient=5
    )


@pytest.fixture(scope="module")
def records(data_dir, tmp_path_factory):
    folder = tmp_path_factory.mktemp("made") / "records"
    assert run(data_dir, folder, "--image-size=32") == 0
    return folder


def test_every_slice_is_there_once_with_its_pixels_labels_and_place(data_dir, records):
    info, parsed = read_records(records)
    assert len(parsed) == 60 == sum(info.count(split) for split in SPLITS)
    splits_of_patient = {}
    for source_id, (split, example) in parsed.items():
        hu = read_slice(data_dir / "stage_2_train" / f"{source_id}.dcm").hu
        np.testing.assert_array_equal(example["image"][..., 0], hu)
        patient, place = int(source_id[3:6], 16), int(source_id[6:], 16)
        assert example["labels"][0] == patient % 2
        # Slices were written from the top down.
        assert example["series_index"] == 4 - place and example["position_mm"] == 5 * (
            5 - place
        )
        splits_of_patient.setdefault(example["patient_id"].numpy(), set()).add(split)
    assert len(splits_of_patient) == 12
    assert all(len(splits) == 1 for splits in splits_of_patient.values())
    assert info.corrections == {"twelve_bit": 15, "untreated": 0}
    assert info.positives("train")["any"] == sum(
        int(example["labels"][0])
        for split, example in parsed.values()
        if split == "train"
    )


def test_same_bytes_at_any_number_of_processes(data_dir, records, tmp_path):
    assert run(data_dir, tmp_path / "records", "--image-size=32", "--workers=1") == 0
    assert contents(tmp_path / "records") == contents(records)
    assert not list((tmp_path / "records").glob(".build*"))


def test_finished_build_is_left_alone_and_another_needs_overwrite(
    data_dir, records, capsys
):
    before = contents(records)
    assert run(data_dir, records, "--image-size=32") == 0
    assert contents(records) == before
    assert run(data_dir, records, "--image-size=16") == 2
    assert "image_size (32, now 16) differ; give --overwrite" in capsys.readouterr().err
    assert contents(records) == before


def test_interrupted_build_goes_on_where_it_was(data_dir, records, tmp_path):
    assert run(data_dir, tmp_path / "records") == 0
    finished = contents(tmp_path / "records")
    # A folder as an interruption leaves it: no description, one shard done, one half written.
    interrupted = tmp_path / "interrupted"
    info = json.loads(finished["dataset_info.json"])
    work = interrupted / ".build"
    work.mkdir(parents=True)
    identity = {
        key: info[key] for key in ("config", "source_fingerprint", "schema_version")
    }
    (work / "build.json").write_text(json.dumps(identity))
    (interrupted / ".partial-train-00001-of-00002.tfrecord").write_bytes(b"half")
    assert run(data_dir, interrupted) == 0
    assert contents(interrupted) == finished
    # With other settings an unfinished build is not mixed up.
    (interrupted / "dataset_info.json").unlink()
    work.mkdir()
    (work / "build.json").write_text(json.dumps(identity))
    assert run(data_dir, interrupted, "--seed=5") == 2
    assert run(data_dir, interrupted, "--seed=5", "--overwrite") == 0
    assert contents(interrupted) != finished


def test_shards_that_are_done_are_not_written_again(data_dir, tmp_path, monkeypatch):
    from data_prep.records import build, writer

    # Keep what a build leaves behind just before its end.
    monkeypatch.setattr(
        writer,
        "finish",
        lambda records_dir: shutil.copytree(records_dir, tmp_path / "kept"),
    )
    assert run(data_dir, tmp_path / "records") == 0
    monkeypatch.undo()
    kept = tmp_path / "kept"
    (kept / build.schema.INFO_NAME).unlink()
    missing = "train-00001-of-00002.tfrecord"
    (kept / missing).unlink()
    inodes = {path.name: path.stat().st_ino for path in kept.glob("*.tfrecord")}
    assert run(data_dir, kept) == 0
    assert {name: (kept / name).stat().st_ino for name in inodes} == inodes
    assert (kept / missing).read_bytes() == (
        tmp_path / "records" / missing
    ).read_bytes()


def test_bad_files_are_set_aside_and_too_many_end_with_an_error(
    data_dir, tmp_path, capsys
):
    damaged = tmp_path / "damaged"
    shutil.copytree(data_dir, damaged)
    folder = damaged / "stage_2_train"
    (folder / "ID_000000.dcm").unlink()
    (folder / "ID_001000.dcm").write_bytes(b"")
    whole = (folder / "ID_002000.dcm").read_bytes()
    (folder / "ID_002000.dcm").write_bytes(whole[: len(whole) - 200])
    (folder / "ID_eee.dcm").write_bytes(whole)
    records = tmp_path / "records"
    assert run(damaged, records) == 2
    message = capsys.readouterr().err
    assert "4 of 61 slices were set aside (6.6%)" in message and "kept" in message
    info, parsed = read_records(records)
    assert len(parsed) == 57 and info.rejects == 4
    with (records / "rejects.csv").open() as file:
        reasons = {row["file"]: row["reason"] for row in csv.DictReader(file)}
    assert "missing" in reasons["stage_2_train/ID_000000.dcm"]
    assert "Rows" in reasons["stage_2_train/ID_001000.dcm"]
    assert "cannot be decoded" in reasons["stage_2_train/ID_002000.dcm"]
    assert "no label" in reasons["stage_2_train/ID_eee.dcm"]
    # Saying that it is well is enough; nothing is done again.
    before = contents(records)
    assert run(damaged, records) == 2
    assert run(damaged, records, "--max-reject-share=0.1") == 0
    assert contents(records) == before


def test_real_files_go_through_and_what_is_no_ct_slice_is_set_aside(
    real_rsna_dir, tmp_path
):
    records = tmp_path / "records"
    assert (
        run(real_rsna_dir, records, "--image-size=512", "--max-reject-share=0.5") == 0
    )
    info, parsed = read_records(records)
    assert sorted(parsed) == [slice_id(index) for index in range(len(CT_SAMPLES))]
    for index, name in enumerate(CT_SAMPLES):
        _, example = parsed[slice_id(index)]
        hu = read_slice(sample(name)).hu
        if hu.shape == (512, 512):
            np.testing.assert_array_equal(example["image"][..., 0], hu)
        # Identifiers of files that are not public pseudonyms do not get into records.
        assert len(example["patient_id"].numpy()) == 16
    same_patient = {
        parsed[slice_id(index)][1]["patient_id"].numpy() for index in range(4)
    }
    assert len(same_patient) == 1
    assert info.rejects == len(NOT_CT_SAMPLES)
    assert "CQ500" not in "".join(
        path.read_bytes().decode("latin-1") for path in records.iterdir()
    )


def test_only_bad_files_is_an_error_that_says_why(data_dir, tmp_path, capsys):
    shutil.copytree(data_dir, tmp_path / "bad")
    for path in (tmp_path / "bad" / "stage_2_train").iterdir():
        path.write_bytes(b"no image")
    assert run(tmp_path / "bad", tmp_path / "records") == 2
    assert "none of 60 slices" in capsys.readouterr().err
    assert (tmp_path / "records" / "rejects.csv").read_text().count("\n") == 61


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--dataset=rsna"], "unknown data set 'rsna'. Did you mean rsna_ich"),
        (["--dataset=rsna_ich", "--data-dir=absent"], "absent does not exist"),
        (["--fractions=0.5,0.5"], "--fractions is '0.5,0.5'"),
        (["--fractions=0.5,0.2,0.1"], "sum to 1"),
        (["--workers=0"], "--workers is 0"),
        (["--image-size=0"], "--image-size is 0"),
    ],
)
def test_mistakes_get_one_line_and_exit_code_2(arguments, message, capsys):
    assert command_line.run(tfrecords.main, arguments) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
