"""Intervals of several scores from the same draws."""

import numpy as np
import pytest

from training.statistics.bootstrap import (
    cluster_indices,
    log_loss_interval,
    percentile_interval,
    percentile_intervals,
)


def test_scores_share_their_draws():
    values = np.random.default_rng(0).random(30)
    clusters = np.arange(30)

    def scores(drawn):
        mean = drawn @ values / 30
        return {"mean": mean, "twice": 2 * mean}

    intervals = percentile_intervals(scores, clusters, "sample", draws=100, seed=5)
    assert intervals["twice"]["low"] == pytest.approx(2 * intervals["mean"]["low"])
    assert intervals["twice"]["high"] == pytest.approx(2 * intervals["mean"]["high"])
    alone = percentile_interval(
        lambda drawn: scores(drawn)["mean"], clusters, "sample", draws=100, seed=5
    )
    assert alone == intervals["mean"]
    assert alone == log_loss_interval(values, draws=100, seed=5)


def test_draws_without_a_score_are_left_out_each_score_for_itself():
    def scores(drawn):
        first = drawn[:, 0]
        return {
            "often": np.where(first > 2, np.nan, 1.0),
            "rarely": np.where(first > 2, 1.0, np.nan),
        }

    intervals = percentile_intervals(scores, np.arange(20), "image", draws=200)
    assert intervals["often"]["low"] == 1 and 100 < intervals["often"]["draws"] < 200
    assert intervals["rarely"]["low"] is None and "reason" in intervals["rarely"]
    assert intervals["often"]["draws"] + intervals["rarely"]["draws"] == 200
    assert intervals["often"]["unit"] == "image"


def test_one_cluster_has_no_interval():
    interval = percentile_interval(
        lambda drawn: drawn[:, 0], np.zeros(5, int), "group", draws=10
    )
    assert interval["low"] is None and "only one" in interval["reason"]


def test_clusters_are_numbered_by_their_ids():
    assert cluster_indices(["b", "a", "b"], 3).tolist() == [1, 0, 1]
    assert cluster_indices(None, 3).tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match="3. Received: 2"):
        cluster_indices(["a", "b"], 3)
