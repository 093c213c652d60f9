"""The RSNA label list and folder: duplicates, contradictions, mismatches, and what is no such list."""

import numpy as np
import pytest
from ct_files import write_rsna

from data_prep.datasets import get_dataset, rsna_ich
from data_prep.labels import HEMORRHAGE_LABELS
from keras_medformers.support.errors import UserError


@pytest.fixture
def data_dir(tmp_path):
    return write_rsna(tmp_path / "rsna", patients=2, slices_per_patient=2, size_px=4)


def append(data_dir, *rows):
    with (data_dir / "stage_2_train.csv").open("a") as file:
        file.writelines(row + "\n" for row in rows)


def test_labels_are_in_the_house_order(data_dir):
    listing = rsna_ich.list_slices(data_dir)
    assert listing.source_ids == ["ID_000000", "ID_000001", "ID_001000", "ID_001001"]
    assert listing.files[0] == "stage_2_train/ID_000000.dcm"
    positive = [
        HEMORRHAGE_LABELS[column] for column in np.flatnonzero(listing.labels[3])
    ]
    assert positive == ["any", "intraparenchymal"]
    assert not listing.rejects


def test_identical_repeats_change_nothing(data_dir):
    before = rsna_ich.list_slices(data_dir)
    append(data_dir, "ID_000000_any,0", "ID_001001_any,1", "ID_001001_any,1")
    after = rsna_ich.list_slices(data_dir)
    np.testing.assert_array_equal(before.labels, after.labels)
    assert not after.rejects


def test_contradicting_repeats_set_the_slice_aside(data_dir):
    append(data_dir, "ID_000000_epidural,1")
    listing = rsna_ich.list_slices(data_dir)
    assert "ID_000000" not in listing.source_ids
    assert listing.rejects == (
        (
            "stage_2_train/ID_000000.dcm",
            "stage_2_train.csv gives it both 0 and 1 for a label",
        ),
    )


def test_slices_only_listed_only_on_disk_or_without_all_labels_are_set_aside(data_dir):
    append(
        data_dir, *(f"ID_abc_{label},0" for label in HEMORRHAGE_LABELS), "ID_001_any,0"
    )
    (data_dir / "stage_2_train" / "ID_fff.dcm").write_bytes(b"")
    rejects = dict(rsna_ich.list_slices(data_dir).rejects)
    assert len(rejects) == 3
    assert "file is missing" in rejects["stage_2_train/ID_abc.dcm"]
    assert "no label" in rejects["stage_2_train/ID_fff.dcm"]
    assert "lacks its label epidural" in rejects["stage_2_train/ID_001.dcm"]


def test_other_folder_name_is_found(data_dir):
    (data_dir / "stage_2_train").rename(data_dir / "stage_2_train_images")
    assert (
        rsna_ich.list_slices(data_dir).files[0] == "stage_2_train_images/ID_000000.dcm"
    )


def test_fingerprint_follows_labels_and_files(data_dir):
    first = rsna_ich.list_slices(data_dir).fingerprint
    assert rsna_ich.list_slices(data_dir).fingerprint == first
    append(data_dir, "ID_000000_any,0")
    second = rsna_ich.list_slices(data_dir).fingerprint
    (data_dir / "stage_2_train" / "ID_000000.dcm").write_bytes(b"short")
    third = rsna_ich.list_slices(data_dir).fingerprint
    assert len({first, second, third}) == 3


@pytest.mark.parametrize(
    "content, message",
    [
        (
            "id,label\na,1\n",
            "lacks the column ID and Label; expected ID,Label, received id,label",
        ),
        ("ID,Label\n", "has no row"),
        ("", "cannot be read as CSV"),
        ("ID,Label\nID_000000_bleeding,1\n", "line 2: ID ends in 'bleeding'"),
        ("ID,Label\nID_000000_any,2\n", "line 2: Label is 2"),
    ],
)
def test_a_list_of_another_form_is_an_error(data_dir, content, message):
    (data_dir / "stage_2_train.csv").write_text(content)
    with pytest.raises(UserError, match=message):
        rsna_ich.list_slices(data_dir)


def test_missing_parts_are_errors_that_say_where_to_get_them(data_dir, tmp_path):
    for path in (data_dir / "stage_2_train").iterdir():
        path.unlink()
    with pytest.raises(UserError, match="has no .dcm file.*kaggle"):
        rsna_ich.list_slices(data_dir)
    (data_dir / "stage_2_train").rmdir()
    with pytest.raises(
        UserError, match="no folder stage_2_train or stage_2_train_images"
    ):
        rsna_ich.list_slices(data_dir)
    (data_dir / "stage_2_train.csv").unlink()
    with pytest.raises(UserError, match="stage_2_train.csv does not exist"):
        rsna_ich.list_slices(data_dir)
    with pytest.raises(UserError, match="absent does not exist.*kaggle"):
        rsna_ich.DATASET.prepare(tmp_path / "absent")


def test_unknown_data_set_names_the_near_one():
    with pytest.raises(UserError, match="'rsna_ihc'. Did you mean rsna_ich"):
        get_dataset("rsna_ihc")
    with pytest.raises(UserError, match="There are: covid19_ct, .*, rsna_ich"):
        get_dataset("zzz")
