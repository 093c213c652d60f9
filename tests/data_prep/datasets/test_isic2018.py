"""ISIC2018's lists and folder: lesions, repeats, contradictions, mismatches, and what is no such list."""

import shutil

import numpy as np
import pytest
from photograph_files import encode, scene, write_isic2018

from data_prep.datasets import isic2018
from keras_medformers.support.errors import UserError

TRUTH = "ISIC2018_Task3_Training_GroundTruth"
LESIONS = "ISIC2018_Task3_Training_LesionGroupings.csv"
IMAGES = "ISIC2018_Task3_Training_Input"
FIRST = "ISIC_0024306"


@pytest.fixture
def data_dir(tmp_path):
    return write_isic2018(tmp_path / "isic", lesions=4)


def append(path, *rows):
    with path.open("a") as file:
        file.writelines(row + "\n" for row in rows)


def test_images_have_their_class_and_their_lesion(data_dir):
    listing = isic2018.list_images(data_dir)
    assert len(listing.files) == 7 and not listing.rejects
    assert (
        listing.files[0] == f"{IMAGES}/{FIRST}.jpg" and listing.source_ids[0] == FIRST
    )
    assert listing.group_ids == [
        f"HAM_{lesion:07d}" for lesion in (0, 1, 1, 2, 2, 2, 3)
    ]
    np.testing.assert_array_equal(listing.labels.argmax(axis=1), [0, 1, 1, 2, 2, 2, 3])
    assert listing.labels.shape == (7, 7) and (listing.labels.sum(axis=1) == 1).all()


def test_lists_may_lie_directly_in_the_folder_and_images_may_be_png(data_dir):
    before = isic2018.list_images(data_dir)
    shutil.move(data_dir / TRUTH / f"{TRUTH}.csv", data_dir)
    (data_dir / TRUTH).rmdir()
    (data_dir / IMAGES / f"{FIRST}.jpg").unlink()
    (data_dir / IMAGES / f"{FIRST}.PNG").write_bytes(encode(scene(), "PNG"))
    after = isic2018.list_images(data_dir)
    assert after.files == [f"{IMAGES}/{FIRST}.PNG", *before.files[1:]]
    np.testing.assert_array_equal(after.labels, before.labels)


def test_identical_repeats_change_nothing_and_contradictions_are_set_aside(data_dir):
    labels = data_dir / TRUTH / f"{TRUTH}.csv"
    append(
        labels,
        f"{FIRST},1.0,0.0,0.0,0.0,0.0,0.0,0.0",
        "ISIC_0024307,1.0,0.0,0.0,0.0,0.0,0.0,0.0",
    )
    append(
        data_dir / LESIONS,
        f"{FIRST},HAM_0000000,histopathology",
        "ISIC_0024308,HAM_0000099,consensus",
    )
    listing = isic2018.list_images(data_dir)
    assert FIRST in listing.source_ids
    assert dict(listing.rejects) == {
        f"{IMAGES}/ISIC_0024307.jpg": f"{TRUTH}.csv gives it different labels",
        f"{IMAGES}/ISIC_0024308.jpg": f"{LESIONS} gives it several lesions: it cannot be kept to one split",
    }


def test_what_is_only_listed_only_on_disk_there_twice_or_of_no_one_class_is_set_aside(
    data_dir,
):
    labels = data_dir / TRUTH / f"{TRUTH}.csv"
    append(labels, "ISIC_1,1,0,0,0,0,0,0", "ISIC_2,1,1,0,0,0,0,0")
    append(labels, "ISIC_3,0,0,0,0,0,0,0", "ISIC_4,1,0,0,0,0,0,0")
    for name in (
        "ISIC_2.jpg",
        "ISIC_3.jpg",
        "ISIC_4.jpg",
        "ISIC_5.jpg",
        f"{FIRST}.png",
    ):
        (data_dir / IMAGES / name).write_bytes(b"")
    (data_dir / IMAGES / "ATTRIBUTION.txt").write_text("not a picture")
    rejects = dict(isic2018.list_images(data_dir).rejects)
    assert len(rejects) == 6
    assert "file is missing" in rejects[f"{IMAGES}/ISIC_1"]
    assert "gives it 2 classes" in rejects[f"{IMAGES}/ISIC_2.jpg"]
    assert "gives it 0 classes" in rejects[f"{IMAGES}/ISIC_3.jpg"]
    assert "does not name its lesion" in rejects[f"{IMAGES}/ISIC_4.jpg"]
    assert "has no label" in rejects[f"{IMAGES}/ISIC_5.jpg"]
    assert "more than once" in rejects[f"{IMAGES}/{FIRST}.jpg"]


def test_fingerprint_follows_labels_lesions_and_files(data_dir):
    fingerprints = [isic2018.list_images(data_dir).fingerprint for _ in range(2)]
    append(data_dir / TRUTH / f"{TRUTH}.csv", f"{FIRST},1.0,0.0,0.0,0.0,0.0,0.0,0.0")
    fingerprints.append(isic2018.list_images(data_dir).fingerprint)
    append(data_dir / LESIONS, f"{FIRST},HAM_0000000,histopathology")
    fingerprints.append(isic2018.list_images(data_dir).fingerprint)
    (data_dir / IMAGES / f"{FIRST}.jpg").write_bytes(b"short")
    fingerprints.append(isic2018.list_images(data_dir).fingerprint)
    assert len(set(fingerprints)) == 4 and fingerprints[0] == fingerprints[1]


def test_missing_parts_are_errors_that_say_where_to_get_them(data_dir, tmp_path):
    with pytest.raises(UserError, match="absent does not exist.*isic-archive"):
        isic2018.DATASET.prepare(tmp_path / "absent")
    (data_dir / LESIONS).rename(tmp_path / LESIONS)
    with pytest.raises(UserError, match=f"{LESIONS} does not exist.*isic-archive"):
        isic2018.list_images(data_dir)
    (tmp_path / LESIONS).rename(data_dir / LESIONS)
    shutil.rmtree(data_dir / IMAGES)
    with pytest.raises(UserError, match=f"has no folder {IMAGES}.*isic-archive"):
        isic2018.list_images(data_dir)
    (data_dir / IMAGES).mkdir()
    with pytest.raises(UserError, match="has no picture"):
        isic2018.list_images(data_dir)


@pytest.mark.parametrize(
    "content, message",
    [
        ("image,MEL\na,1\n", "lacks the column NV and BCC"),
        ("image,MEL,NV,BCC,AKIEC,BKL,DF,VASC\n", "has no row"),
        (
            "image,MEL,NV,BCC,AKIEC,BKL,DF,VASC\na,.5,0,0,0,0,0,0\n",
            "line 2: MEL is 0.5, expected 1.0 or 0.0",
        ),
    ],
)
def test_a_list_of_another_form_is_an_error(data_dir, content, message):
    (data_dir / TRUTH / f"{TRUTH}.csv").write_text(content)
    with pytest.raises(UserError, match=message):
        isic2018.list_images(data_dir)
