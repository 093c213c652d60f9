"""Lists of the files that are used."""

from pathlib import Path

import numpy as np
import pytest

from data_prep.datasets.base import Listing, Reject
from data_prep.datasets.keep_list import keep_listed
from keras_medformers.support.errors import UserError

LISTING = Listing(
    root=Path("data"),
    files=["deep/p/1", "deep/p/2", "normal/q/1"],
    source_ids=["1", "2", "3"],
    labels=np.array([[1], [1], [0]], np.int8),
    extra_labels={"location": np.array([0, 0, -1])},
    rejects=(Reject("deep/p/notes.txt", "other"), Reject("deep/p/list.txt", "other")),
    fingerprint="before",
)


def test_only_what_is_named_stays(tmp_path):
    path = tmp_path / "keep.txt"
    path.write_text("# chosen by hand\n\nnormal\\q\\1\n deep/p/2 \ndeep/p/notes.txt\n")
    kept = keep_listed(LISTING, path)
    assert kept.files == ["deep/p/2", "normal/q/1"] and kept.source_ids == ["2", "3"]
    np.testing.assert_array_equal(kept.labels, [[1], [0]])
    np.testing.assert_array_equal(kept.extra_labels["location"], [0, -1])
    assert kept.rejects == LISTING.rejects[:1] and kept.fingerprint != "before"


@pytest.mark.parametrize(
    "text, message",
    [
        ("# nothing\n", "names no file; give one path below data per line"),
        (
            "deep/p/1\ndeep/p/9\n",
            "names 1 files that are not among the slices in data, first deep/p/9",
        ),
        (None, "cannot be read as a list of files"),
    ],
)
def test_lists_that_do_not_fit_are_errors(tmp_path, text, message):
    path = tmp_path / "keep.txt"
    if text is not None:
        path.write_text(text)
    with pytest.raises(UserError, match=message):
        keep_listed(LISTING, path)
