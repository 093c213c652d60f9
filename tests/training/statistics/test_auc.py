"""Areas under ROC curves, their subsets and differences, against scikit-learn on resampled images."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from training.statistics.auc import (
    ALL,
    AUC_DRAWS,
    auc_differences,
    auc_with_interval,
    aucs_of_subsets,
)


@pytest.fixture(name="images")
def scored_images():
    """Labels, two models' scores with many ties, patients of two to three images, and a subset."""
    generator = np.random.default_rng(3)
    labels = (generator.random(90) < 0.4).astype(int)
    scores = np.round(generator.normal(labels, 1.2), 1)
    others = np.round(generator.normal(labels * 0.6, 1.0))
    patients = generator.integers(0, 35, 90)
    return labels, scores, others, patients, generator.random(90) < 0.5


def rows_of_draws(clusters, draws, seed):
    """Rows of the images in each draw, as a loop would take them."""
    names, cluster = np.unique(clusters.astype(str), return_inverse=True)
    generator, count = np.random.default_rng(seed), len(names)
    for _ in range(draws):
        times = np.bincount(generator.integers(count, size=count), minlength=count)
        yield np.repeat(np.arange(len(clusters)), times[cluster])


def ends(values):
    return np.quantile(values, [0.025, 0.975])


@pytest.mark.parametrize("by_patient", [True, False])
def test_interval_equals_scikit_learn_on_resampled_images(images, by_patient):
    labels, scores, _, patients, _ = images
    found = auc_with_interval(
        labels, scores, patients if by_patient else None, draws=200, seed=4
    )
    assert found["auc"] == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
    clusters = patients if by_patient else np.char.zfill(np.arange(90).astype(str), 3)
    drawn = [
        roc_auc_score(labels[rows], scores[rows])
        for rows in rows_of_draws(clusters, 200, 4)
    ]
    interval = found["auc_interval"]
    np.testing.assert_allclose(
        [interval["low"], interval["high"]], ends(drawn), rtol=1e-12
    )
    assert (
        interval["unit"] == ("patient" if by_patient else "image")
        and interval["draws"] == 200
    )
    assert (found["positives"], found["negatives"]) == (labels.sum(), 90 - labels.sum())


def test_subsets_are_positives_against_all_negatives(images):
    labels, scores, _, patients, subset = images
    found = aucs_of_subsets(
        labels, scores, {"half": subset, "all": np.ones(90, bool)}, patients, draws=100
    )
    kept = subset | (labels == 0)
    assert found["half"]["auc"] == pytest.approx(
        roc_auc_score(labels[kept], scores[kept]), abs=1e-12
    )
    assert found["half"]["positives"] == (subset & (labels == 1)).sum()
    assert (
        found["half"]["negatives"] == found["all"]["negatives"] == (labels == 0).sum()
    )
    drawn = [
        roc_auc_score(labels[rows], scores[rows])
        for rows in (rows[kept[rows]] for rows in rows_of_draws(patients, 100, 0))
    ]
    interval = found["half"]["auc_interval"]
    np.testing.assert_allclose(
        [interval["low"], interval["high"]], ends(drawn), rtol=1e-12
    )
    assert found["all"] == auc_with_interval(labels, scores, patients, draws=100)


def test_differences_come_from_the_same_draws(images):
    labels, scores, others, patients, subset = images
    found = auc_differences(
        labels, scores, others, {"half": subset}, patients, draws=150, seed=2
    )["half"]
    kept = subset | (labels == 0)

    def area(rows, of_model):
        return roc_auc_score(labels[rows], of_model[rows])

    assert found["difference"] == pytest.approx(
        area(kept, scores) - area(kept, others), abs=1e-12
    )
    assert found["auc"] - found["other_auc"] == pytest.approx(
        found["difference"], abs=1e-12
    )
    drawn = [
        area(rows, scores) - area(rows, others)
        for rows in (rows[kept[rows]] for rows in rows_of_draws(patients, 150, 2))
    ]
    interval = found["difference_interval"]
    np.testing.assert_allclose(
        [interval["low"], interval["high"]], ends(drawn), rtol=1e-9, atol=1e-12
    )
    same = auc_differences(labels, scores, scores, patient_ids=patients, draws=20)[ALL]
    interval = same["difference_interval"]
    assert same["difference"] == interval["low"] == interval["high"] == 0


def test_a_model_that_cannot_tell_has_one_half():
    found = auc_with_interval(np.tile([0, 1], 20), np.full(40, 0.3), draws=20)
    assert (
        found["auc"]
        == found["auc_interval"]["low"]
        == found["auc_interval"]["high"]
        == 0.5
    )


@pytest.mark.parametrize(
    "labels, missing", [([0, 0], "positive"), ([1, 1], "negative")]
)
def test_one_class_alone_has_no_area(labels, missing):
    found = auc_with_interval(np.array(labels), np.array([0.1, 0.2]), draws=10)
    assert found["auc"] is None and found["auc_interval"]["low"] is None
    assert found["undefined"]["auc"] == f"there are no {missing} images"


@pytest.mark.parametrize(
    "labels, scores, message",
    [
        ([0, 1], [0.1], "same shape"),
        ([0, 2], [0.1, 0.2], "must be 0 or 1"),
        ([0, 1], [0.1, np.nan], "finite. Received: 1 that"),
    ],
)
def test_mistakes(labels, scores, message):
    with pytest.raises(ValueError, match=message):
        auc_with_interval(np.array(labels), np.array(scores))


def test_subsets_are_of_all_images():
    with pytest.raises(
        ValueError, match=r"shape \(2,\) each. Received: \(3,\) of 'large'"
    ):
        aucs_of_subsets(
            np.array([0, 1]), np.array([0.1, 0.2]), {"large": np.ones(3, bool)}
        )


def test_a_split_as_large_as_the_papers():
    generator = np.random.default_rng(0)
    labels = np.repeat([1, 0], [1195, 6163])  # Table 2
    scores = generator.normal(labels, 1)
    interval = auc_with_interval(labels, scores)["auc_interval"]
    assert interval["draws"] == AUC_DRAWS == 10_000 and interval["unit"] == "image"
    assert (
        0.02 < interval["high"] - interval["low"] < 0.035
    )  # Hanley and McNeil's for 0.76: 0.029
