"""COVID19-CT's split lists and folders: odd names, other suffixes, repeats, contradictions, mismatches."""

import os

import numpy as np
import pytest
from photograph_files import COVID_NAMES, encode, scene, write_covid19_ct

from data_prep.datasets import covid19_ct
from keras_medformers.support.errors import UserError

TRAIN_COVID = "Data-split/COVID/trainCT_COVID.txt"


@pytest.fixture
def data_dir(tmp_path):
    return write_covid19_ct(tmp_path / "covid")


def splits(listing):
    return dict(zip(listing.files, listing.published_splits.tolist(), strict=True))


def append(path, text):
    with path.open("ab") as file:
        file.write(text.encode())


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "  \n", "\n\n"])
def test_every_odd_name_is_in_the_split_of_its_list(tmp_path, line_end):
    listing = covid19_ct.list_images(write_covid19_ct(tmp_path / "covid", line_end))
    assert not listing.rejects
    expected = {
        f"CT_{label}/{name}": ["train", "val", "test"].index(prefix)
        for label, lists in COVID_NAMES.items()
        for prefix, names in lists.items()
        for name in names
    }
    assert splits(listing) == expected
    for file, labels in zip(listing.files, listing.labels, strict=True):
        np.testing.assert_array_equal(labels, [0, 1] if "CT_COVID" in file else [1, 0])
    assert listing.group_ids == listing.source_ids == listing.files


def test_image_folders_may_lie_where_the_repository_has_them(data_dir):
    before = covid19_ct.list_images(data_dir)
    (data_dir / "Images-processed").mkdir()
    for name in ("CT_COVID", "CT_NonCOVID"):
        (data_dir / name).rename(data_dir / "Images-processed" / name)
    after = covid19_ct.list_images(data_dir)
    assert after.files == [f"Images-processed/{file}" for file in before.files]
    assert after.source_ids == before.source_ids


def test_a_name_with_another_suffix_is_taken_if_there_is_only_one_and_no_exact_one(
    data_dir,
):
    folder = data_dir / "CT_COVID"
    (folder / "a.b.png").write_bytes(encode(scene(), "PNG"))
    append(data_dir / TRAIN_COVID, "a.b.jpg\n")
    listing = covid19_ct.list_images(data_dir)
    assert splits(listing)["CT_COVID/a.b.png"] == 0 and not listing.rejects
    (folder / "a.b.jpeg").write_bytes(encode(scene(), "JPEG"))
    assert dict(covid19_ct.list_images(data_dir).rejects) == {
        "CT_COVID/a.b.jpg": "listed in trainCT_COVID.txt, file is missing",
        "CT_COVID/a.b.png": "is in none of the lists in Data-split",
        "CT_COVID/a.b.jpeg": "is in none of the lists in Data-split",
    }
    (folder / "a.b.jpg").write_bytes(encode(scene(), "JPEG"))
    listing = covid19_ct.list_images(data_dir)
    assert splits(listing)["CT_COVID/a.b.jpg"] == 0 and len(listing.rejects) == 2


def test_repeats_are_dropped_and_what_is_in_two_lists_or_only_one_place_is_set_aside(
    data_dir,
):
    before = covid19_ct.list_images(data_dir)
    twice = COVID_NAMES["COVID"]["train"][1]
    append(
        data_dir / TRAIN_COVID,
        f"{twice}\n{COVID_NAMES['COVID']['test'][0]}\nabsent.png\n",
    )
    (data_dir / "CT_NonCOVID" / "new.png").write_bytes(encode(scene(), "PNG"))
    (data_dir / "CT_NonCOVID" / "Thumbs.db").write_bytes(b"no picture")
    after = covid19_ct.list_images(data_dir)
    assert len(after.files) == len(before.files) - 1
    assert dict(after.rejects) == {
        f"CT_COVID/{COVID_NAMES['COVID']['test'][0]}":
            "is in more than one list: trainCT_COVID.txt, testCT_COVID.txt",
        "CT_COVID/absent.png": "listed in trainCT_COVID.txt, file is missing",
        "CT_NonCOVID/new.png": "is in none of the lists in Data-split",
    }  # fmt: skip
    assert after.fingerprint != before.fingerprint


def test_missing_parts_are_errors_that_say_where_to_get_them(data_dir, tmp_path):
    with pytest.raises(UserError, match="absent does not exist.*UCSD-AI4H"):
        covid19_ct.DATASET.prepare(tmp_path / "absent")
    list_path = data_dir / TRAIN_COVID
    list_path.write_text("\n \n")
    with pytest.raises(UserError, match="trainCT_COVID.txt has no name in it"):
        covid19_ct.list_images(data_dir)
    list_path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(
        UserError, match="trainCT_COVID.txt cannot be read as a list of names"
    ):
        covid19_ct.list_images(data_dir)
    list_path.unlink()
    with pytest.raises(UserError, match="trainCT_COVID.txt does not exist.*UCSD-AI4H"):
        covid19_ct.list_images(data_dir)
    (data_dir / "CT_NonCOVID").rename(data_dir / "NonCOVID")
    with pytest.raises(UserError, match="has no folder CT_NonCOVID.*UCSD-AI4H"):
        covid19_ct.list_images(data_dir)


def test_a_name_that_is_not_utf8_is_an_error(data_dir):
    try:
        (data_dir / "CT_COVID" / os.fsdecode(b"caf\xe9.png")).write_bytes(b"")
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    with pytest.raises(UserError, match="name is not UTF-8"):
        covid19_ct.list_images(data_dir)
