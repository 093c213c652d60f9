"""The list of locations beside RSNA's layout."""

import numpy as np
import pytest
from ct_files import write_rsna

from data_prep.datasets import phantom_head_ct
from keras_medformers.support.errors import UserError


def test_locations_become_an_extra_label(tmp_path):
    data_dir = write_rsna(tmp_path, patients=2, slices_per_patient=2, size_px=4)
    (data_dir / "locations.csv").write_text(
        "ID,location\nID_000000,normal\nID_001001,subtentorial\nID_001000,deep\nID_000001,normal\n"
    )
    listing = phantom_head_ct.list_slices(data_dir)
    np.testing.assert_array_equal(listing.extra_labels["location"], [-1, -1, 0, 2])


def test_unknown_location_and_missing_list_are_errors(tmp_path):
    path = tmp_path / "locations.csv"
    with pytest.raises(UserError, match="does not exist"):
        phantom_head_ct.read_locations(path)
    path.write_text("ID,location\nID_1,cerebellum\n")
    with pytest.raises(
        UserError,
        match="line 2: location is 'cerebellum', expected one of normal, deep",
    ):
        phantom_head_ct.read_locations(path)
