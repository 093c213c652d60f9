"""Class folders with and without split folders: classes, splits, what is passed over, what is an error."""

import numpy as np
import pytest
from photograph_files import encode, scene

from data_prep import tfrecords
from data_prep.datasets import image_folder
from data_prep.records.schema import DatasetInfo
from data_prep.records.split_rules import OPEN, ToSplit, by_folder
from keras_medformers.support import command_line
from keras_medformers.support.errors import UserError


def write_classes(folder, classes=("n02", "n01", "n03"), per_class=4):
    """Writes class folders of JPEG files named as ImageNet's."""
    for name in classes:
        (folder / name).mkdir(parents=True)
        for number in range(per_class):
            data = encode(scene(9, 12, number), "JPEG")
            (folder / name / f"{name}_{number}.JPEG").write_bytes(data)
    return folder


def make_records(data_dir, records, *arguments):
    options = [
        "--dataset=image_folder",
        f"--data-dir={data_dir}",
        f"--records={records}",
        "--workers=2",
    ]
    options += ["--shards=1", f"--id-key-file={records.parent / 'key'}"]
    assert command_line.run(tfrecords.main, [*options, *arguments]) == 0
    return DatasetInfo.load(records)


def test_classes_are_the_folders_in_order_and_pictures_may_lie_deeper(tmp_path):
    write_classes(tmp_path, per_class=2)
    (tmp_path / "n01" / "images").mkdir()
    (tmp_path / "n01" / "n01_0.JPEG").rename(tmp_path / "n01" / "images" / "n01_0.JPEG")
    for hidden in (".thumbnails", "__MACOSX"):
        write_classes(tmp_path / hidden, ("n09",))
    (tmp_path / "contact_sheet.png").write_bytes(encode(scene(), "PNG"))
    listing = image_folder.list_images(tmp_path)
    assert listing.label_names == ("n01", "n02", "n03")
    assert len(listing.files) == 6 and "n01/images/n01_0.JPEG" in listing.files
    assert all((tmp_path / file).is_file() for file in listing.files)
    named = [listing.label_names[label] for label in listing.labels.argmax(axis=1)]
    assert named == [file.split("/")[0] for file in listing.files]
    np.testing.assert_array_equal(listing.labels.sum(axis=1), 1)
    np.testing.assert_array_equal(listing.published_splits, OPEN)


@pytest.mark.parametrize("validation", ["val", "validation"])
def test_split_folders_are_kept_and_a_missing_one_is_cut_from_train(
    tmp_path, validation
):
    data_dir = tmp_path / "photographs"
    write_classes(data_dir / "train", per_class=20)
    write_classes(data_dir / validation, ("n01", "n03"), per_class=3)
    info = make_records(data_dir, tmp_path / "records", "--fractions=0.7,0.1,0.2")
    assert (info.modality, info.exclusive_labels) == ("photograph", True)
    assert info.label_names == ("n01", "n02", "n03")
    assert info.positives("validation") == {"n01": 3, "n02": 0, "n03": 3}
    assert info.count("test") == 13 and set(info.positives("test").values()) == {4, 5}
    assert info.count("train") == 47


def test_all_three_folders_are_the_split_whatever_the_shares(tmp_path):
    for split, per_class in (("train", 3), ("val", 2), ("test", 1)):
        write_classes(tmp_path / "data" / split, per_class=per_class)
    info = make_records(tmp_path / "data", tmp_path / "records")
    assert [info.count(split) for split in ("train", "validation", "test")] == [9, 6, 3]


def test_a_split_folder_without_classes_and_other_folders_are_passed_over(
    tmp_path, caplog
):
    write_classes(tmp_path / "train")
    (tmp_path / "val").mkdir()
    (tmp_path / "val" / "ILSVRC2012_val_00000001.JPEG").write_bytes(
        encode(scene(), "JPEG")
    )
    (tmp_path / "devkit").mkdir()
    listing = image_folder.list_images(tmp_path)
    assert len(listing.files) == 12 and set(listing.published_splits) == {OPEN}
    assert "val has no class folders: its split is cut from train" in caplog.text
    assert "passed over devkit beside train" in caplog.text


def test_errors_name_the_folder(tmp_path):
    with pytest.raises(
        UserError, match="absent does not exist; expected a folder per class"
    ):
        image_folder.DATASET.prepare(tmp_path / "absent")
    write_classes(tmp_path / "train", ("n01",))
    with pytest.raises(UserError, match="train has 1 classes, expected 2 or more"):
        image_folder.list_images(tmp_path)
    (tmp_path / "train" / "n02").mkdir()
    with pytest.raises(UserError, match="class n02 of .* has no picture to train on"):
        image_folder.list_images(tmp_path)
    write_classes(tmp_path / "test", ("n05",))
    with pytest.raises(
        UserError, match="test has the class n05, which .*train has not"
    ):
        image_folder.list_images(tmp_path)
    write_classes(tmp_path / "val")
    write_classes(tmp_path / "validation")
    with pytest.raises(UserError, match="has val and validation, expected one"):
        image_folder.list_images(tmp_path)


def test_shares_hold_over_all_and_in_each_of_very_many_classes():
    classes, per_class = 400, 13
    labels = np.repeat(np.eye(classes, dtype=np.int8), per_class, axis=0)
    ids = [f"{index:05d}" for index in range(len(labels))]
    images = ToSplit(ids, ids, labels, np.full(len(ids), OPEN))
    splits = by_folder(images, (0.8, 0.1, 0.1), seed=0, fold=0)
    np.testing.assert_allclose(
        np.bincount(splits) / len(ids), (0.8, 0.1, 0.1), atol=0.001
    )
    trained = np.bincount(labels.argmax(axis=1)[splits == 0], minlength=classes)
    assert trained.min() >= 9 and trained.max() <= 12
    assert (splits == by_folder(images, (0.8, 0.1, 0.1), 0, 0)).all()
    assert (splits != by_folder(images, (0.8, 0.1, 0.1), 1, 0)).any()
    backwards = ToSplit(ids[::-1], ids[::-1], labels[::-1], images.published)
    np.testing.assert_array_equal(
        by_folder(backwards, (0.8, 0.1, 0.1), 0, 0)[::-1], splits
    )
