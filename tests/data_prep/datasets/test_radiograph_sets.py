"""Radiographs in class folders and by a list with several labels."""

import csv

import numpy as np
import pytest
import tensorflow as tf
from radiograph_files import HEIGHT_PX, WIDTH_PX, write_chest

from data_prep import tfrecords
from data_prep.datasets import radiograph_csv, radiograph_folders
from data_prep.records.examples import parse_example
from data_prep.records.schema import DatasetInfo
from data_prep.records.splits import SPLITS
from keras_medformers.support import command_line
from keras_medformers.support.errors import UserError

LABELS = ("Mass", "Effusion")


def build(dataset, data_dir, records, *arguments):
    options = [
        f"--dataset={dataset}",
        f"--data-dir={data_dir}",
        f"--records={records}",
        f"--id-key-file={records.parent / 'key'}",
        "--workers=1",
        "--shards=1",
    ]
    assert command_line.run(tfrecords.main, [*options, *arguments]) == 0
    return DatasetInfo.load(records)


def read(info):
    """By source id, the split and the parsed record."""
    found = {}
    for split in SPLITS:
        for serialized in tf.data.TFRecordDataset(
            [str(path) for path in info.shard_files(split)]
        ):
            record = parse_example(serialized, info.label_names, modality=info.modality)
            found[record["source_id"].numpy().decode()] = (split, record)
    return found


def rejects(records):
    with (records / "rejects.csv").open() as file:
        return {row["file"]: row["reason"] for row in csv.DictReader(file)}


def write_list(data_dir, rows, columns=("file", "patient", "split", *LABELS)):
    data_dir.mkdir(parents=True, exist_ok=True)
    with (data_dir / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows([columns, *rows])


def test_records_of_a_list_have_several_labels_and_patients_whole(tmp_path):
    data_dir, rows = tmp_path / "data", []
    for patient in range(10):
        for number in range(2):
            name = f"{patient}/{number}.{'dcm' if number else 'png'}"
            write_chest(data_dir / name, spot=patient % 2 == 0)
            mass = int(patient % 2 == 0)
            rows.append([name, f"p{patient}", "", mass, int(patient % 3 == 0)])
    rows.append(["lost.dcm", "p1", "", 0, 0])
    write_list(data_dir, rows)
    info = build(
        "radiograph_csv", data_dir, tmp_path / "records", "--max-reject-share=0.1"
    )

    assert (info.modality, info.exclusive_labels) == ("radiograph", False)
    assert info.label_names == LABELS
    assert info.image_shape is None
    assert info.config["image_size"] == 512
    assert rejects(tmp_path / "records") == {"lost.dcm": "is not on disk"}
    found = read(info)
    assert len(found) == 20
    splits_of = {}
    for split, record in found.values():
        splits_of.setdefault(record["patient_id"].numpy(), set()).add(split)
        assert record["image"].shape == (HEIGHT_PX, WIDTH_PX, 1)
        assert record["image"].dtype == tf.uint16
    assert len(splits_of) == 10
    assert all(len(splits) == 1 for splits in splits_of.values())
    assert sum(int(record["labels"][0]) for _, record in found.values()) == 10


def test_png_and_dicom_of_one_picture_are_one_picture(tmp_path):
    data_dir = tmp_path / "data"
    for name in ("a.png", "b.dcm"):
        write_chest(data_dir / name)
    rows = [["a.png", "", "train", 1, 0], ["b.dcm", "", "test", 0, 0]]
    write_list(data_dir, rows)
    info = build("radiograph_csv", data_dir, tmp_path / "records", "--image-size=32")
    found = sorted(read(info).values(), key=lambda each: each[0])
    (first, test), (second, train) = found
    assert (first, second) == ("test", "train")
    assert train["image"].shape == (32, 24, 1)
    np.testing.assert_allclose(
        train["image"].numpy().astype(int), test["image"].numpy().astype(int), atol=17
    )


def test_a_list_without_patients_takes_those_of_the_headers(tmp_path):
    data_dir = tmp_path / "data"
    for number in range(8):
        write_chest(data_dir / f"{number}.dcm", PatientID=f"p{number // 2}")
    rows = [[f"{number}.dcm", number % 2] for number in range(8)]
    write_list(data_dir, rows, ("file", "Mass"))
    info = build("radiograph_csv", data_dir, tmp_path / "records")
    assert sum(split["patients"] for split in info.splits.values()) == 4


def test_rows_that_cannot_be_used_are_set_aside(tmp_path):
    for name in ("a", "b", "c", "d", "e"):
        write_chest(tmp_path / f"{name}.png")
    write_list(
        tmp_path,
        [
            ["a.png", "p1", "train", 1, 0],
            ["b.png", "p2", "train", 2, 0],
            ["c.png", "p3", "nowhere", 1, 0],
            ["d.png", "p4", "test", 1, 0],
            ["d.png", "p4", "test", 0, 0],
            ["../e.png", "p5", "test", 0, 0],
        ],
    )
    listing = radiograph_csv.list_images(tmp_path)
    assert listing.files == ["a.png"]
    assert {one.file: one.reason for one in listing.rejects} == {
        "b.png": "Mass is '2', expected 0 or 1",
        "c.png": "split is 'nowhere', expected one of train, validation, test",
        "d.png": "its rows contradict each other in Mass",
        "../e.png": "its path leads out of the data folder",
    }


def test_a_patient_on_both_sides_of_a_listed_split_is_set_aside(tmp_path):
    data_dir = tmp_path / "data"
    for name in ("a", "b", "c", "d"):
        write_chest(data_dir / f"{name}.png")
    splits = ("train", "test", "train", "validation")
    patients = ("p1", "p1", "p2", "p3")
    rows = [
        [f"{name}.png", patient, split, 0, 1]
        for name, patient, split in zip("abcd", patients, splits, strict=True)
    ]
    write_list(data_dir, rows)
    build("radiograph_csv", data_dir, tmp_path / "records", "--max-reject-share=0.5")
    reason = "its patient is in several splits: train, test"
    assert rejects(tmp_path / "records") == {"a.png": reason, "b.png": reason}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "labels.csv does not exist; expected labels.csv"),
        ("file,patient\na,b\n", "has the columns file,patient; expected"),
        ("Mass\n1\n", "has the columns Mass; expected"),
        ("file,Mass\n", "has no row"),
        (
            "file,Mass\nlost.png,1\n",
            "names no usable file; the first, lost.png, is not",
        ),
    ],
)
def test_a_list_that_is_none_is_an_error(tmp_path, text, message):
    if text is not None:
        (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(UserError, match=message):
        radiograph_csv.list_images(tmp_path)


def test_class_folders_are_classes_and_patients_stay_whole(tmp_path):
    data_dir = tmp_path / "data"
    for label, name in enumerate(("normal", "pneumonia")):
        for number in range(8):
            write_chest(
                data_dir / name / f"{number}.dcm",
                spot=bool(label),
                PatientID=f"{name}{number // 2}",
            )
    write_chest(data_dir / "normal" / "deeper" / "one.png")
    info = build("radiograph_folders", data_dir, tmp_path / "records")
    assert (info.label_names, info.exclusive_labels) == (("normal", "pneumonia"), True)
    assert sum(split["patients"] for split in info.splits.values()) == 9
    assert sum(info.count(split) for split in SPLITS) == 17


def test_folders_of_splits_are_the_splits(tmp_path):
    data_dir = tmp_path / "data"
    for split in ("train", "test"):
        for name in ("normal", "pneumonia"):
            for number in range(6):
                write_chest(
                    data_dir / split / name / f"{number}.dcm",
                    PatientID=f"{split}{name}{number // 2}",
                )
    info = build("radiograph_folders", data_dir, tmp_path / "records")
    assert info.count("test") == 12
    assert info.count("validation") >= 1
    assert info.count("train") + info.count("validation") == 12


def test_a_class_without_radiographs_is_an_error(tmp_path):
    write_chest(tmp_path / "normal" / "a.png")
    (tmp_path / "pneumonia").mkdir()
    with pytest.raises(UserError, match="class pneumonia .* no radiograph to train on"):
        radiograph_folders.list_images(tmp_path)
