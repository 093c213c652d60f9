"""The row of a paper's table that a run belongs to."""

import pytest

from training.compare.matching import row_of
from training.papers.dtvit import PAPER as DTVIT
from training.papers.hct import TABLE_3_IMAGES, TABLE_3_PATCHES, TABLE_A1
from training.papers.hifuse import PAPER as HIFUSE
from training.papers.scopeformer import TABLE_2, TABLE_3, TABLE_5
from training.runs.config import Config

DTVIT_TABLES = {
    "later": DTVIT.table("Table 3, classifier 1"),
    "later, location": DTVIT.table("Table 3, classifier 2"),
    "first, location": DTVIT.table("first version, Table 2, classifier 2"),
}


@pytest.mark.parametrize(
    "table, values, row",
    [
        (
            TABLE_5,
            dict(model="efficient_scopeformer", frozen_fraction=0.7),
            "Efficient Scopeformer",
        ),
        (
            TABLE_5,
            dict(model="efficient_scopeformer", frozen_fraction=1.0),
            "Efficient Scopeformer (P)",
        ),
        (
            TABLE_5,
            dict(model="deep_scopeformer", frozen_fraction=1.0),
            "Deep Scopeformer (L)/8",
        ),
        (
            TABLE_2,
            dict(model="scopeformer_2cnn", frozen_fraction=1.0),
            "2-CNN-ViT (I-S), 7×7×2048",
        ),
        (TABLE_3, dict(model="efficient_scopeformer"), None),
        (TABLE_5, dict(model="efficient_scopeformer", dataset="kvasir"), None),
    ],
)
def test_the_row_of_a_scopeformer(table, values, row):
    index = row_of(
        table, Config(**dict(dataset="rsna_ich", records="records") | values)
    )
    assert row is None if index is None else row == table.rows[index].name


@pytest.mark.parametrize(
    "values, table, row",
    [
        (dict(augmentation="dtvit"), "later", "with augmentation"),
        (dict(augmentation="none"), "later, location", "without augmentation"),
        (
            dict(augmentation="dtvit", model="dtvit_small"),
            "later, location",
            "with augmentation",
        ),
        (
            dict(augmentation="none", optimizer="sgd"),
            "first, location",
            "without augmentation",
        ),
        (dict(augmentation="none", optimizer="sgd"), "later", None),
        (dict(augmentation="none", model="vit_large"), "later", None),
    ],
)
def test_dtvits_runs_stand_with_their_version(values, table, row):
    table = DTVIT_TABLES[table]
    settings = (
        dict(model="dtvit_large", dataset="ich_location", records="records") | values
    )
    index = row_of(table, Config(**settings))
    assert row is None if index is None else row == table.rows[index].name


@pytest.mark.parametrize(
    "values, table, row",
    [
        (dict(sharpness="asam"), TABLE_3_IMAGES, "HCT, Per-RELU; Adam + ASAM"),
        (dict(sharpness="none", model="gmic"), TABLE_3_IMAGES, "GMIC; Adam"),
        (
            dict(sharpness="none", dataset="mammography_patches"),
            TABLE_3_PATCHES,
            "HCT, Per-RELU; Adam",
        ),
        (dict(sharpness="asam", dataset="mammography_patches"), TABLE_3_IMAGES, None),
        (dict(sharpness="asam", model="def_gmic"), TABLE_A1, "Def-GMIC"),
        (dict(sharpness="none"), TABLE_A1, None),
    ],
)
def test_the_row_of_a_mammograms_run(values, table, row):
    settings = dict(
        model="hct",
        dataset="mammography",
        records="records",
        optimizer="adam",
        weight_decay=0.0,
    )
    index = row_of(table, Config(**settings | values))
    assert row is None if index is None else row == table.rows[index].name


@pytest.mark.parametrize(
    "components, row",
    [
        ([], "Local Path"),
        (["global"], "+ Global Block"),
        (["global", "attention", "irmlp"], "+ IRMLP"),
        (None, "+ Shortcut (HiFuse-Tiny)"),
    ],
)
def test_ablations_of_hifuse_stand_in_their_rows(components, row):
    settings = {} if components is None else {"components": components}
    config = Config(
        model="hifuse_tiny", dataset="isic2018", records="r", model_config=settings
    )
    table = HIFUSE.table("Table 3")

    assert table.rows[row_of(table, config)].name == row


def test_tables_without_scores_of_ours_take_no_run():
    config = Config(model="dtvit_large", dataset="ich_location", records="records")

    assert row_of(DTVIT.table("Table 4"), config) is None
