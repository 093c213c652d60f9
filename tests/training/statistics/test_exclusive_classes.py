"""Scores of exclusive classes against cases worked out by hand, scikit-learn, and a bootstrap in a loop."""

import json

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from training.statistics.exclusive_classes import confusion_scores, single_label_metrics

NAMES = ("MEL", "NV", "BCC")
SCORES = ("accuracy", "f1", "precision", "recall", "log_loss")


def certain(predicted, share=0.8):
    """Probabilities of three classes with `share` on the predicted ones."""
    return np.where(np.eye(3)[predicted] == 1, share, (1 - share) / 2)


@pytest.fixture
def predictions():
    """300 images of 80 lesions in imbalanced classes: class indices, probabilities, lesions."""
    generator = np.random.default_rng(4)
    of_lesion = generator.choice(3, 80, p=[0.15, 0.75, 0.1])
    lesions = generator.integers(0, 80, 300)
    logits = generator.normal(0, 1, (300, 3)) + 1.5 * np.eye(3)[of_lesion[lesions]]
    powers = np.exp(logits)
    return of_lesion[lesions], powers / powers.sum(axis=1, keepdims=True), lesions


def test_scores_worked_out_by_hand():
    # Rows true, columns predicted: [[1, 1, 0], [0, 3, 1], [0, 2, 0]].
    true = [0, 0, 1, 1, 1, 1, 2, 2]
    predicted = [0, 1, 1, 1, 1, 2, 1, 1]
    scores = single_label_metrics(true, certain(predicted), NAMES, draws=10)
    assert scores["confusion"] == [[1, 1, 0], [0, 3, 1], [0, 2, 0]]
    assert scores["accuracy"] == 4 / 8
    assert scores["recall"] == pytest.approx((1 / 2 + 3 / 4 + 0) / 3)
    assert scores["precision"] == pytest.approx((1 + 3 / 6 + 0) / 3)
    assert scores["f1"] == pytest.approx((2 / 3 + 6 / 10 + 0) / 3)
    assert scores["log_loss"] == pytest.approx(-(4 * np.log(0.8) + 4 * np.log(0.1)) / 8)
    assert (scores["majority_label"], scores["majority_accuracy"]) == ("NV", 0.5)
    assert (scores["count"], scores["patients"]) == (8, None)
    nevi = scores["labels"]["NV"]
    assert (nevi["support"], nevi["predicted"]) == (4, 6)
    assert (nevi["recall"], nevi["precision"], nevi["specificity"]) == (0.75, 0.5, 0.25)
    assert nevi["f1"] == pytest.approx(0.6)
    assert scores["specificity"] == pytest.approx((6 / 6 + 1 / 4 + 5 / 6) / 3)
    assert scores["labels"]["MEL"]["auroc"] == pytest.approx(0.75)


def test_agrees_with_scikit_learn(predictions):
    true, probabilities, lesions = predictions
    scores = single_label_metrics(true, probabilities, NAMES, lesions, draws=10)
    predicted = probabilities.argmax(axis=1)
    precision, recall, f1, _ = sklearn_metrics.precision_recall_fscore_support(
        true, predicted, average="macro"
    )
    assert [scores[key] for key in SCORES] == pytest.approx(
        [
            sklearn_metrics.accuracy_score(true, predicted),
            f1,
            precision,
            recall,
            sklearn_metrics.log_loss(true, probabilities),
        ]
    )
    for i, name in enumerate(NAMES):
        of_class = scores["labels"][name]
        assert of_class["auroc"] == pytest.approx(
            sklearn_metrics.roc_auc_score(true == i, probabilities[:, i])
        )
        assert of_class["specificity"] == pytest.approx(
            sklearn_metrics.recall_score(true != i, predicted != i)
        )


def test_one_hot_labels_are_class_indices(predictions):
    true, probabilities, lesions = predictions
    by_index = single_label_metrics(true, probabilities, NAMES, lesions, draws=10)
    one_hot = np.eye(3, dtype="int64")[true]
    assert (
        single_label_metrics(one_hot, probabilities, NAMES, lesions, draws=10)
        == by_index
    )


def test_intervals_equal_a_bootstrap_in_a_loop(predictions):
    true, probabilities, lesions = predictions
    scores = single_label_metrics(true, probabilities, NAMES, lesions, draws=60, seed=9)
    names, lesion = np.unique(lesions.astype(str), return_inverse=True)
    assert scores["patients"] == len(names)
    generator, count = np.random.default_rng(9), len(names)
    draws = [
        np.bincount(generator.integers(count, size=count), minlength=count)
        for _ in range(60)
    ]
    found = {key: [] for key in (*SCORES, "specificity")}
    of_class = {key: [] for key in ("recall", "precision", "f1", "specificity")}
    for times in draws:
        rows = np.repeat(np.arange(300), times[lesion])
        drawn_true, drawn = true[rows], probabilities[rows]
        predicted = drawn.argmax(axis=1)
        precision, recall, f1, _ = sklearn_metrics.precision_recall_fscore_support(
            drawn_true, predicted
        )
        specificity = np.array(
            [(predicted[drawn_true != i] != i).mean() for i in range(3)]
        )
        for key, per_class in (
            ("precision", precision),
            ("recall", recall),
            ("f1", f1),
            ("specificity", specificity),
        ):
            found[key].append(per_class.mean())
            of_class[key].append(per_class[2])
        found["accuracy"].append((drawn_true == predicted).mean())
        found["log_loss"].append(
            -np.log(drawn[np.arange(len(rows)), drawn_true]).mean()
        )
    for key, values in found.items():
        interval = scores[f"{key}_interval"]
        np.testing.assert_allclose(
            [interval["low"], interval["high"]],
            np.quantile(values, [0.025, 0.975]),
            err_msg=key,
        )
        assert (interval["unit"], interval["draws"], interval["level"]) == (
            "group",
            60,
            0.95,
        )
    for key, values in of_class.items():
        interval = scores["labels"]["BCC"][f"{key}_interval"]
        np.testing.assert_allclose(
            [interval["low"], interval["high"]],
            np.quantile(values, [0.025, 0.975]),
            err_msg=key,
        )


def test_intervals_are_wider_by_lesion_than_by_image():
    true = np.repeat(np.random.default_rng(0).integers(0, 3, 40), 6)
    predicted = np.where(np.repeat(np.arange(40) % 3 == 0, 6), (true + 1) % 3, true)
    lesions = np.repeat(np.arange(40), 6)
    by_lesion = single_label_metrics(true, certain(predicted), NAMES, lesions)
    by_image = single_label_metrics(true, certain(predicted), NAMES)
    assert by_image["accuracy_interval"]["unit"] == "image"
    for key in SCORES:
        wide, narrow = by_lesion[f"{key}_interval"], by_image[f"{key}_interval"]
        assert wide["low"] < by_lesion[key] < wide["high"]
        assert wide["high"] - wide["low"] > 1.5 * (narrow["high"] - narrow["low"])


def test_a_class_that_is_never_predicted_counts_as_zero_precision():
    scores = single_label_metrics([0, 1, 1, 2], certain([0, 1, 1, 1]), NAMES, draws=10)
    assert scores["precision"] == pytest.approx((1 + 2 / 3 + 0) / 3)
    missed = scores["labels"]["BCC"]
    assert (
        missed["precision"] is None
        and "counts as 0" in missed["undefined"]["precision"]
    )
    assert missed["recall"] == missed["f1"] == 0
    assert missed["precision_interval"]["low"] is None
    json.dumps(scores, allow_nan=False)


def test_a_class_without_images_is_left_out_of_the_means():
    scores = single_label_metrics([0, 1, 1, 1], certain([0, 1, 1, 2]), NAMES, draws=10)
    assert scores["recall"] == pytest.approx((1 + 2 / 3) / 2)
    assert scores["precision"] == 1
    absent = scores["labels"]["BCC"]
    assert absent["recall"] is None and absent["auroc"] is None
    assert "not in the means" in absent["undefined"]["recall"]
    assert absent["precision"] == 0 and absent["specificity"] == 0.75
    json.dumps(scores, allow_nan=False)


@pytest.mark.parametrize("groups", [None, ["one"] * 4])
def test_one_class_throughout_is_still_json(groups):
    scores = single_label_metrics([1] * 4, certain([1] * 4), NAMES, groups, draws=10)
    assert scores["accuracy"] == scores["f1"] == scores["majority_accuracy"] == 1
    only = scores["labels"]["NV"]
    assert (
        scores["specificity"] is None
        and "one class" in scores["undefined"]["specificity"]
    )
    assert (
        only["specificity"] is None
        and only["undefined"]["auroc"] == "no images of other classes"
    )
    assert scores["labels"]["MEL"]["f1"] is None
    assert (scores["accuracy_interval"]["low"] is None) == (groups is not None)
    json.dumps(scores, allow_nan=False)


def test_certain_and_wrong_is_finite():
    scores = single_label_metrics([0, 1], certain([1, 0], share=1.0), NAMES, draws=2)
    assert scores["log_loss"] == pytest.approx(-np.log(1e-7))


def test_many_matrices_at_once_have_the_scores_of_each():
    matrices = np.array(
        [[[3, 1], [0, 4]], [[0, 0], [1, 1]], [[2, 0], [2, 0]]], "float64"
    )
    scores = confusion_scores(matrices)
    np.testing.assert_allclose(scores["accuracy"], [7 / 8, 1 / 2, 1 / 2])
    np.testing.assert_allclose(scores["recall"], [(3 / 4 + 1) / 2, 1 / 2, 1 / 2])
    np.testing.assert_allclose(
        scores["precision"], [(1 + 4 / 5) / 2, 1, (1 / 2 + 0) / 2]
    )
    np.testing.assert_allclose(
        scores["f1"], [(6 / 7 + 8 / 9) / 2, 2 / 3, (4 / 6 + 0) / 2]
    )
    np.testing.assert_array_equal(
        np.isnan(scores["label_recall"]), [[0, 0], [1, 0], [0, 0]]
    )
    np.testing.assert_array_equal(
        np.isnan(scores["label_precision"]), [[0, 0], [0, 0], [0, 1]]
    )


@pytest.mark.parametrize(
    ("labels", "probabilities", "message"),
    [
        ([0, 1], np.full((2, 3), 0.5), "sum to 1.*2 of 2 rows"),
        ([0, 1], np.full((2, 3), np.nan), "2 of 2 rows"),
        (
            [0, 1],
            [[1.5, -0.5, 0], [1, 0, 0]],
            "1 of 2 rows that do not, the first is row 0",
        ),
        ([0, 3], np.full((2, 3), 1 / 3), "from 0 to 2"),
        ([0, 0.5], np.full((2, 3), 1 / 3), "from 0 to 2"),
        ([[1, 1, 0], [1, 0, 0]], np.full((2, 3), 1 / 3), "exactly one class.*row 0"),
        ([[1, 0], [0, 1]], np.full((2, 2), 0.5), r"3 names"),
        ([], np.zeros((0, 3)), "no rows"),
    ],
)
def test_refuses_what_has_no_score(labels, probabilities, message):
    with pytest.raises(ValueError, match=message):
        single_label_metrics(labels, probabilities, NAMES)
