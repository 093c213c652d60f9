"""Phantom hemorrhages in the brain: labelled as `ich_location`, made with bleedings of their own."""

import numpy as np
from ct_files import write_rsna

from data_prep.datasets import ich_location, phantom_ich_location
from data_prep.datasets.phantom_ich_location import CONFIG, DATASET
from data_prep.labels import ICH_LABELS
from data_prep.phantoms.head_ct import PhantomConfig, make
from data_prep.phantoms.head_ct.config import plan_patients
from data_prep.records.build import build
from data_prep.records.build_config import BuildConfig
from data_prep.records.resolve_config import resolve
from training.papers import RECIPES


def test_slices_have_one_label_and_the_location(tmp_path):
    data_dir = write_rsna(tmp_path, patients=2, slices_per_patient=2, size_px=4)
    (data_dir / "locations.csv").write_text(
        "ID,location\nID_000000,normal\nID_001001,subtentorial\nID_001000,deep\nID_000001,normal\n"
    )
    listing = phantom_ich_location.list_slices(data_dir)
    assert listing.labels.shape == (4, 1) and DATASET.label_names == ICH_LABELS
    np.testing.assert_array_equal(listing.extra_labels["location"], [-1, -1, 0, 2])


def test_all_bleedings_are_in_the_brain():
    kinds = {kind for plan in plan_patients(CONFIG) for kind in plan.kinds}
    assert kinds == {"intraparenchymal"}
    assert CONFIG.median_clot_mm > PhantomConfig().median_clot_mm


def test_records_are_as_small_as_the_demonstration_needs_unless_told():
    assert [
        resolve(BuildConfig(DATASET.name, settings=settings), DATASET)[
            0
        ].settings.image_size
        for settings in ({}, {"image_size": 200})
    ] == [DATASET.settings["image_size"], 200]
    # The middle of such a record, without any resizing, is what the network is shown.
    assert (
        RECIPES["dtvit_small_phantoms"]["input_size"] * 256 // 224
        == DATASET.settings["image_size"]
    )


def test_records_are_treated_and_balanced_as_those_of_patients(tmp_path):
    settings = CONFIG.as_dict() | {
        "patients": 20,
        "slices_per_series": 4,
        "image_size_px": 128,
    }
    make(tmp_path / "data", PhantomConfig(**settings), workers=2)
    config = BuildConfig(DATASET.name, shards=2, settings={"image_size": 64})
    info = build(
        config,
        tmp_path / "data",
        tmp_path / "records",
        workers=1,
        id_key_file=tmp_path / "key",
    )
    assert {key: info.config[key] for key in ("treatment", "balance")} == {
        "treatment": ich_location.DATASET.settings["treatment"],
        "balance": ich_location.DATASET.balance,
    }
    assert info.label_names == ich_location.DATASET.label_names
    assert sum(info.count(split) for split in info.splits) > 80
    for split in info.splits:
        located = sum(info.splits[split]["extra_labels"]["location"].values())
        assert located == info.positives(split)["any"]
