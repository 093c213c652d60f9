"""Folders of patients by location of the hemorrhage: labels, bad input, treated and balanced records."""

import collections
import csv
import shutil

import numpy as np
import pytest
import tensorflow as tf
from ct_files import write_ct
from ich_location_files import CLASSES

from data_prep import tfrecords
from data_prep.datasets import ich_location
from data_prep.modalities.head_ct.dicom import HU_MIN
from data_prep.records.examples import parse_example
from data_prep.records.schema import DatasetInfo
from data_prep.records.splits import SPLITS
from keras_medformers.support import command_line
from keras_medformers.support.errors import UserError

SIZE_PX = 96
PATIENTS = {"normal": 10, "deep": 8, "lobar": 4, "subtentorial": 3}
SLICES = 3


def head_with_holder(value, size=SIZE_PX):
    """Stored values of a disk over a thin wall."""
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    hu = np.where(np.hypot(x, y + 5) < size / 3, value, -1000)
    hu[-8:-7, 10:-10] = 60
    return (hu + 1024).astype(np.uint16)


def write_patient(folder, patient="", value=40, slices=SLICES, **elements):
    for index in range(slices):
        write_ct(
            folder / f"{index}.dcm",
            head_with_holder(value + index),
            patient=patient,
            position_mm=5.0 * index,
            StudyInstanceUID=f"study {patient or folder.name}",
            SeriesInstanceUID=f"series {patient or folder.name}",
            **elements,
        )


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    data_dir = tmp_path_factory.mktemp("ich")
    for label, (name, patients) in enumerate(PATIENTS.items()):
        for patient in range(patients):
            write_patient(
                data_dir / name / f"{name}{patient}",
                f"{name} {patient}",
                30 + 10 * label,
            )
    return data_dir


@pytest.fixture
def data_dir(source, tmp_path):
    return shutil.copytree(source, tmp_path / "data")


def build(data_dir, records, *arguments):
    options = [
        "--dataset=ich_location",
        f"--data-dir={data_dir}",
        f"--records={records}",
        "--workers=1",
    ]
    options += [
        f"--image-size={SIZE_PX}",
        "--shards=1",
        f"--id-key-file={records.parent / 'key'}",
    ]
    return command_line.run(tfrecords.main, [*options, *arguments])


def read(records):
    info = DatasetInfo.load(records)
    parse = lambda one: parse_example(one, info.label_names, info.extra_label_names)
    by_split = {}
    for split in SPLITS:
        files = [str(path) for path in info.shard_files(split)]
        by_split[split] = list(
            tf.data.TFRecordDataset(files).map(parse).as_numpy_iterator()
        )
    return info, by_split


def reasons(records):
    with (records / "rejects.csv").open() as file:
        return {row["file"]: row["reason"] for row in csv.DictReader(file)}


def test_folders_become_labels(source):
    listing = ich_location.list_slices(source)
    assert len(listing.files) == SLICES * sum(PATIENTS.values()) and not listing.rejects
    for file, label, location in zip(
        listing.files,
        listing.labels[:, 0],
        listing.extra_labels["location"],
        strict=True,
    ):
        name = file.split("/")[0]
        assert label == (name != "normal") and location == CLASSES.index(name) - 1


def test_records_are_treated_and_only_the_training_split_is_balanced(source, tmp_path):
    assert build(source, tmp_path / "records") == 0
    info, by_split = read(tmp_path / "records")
    settings = [info.config[name] for name in ("treatment", "balance", "split")]
    assert settings == ["mask", "train", "patient"]
    assert info.label_names == ("any",) and info.extra_label_names == ("location",)
    names, patients = collections.Counter(), collections.defaultdict(set)
    for split, examples in by_split.items():
        locations = [int(example["location"]) for example in examples]
        counted = {
            str(value): locations.count(value)
            for value in range(3)
            if value in locations
        }
        assert info.splits[split]["extra_labels"]["location"] == counted
        for example in examples:
            assert example["labels"][0] == (example["location"] >= 0)
            assert example["image"][-8].max() == HU_MIN
            assert example["image"][SIZE_PX // 2, SIZE_PX // 2] == (
                30 + 10 * (example["location"] + 1) + example["series_index"]
            )
            names[example["source_id"]] += 1
            patients[example["patient_id"]].add(split)
    assert max(names.values()) == 1 and all(
        len(splits) == 1 for splits in patients.values()
    )
    train = info.splits["train"]
    counts = list(train["extra_labels"]["location"].values())
    assert (
        max(counts) < 2 * min(counts) and train["records"] < 3 * train["labels"]["any"]
    )
    copies = [name for name in names if b"-" in name]
    assert copies and all(
        b"-" not in one["source_id"]
        for one in by_split["test"] + by_split["validation"]
    )
    unbalanced = tmp_path / "unbalanced"
    assert build(source, unbalanced, "--balance=none", "--treatment=none") == 0
    info, by_split = read(unbalanced)
    assert sum(map(len, by_split.values())) == SLICES * sum(PATIENTS.values())
    assert by_split["train"][0]["image"][-8].max() == 60


def test_the_papers_way_puts_copies_on_both_sides_and_says_so(source, tmp_path, caplog):
    assert (
        build(source, tmp_path / "records", "--balance=before-split", "--split=paper")
        == 0
    )
    assert "copies sit on both sides, and test scores will be too good" in caplog.text
    _, by_split = read(tmp_path / "records")
    originals = {
        split: {one["source_id"].split(b"-")[0] for one in by_split[split]}
        for split in SPLITS
    }
    assert originals["test"] & originals["train"]


def test_files_that_do_not_belong_are_named_and_set_aside(data_dir, tmp_path):
    deep = data_dir / "deep" / "deep0"
    (deep / "Thumbs.db").write_bytes(b"x")
    (deep / "report").write_bytes(b"no slice")
    (data_dir / "lobar" / "loose.dcm").write_bytes(b"x")
    (data_dir / "notes").mkdir()
    write_patient(data_dir / "normal" / "two folders", "deep 1", slices=1)
    write_ct(
        data_dir / "normal" / "normal0" / "small.dcm", head_with_holder(40, 64), patient="normal 0",
        StudyInstanceUID="study normal 0", SeriesInstanceUID="series normal 0",
    )  # fmt: skip
    air = np.zeros((SIZE_PX, SIZE_PX), np.uint16)
    write_ct(data_dir / "normal" / "normal1" / "air.dcm", air, patient="normal 1")
    assert build(data_dir, tmp_path / "records", "--max-reject-share=0.3") == 0
    why = reasons(tmp_path / "records")
    assert "no slice by its name (.db)" in why["deep/deep0/Thumbs.db"]
    assert "Rows" in why["deep/deep0/report"] or "DICOM" in why["deep/deep0/report"]
    assert why["lobar/loose.dcm"] == "lies in no patient's folder"
    in_both = [
        file
        for file, reason in why.items()
        if "several class folders: deep, normal" in reason
    ]
    assert len(in_both) == SLICES + 1
    sizes = [
        file
        for file, reason in why.items()
        if "several sizes: 64 x 64 and 96 x 96 pixels" in reason
    ]
    assert len(sizes) == SLICES + 1 and "normal/normal0/small.dcm" in sizes
    assert "shows no head" in why["normal/normal1/air.dcm"]
    assert len(why) == 2 * (SLICES + 1) + 4


def test_patients_without_an_id_are_their_folders(tmp_path):
    for name in CLASSES:
        write_patient(tmp_path / name / "one", slices=1)
        write_patient(tmp_path / name / f"two_{name}", slices=2)
    listing = ich_location.list_slices(tmp_path)
    headers = {
        index: ich_location.header_of_slice(tmp_path / file)
        for index, file in enumerate(listing.files)
    }
    settled, why = ich_location.settle_headers(listing, headers)
    assert {header.patient_id for header in settled.values()} == {
        "one",
        *(f"two_{name}" for name in CLASSES),
    }
    assert {listing.files[index] for index in why} == {
        f"{name}/one/0.dcm" for name in CLASSES
    }


def test_keep_list_chooses_and_is_part_of_what_records_are(data_dir, tmp_path, capsys):
    keep = tmp_path / "keep.txt"
    keep.write_text(
        "\n".join(
            file
            for file in ich_location.list_slices(data_dir).files
            if "/1.dcm" in file
        )
    )
    assert (
        build(data_dir, tmp_path / "records", f"--keep-list={keep}", "--balance=none")
        == 0
    )
    info, by_split = read(tmp_path / "records")
    assert (
        sum(map(len, by_split.values())) == sum(PATIENTS.values()) and info.rejects == 0
    )
    assert build(data_dir, tmp_path / "records", "--balance=none") == 2
    assert "the data in" in capsys.readouterr().err


def test_folders_that_are_missing_double_or_empty_are_errors(data_dir):
    (data_dir / "Deep").mkdir()
    with pytest.raises(UserError, match="has the folders Deep and deep; expected"):
        ich_location.list_slices(data_dir)
    shutil.rmtree(data_dir / "deep")
    with pytest.raises(UserError, match="Deep has no slice in a patient's folder"):
        ich_location.list_slices(data_dir)
    (data_dir / "Deep").rmdir()
    with pytest.raises(
        UserError,
        match="has no folder deep; expected the folders normal/, deep/, lobar/",
    ):
        ich_location.list_slices(data_dir)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--dataset=rsna_ich", "--balance=train"], "rsna_ich has none; leave it out"),
        (
            ["--dataset=kvasir", "--treatment=mask"],
            "--treatment is for CT; kvasir has photographs",
        ),
        (
            ["--dataset=ich_location", "--data-dir=absent"],
            "absent does not exist; expected the folders",
        ),
    ],
)
def test_settings_that_do_not_fit_are_errors(arguments, message, capsys):
    assert command_line.run(tfrecords.main, arguments) == 2
    assert message in capsys.readouterr().err
