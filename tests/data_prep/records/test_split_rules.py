"""Each way to divide a data set does what it says, and the settings are checked against it."""

import numpy as np
import pytest

from data_prep.datasets import get_dataset
from data_prep.records import split_rules
from data_prep.records.build_config import BuildConfig
from data_prep.records.resolve_config import resolve
from data_prep.records.split_rules import ToSplit
from data_prep.records.splits import SPLITS
from keras_medformers.support.errors import UserError

SHARES = (0.6, 0.1, 0.3)
CLASS_SIZES = (334, 2011, 154, 98, 330, 34, 43)
"""A third of ISIC2018."""


def make_lesions():
    """Images of exclusive classes, in lesions of one to three images."""
    generator = np.random.default_rng(0)
    labels, groups = [], []
    for label, size in enumerate(CLASS_SIZES):
        while labels.count(label) < size:
            images = min(
                generator.choice([1, 2, 3], p=[0.7, 0.2, 0.1]),
                size - labels.count(label),
            )
            groups += [f"HAM_{len(groups):07d}"] * images
            labels += [label] * images
    ids = [f"ISIC_{index:07d}" for index in range(len(labels))]
    return ToSplit(ids, groups, np.eye(len(CLASS_SIZES), dtype=np.int8)[labels])


def shares_by_class(splits, labels):
    counts = np.stack(
        [np.bincount(splits, weights=column, minlength=3) for column in labels.T]
    )
    return counts / counts.sum(axis=1, keepdims=True)


@pytest.fixture(scope="module")
def lesions():
    return make_lesions()


def test_by_group_keeps_lesions_whole_and_every_class_balanced(lesions, caplog):
    splits = split_rules.by_group(lesions, SHARES, 0, 0)
    groups = np.array(lesions.group_ids)
    assert all(
        len(set(splits[groups == group])) == 1 for group in set(lesions.group_ids)
    )
    np.testing.assert_allclose(
        shares_by_class(splits, lesions.labels), [SHARES] * 7, atol=0.03
    )
    assert not caplog.text


def test_by_image_balances_every_class_and_counts_the_divided_lesions(lesions, caplog):
    splits = split_rules.by_image(lesions, SHARES, 0, 0)
    np.testing.assert_allclose(
        shares_by_class(splits, lesions.labels), [SHARES] * 7, atol=0.02
    )
    is_test = splits == SPLITS.index("test")
    groups = np.array(lesions.group_ids)
    divided = set(groups[is_test]) & set(groups[~is_test])
    siblings = sum(group in divided for group in groups[is_test])
    assert len(divided) > 100
    assert f"{len(divided)} of {len(set(groups))} groups" in caplog.text
    assert f"{siblings} of {is_test.sum()} test images have a sibling" in caplog.text


def test_two_folds_test_each_image_once():
    labels = np.repeat(np.eye(8, dtype=np.int8), 20, axis=0)
    ids = [f"class/{index}.jpg" for index in range(160)]
    images = ToSplit(ids, ids, labels)
    folds = [split_rules.by_half(images, (), 0, fold) for fold in range(2)]
    test = SPLITS.index("test")
    assert ((folds[0] == test) ^ (folds[1] == test)).all()
    for splits in folds:
        np.testing.assert_array_equal(
            shares_by_class(splits, labels), [(0.45, 0.05, 0.5)] * 8
        )


def test_the_settings_left_open_are_the_data_sets_own():
    config, rule = resolve(BuildConfig("isic2018"), get_dataset("isic2018"))
    assert (config.split, config.fold, config.fractions, rule.name) == (
        "lesion",
        0,
        SHARES,
        "lesion",
    )
    assert config.settings.names() == []
    config, rule = resolve(
        BuildConfig("rsna_ich", settings={"compression": False}),
        get_dataset("rsna_ich"),
    )
    assert (config.split, config.fractions, config.settings.image_size) == (
        "",
        (0.8, 0.1, 0.1),
        256,
    )
    assert config.settings.twelve_bit_correction is True
    assert config.settings.compression is False
    assert (
        resolve(BuildConfig("covid19_ct"), get_dataset("covid19_ct"))[0].split
        == "published"
    )
    assert (
        resolve(BuildConfig("isic2018", split="paper"), get_dataset("isic2018"))[1].name
        == "paper"
    )


@pytest.mark.parametrize(
    "settings, message",
    [
        (
            {"dataset": "isic2018", "split": "patient"},
            "is 'patient' for isic2018, expected lesion, paper",
        ),
        (
            {"dataset": "kvasir", "split": "lesion"},
            "which has only one split; leave it out",
        ),
        ({"dataset": "kvasir", "fold": 2}, "--fold is 2, expected from 0 to 1"),
        (
            {"dataset": "isic2018", "fold": 1},
            "--fold is 1, expected 0: this split has no folds",
        ),
        (
            {"dataset": "covid19_ct", "fractions": SHARES},
            "--fractions does not apply to covid19_ct",
        ),
        (
            {"dataset": "kvasir", "settings": {"image_size": 224}},
            "--image-size is for CT, mammograms and radiographs; kvasir has",
        ),
        (
            {"dataset": "kvasir", "settings": {"compression": False}},
            "--no-compression is for CT",
        ),
        (
            {"dataset": "kvasir", "settings": {"twelve_bit_correction": False}},
            "--no-twelve-bit-correction is for CT",
        ),
        (
            {"dataset": "mammography", "settings": {"negatives_per_image": 2}},
            "--negatives-per-image is for patches of mammograms; mammography has",
        ),
        (
            {"dataset": "rsna_ich", "settings": {"treatment": "none_such"}},
            "--treatment is 'none_such', expected one of",
        ),
    ],
)
def test_settings_that_do_not_fit_the_data_set_are_errors(settings, message):
    with pytest.raises(UserError, match=message):
        resolve(BuildConfig(**settings), get_dataset(settings["dataset"]))
