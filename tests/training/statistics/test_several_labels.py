"""Scores against cases worked out by hand, and against scikit-learn."""

import json

import keras
import numpy as np
import pytest
from sklearn.metrics import log_loss, roc_auc_score

from training.statistics.auc import auc_with_interval
from training.statistics.bootstrap import log_loss_interval
from training.statistics.several_labels import multilabel_metrics
from training.statistics.studies import by_study
from training.tasks.losses import WeightedLogLoss

NAMES = ("any", "epidural", "subdural")
WEIGHTS = (2, 1, 1)


@pytest.fixture
def predictions():
    """200 slices of 40 patients: labels, probabilities that follow them, patients."""
    generator = np.random.default_rng(3)
    labels = (generator.random((200, 3)) < 0.4).astype(int)
    probabilities = 1 / (1 + np.exp(-generator.normal(labels * 2 - 1, 1.5)))
    return labels, probabilities, np.repeat(np.arange(10, 50), 5)


def test_scores_worked_out_by_hand():
    labels = np.array([[1, 1, 0], [1, 0, 0], [0, 0, 0], [0, 0, 0]])
    probabilities = np.array(
        [[0.9, 0.5, 0.6], [0.4, 0.2, 0.1], [0.6, 0.6, 0.1], [0.1, 0.1, 0.1]]
    )
    scores = multilabel_metrics(labels, probabilities, NAMES, WEIGHTS, draws=10)
    first = scores["labels"]["any"]
    assert first["confusion"] == {
        "true_positive": 1,
        "false_positive": 1,
        "false_negative": 1,
        "true_negative": 1,
    }
    assert (
        first["accuracy"],
        first["recall"],
        first["precision"],
        first["specificity"],
        first["f1"],
    ) == (0.5,) * 5
    assert first["auroc"] == 0.75
    second = scores["labels"]["epidural"]
    assert (second["recall"], second["precision"], second["accuracy"]) == (1, 0.5, 0.75)
    assert second["specificity"] == pytest.approx(2 / 3)
    assert second["f1"] == pytest.approx(2 / 3)
    assert scores["accuracy"] == pytest.approx((0.5 + 0.75 + 0.75) / 3)
    assert scores["weighted_accuracy"] == pytest.approx((2 * 0.5 + 0.75 + 0.75) / 4)
    assert scores["recall"] == pytest.approx((0.5 + 1) / 2)
    any_loss = -np.log([0.9, 0.4, 0.4, 0.9]).mean()
    epidural_loss = -np.log([0.5, 0.8, 0.4, 0.9]).mean()
    subdural_loss = -np.log([0.4, 0.9, 0.9, 0.9]).mean()
    assert first["log_loss"] == pytest.approx(any_loss)
    assert scores["log_loss"] == pytest.approx(
        (2 * any_loss + epidural_loss + subdural_loss) / 4
    )


def test_agrees_with_scikit_learn(predictions):
    labels, probabilities, _ = predictions
    scores = multilabel_metrics(labels, probabilities, NAMES, WEIGHTS, draws=10)
    for i, name in enumerate(NAMES):
        assert scores["labels"][name]["log_loss"] == pytest.approx(
            log_loss(labels[:, i], probabilities[:, i])
        )
        assert scores["labels"][name]["auroc"] == pytest.approx(
            roc_auc_score(labels[:, i], probabilities[:, i])
        )


def test_a_label_of_one_class_has_reasons_instead_of_scores():
    labels = np.array([[1, 0, 1], [0, 0, 1]])
    probabilities = np.full((2, 3), 0.2)
    scores = multilabel_metrics(labels, probabilities, NAMES, WEIGHTS, draws=10)
    without_positives = scores["labels"]["epidural"]
    assert without_positives["auroc"] is None and without_positives["recall"] is None
    assert without_positives["undefined"]["auroc"] == "no positives"
    assert without_positives["undefined"]["precision"] == "no positive predictions"
    assert scores["labels"]["subdural"]["undefined"]["auroc"] == "no negatives"
    assert scores["labels"]["subdural"]["specificity"] is None
    json.dumps(scores, allow_nan=False)


@pytest.mark.parametrize("value", [0, 1])
def test_any_of_one_class_throughout_is_still_json(value):
    labels = np.full((5, 3), value)
    scores = multilabel_metrics(
        labels,
        np.full((5, 3), 0.5),
        NAMES,
        WEIGHTS,
        patient_ids=["p"] * 5,
        draws=10,
        main_label="any",
    )
    assert scores["auroc_any"] is None and scores["auroc_any_interval"] is None
    assert "auroc_any" in scores["undefined"]
    assert (
        scores["log_loss_interval"]["low"] is None
        and "reason" in scores["log_loss_interval"]
    )
    json.dumps(scores, allow_nan=False)


def test_certain_and_wrong_is_finite():
    scores = multilabel_metrics(
        np.ones((2, 3)), np.zeros((2, 3)), NAMES, WEIGHTS, draws=10
    )
    assert scores["log_loss"] == pytest.approx(-np.log(1e-7))


@pytest.mark.parametrize(
    ("labels", "probabilities", "message"),
    [
        (np.zeros((2, 3)), np.full((2, 3), np.nan), "6 of 6 outside"),
        (np.zeros((2, 3)), np.full((2, 3), 1.5), "must lie in"),
        (np.full((2, 3), 2), np.zeros((2, 3)), "0 and 1 only"),
        (np.zeros((2, 2)), np.zeros((2, 2)), r"\(n, 3\)"),
        (np.zeros((0, 3)), np.zeros((0, 3)), "no rows"),
    ],
)
def test_refuses_what_has_no_score(labels, probabilities, message):
    with pytest.raises(ValueError, match=message):
        multilabel_metrics(labels, probabilities, NAMES, WEIGHTS)


def auroc_interval_of(*arguments, **options):
    return auc_with_interval(*arguments, **options)["auc_interval"]


def test_bootstrap_equals_resampling_row_by_row(predictions):
    labels, probabilities, patients = predictions
    interval = auroc_interval_of(
        labels[:, 0], probabilities[:, 0], patients, draws=50, seed=7
    )
    generator = np.random.default_rng(7)
    drawn = [
        np.bincount(generator.integers(40, size=40), minlength=40) for _ in range(50)
    ]
    aurocs, losses = [], []
    for times in drawn:
        rows = np.repeat(np.arange(200), times[patients - 10])
        aurocs.append(roc_auc_score(labels[rows, 0], probabilities[rows, 0]))
        losses.append(log_loss(labels[rows, 0], probabilities[rows, 0]))
    np.testing.assert_allclose(
        [interval["low"], interval["high"]], np.quantile(aurocs, [0.025, 0.975])
    )
    per_row = -np.log(
        np.where(labels[:, 0] == 1, probabilities[:, 0], 1 - probabilities[:, 0])
    )
    interval = log_loss_interval(per_row, patients, draws=50, seed=7)
    np.testing.assert_allclose(
        [interval["low"], interval["high"]], np.quantile(losses, [0.025, 0.975])
    )
    assert interval["unit"] == "patient" and interval["draws"] == 50


def test_bootstrap_counts_ties_half():
    labels = np.tile([0, 1], 50)
    interval = auroc_interval_of(labels, np.full(100, 0.3), draws=20)
    assert interval["low"] == interval["high"] == 0.5


def test_bootstrap_is_seeded_and_wider_by_patient(predictions):
    generator = np.random.default_rng(0)
    losses = np.repeat(generator.random(40), 5)
    patients = np.repeat(np.arange(40), 5)
    by_patient = log_loss_interval(losses, patients, seed=1)
    assert by_patient == log_loss_interval(losses, patients, seed=1)
    assert by_patient != log_loss_interval(losses, patients, seed=2)
    by_slice = log_loss_interval(losses, seed=1)
    assert by_slice["unit"] == "sample"
    assert by_patient["high"] - by_patient["low"] > 1.5 * (
        by_slice["high"] - by_slice["low"]
    )


def test_bootstrap_without_a_second_class_in_most_draws():
    interval = auroc_interval_of(
        np.array([1, 0, 0]), np.array([0.9, 0.1, 0.2]), ["a", "a", "b"], draws=100
    )
    assert interval["draws"] < 100 and interval["low"] == 1
    alone = auroc_interval_of(
        np.array([1, 0]), np.array([0.9, 0.1]), ["a", "a"], draws=100
    )
    assert alone["low"] is None and "reason" in alone


def test_blocks_of_draws_do_not_change_the_interval(predictions, monkeypatch):
    labels, probabilities, patients = predictions
    whole = auroc_interval_of(labels[:, 0], probabilities[:, 0], patients, draws=64)
    monkeypatch.setattr("training.statistics.bootstrap._WEIGHTS_AT_ONCE", 200 * 7)
    assert (
        auroc_interval_of(labels[:, 0], probabilities[:, 0], patients, draws=64)
        == whole
    )


def test_studies_take_the_maximum_of_their_slices():
    probabilities = np.array([[0.1, 0.9], [0.8, 0.2], [0.3, 0.3], [0.4, 0.1]])
    labels = np.array([[0, 1], [0, 0], [1, 0], [0, 0]])
    studies = by_study(probabilities, labels, ["b", "a", "b", "a"])
    assert studies.study_ids.tolist() == ["a", "b"]
    assert studies.probabilities.tolist() == [[0.8, 0.2], [0.3, 0.9]]
    assert studies.labels.tolist() == [[0, 0], [1, 1]]
    assert studies.first_rows.tolist() == [1, 0]
    mean = by_study(probabilities, labels, ["b", "a", "b", "a"], rule="mean")
    np.testing.assert_allclose(mean.probabilities, [[0.6, 0.15], [0.2, 0.6]])
    assert mean.labels.tolist() == [[0, 0], [1, 1]]
    with pytest.raises(ValueError, match="max, mean.*'min'"):
        by_study(probabilities, labels, ["b", "a", "b", "a"], rule="min")
    with pytest.raises(ValueError, match="4, 4 and 1 rows"):
        by_study(probabilities, labels, ["b"])


def test_keras_metric_weighs_samples_alike_over_unequal_batches():
    generator = np.random.default_rng(1)
    labels = generator.integers(0, 2, (10, 3)).astype("float32")
    logits = generator.normal(0, 2, (10, 3)).astype("float32")
    sample_weight = generator.random(10).astype("float32")
    metric = WeightedLogLoss(WEIGHTS)
    for rows in (slice(0, 8), slice(8, 10)):
        metric.update_state(labels[rows], logits[rows])
    probabilities = 1 / (1 + np.exp(-logits.astype("float64")))
    expected = multilabel_metrics(labels, probabilities, NAMES, WEIGHTS, draws=2)[
        "log_loss"
    ]
    assert float(metric.result()) == pytest.approx(expected, rel=1e-5)
    losses = np.logaddexp(0, logits) - labels * logits
    for weights in (sample_weight, sample_weight[:, None]):
        metric.reset_state()
        metric.update_state(labels, logits, weights)
        expected = np.average(
            np.average(losses, axis=1, weights=WEIGHTS), weights=sample_weight
        )
        assert float(metric.result()) == pytest.approx(expected, rel=1e-5)


def test_keras_metric_in_compile_and_round_trip():
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(3, dtype="mixed_bfloat16")]
    )
    model.compile("sgd", loss="mse", metrics=[WeightedLogLoss(WEIGHTS)])
    inputs, labels = np.ones((5, 4), "float32"), np.ones((5, 3), "float32")
    logits = model.predict(inputs, verbose=0).astype("float64")
    result = model.evaluate(inputs, labels, batch_size=2, verbose=0, return_dict=True)
    expected = np.average(np.logaddexp(0, -logits), axis=1, weights=WEIGHTS).mean()
    assert result["log_loss"] == pytest.approx(expected, rel=1e-2)
    metric = WeightedLogLoss((3, 1), from_logits=False, name="other")
    again = keras.metrics.deserialize(keras.metrics.serialize(metric))
    assert again.get_config() == metric.get_config()
