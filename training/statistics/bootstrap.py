"""Percentile intervals of scores by resampling patients.

Images of one patient resemble each other; resampling images would make intervals too narrow. A draw takes as
many patients as there are, with replacement, and every image of each as often as its patient was drawn.
"""

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

DRAWS = 1000
_WEIGHTS_AT_ONCE = 8_000_000


def log_loss_interval(
    losses: np.ndarray, cluster_ids: Sequence | None = None, **options: Any
) -> dict:
    """95% interval of the mean of per-sample losses.

    Args:
        losses: One loss per sample, shape `(n,)`.
        cluster_ids: The patient of each sample; each sample is its own cluster if not given.
        **options: `draws`, `seed` and `level`, as in `percentile_interval`.

    Returns:
        What `percentile_interval` returns.
    """
    clusters = cluster_indices(cluster_ids, len(losses))
    sums = np.bincount(clusters, weights=losses)
    sizes = np.bincount(clusters)
    return percentile_interval(
        lambda drawn: (drawn @ sums) / (drawn @ sizes),
        clusters,
        _unit(cluster_ids),
        **options,
    )


def percentile_interval(
    score: Callable[[np.ndarray], np.ndarray],
    clusters: np.ndarray,
    unit: str,
    **options: Any,
) -> dict:
    """Interval between percentiles of one score over resampled clusters.

    Args:
        score: Function from how often each cluster was drawn, float array `(draws, clusters)`, to scores
            `(draws,)`; NaN where a draw has no score.
        clusters: Cluster index of each sample, from 0.
        unit: What a cluster is.
        **options: `draws`, `seed` and `level`, as in `percentile_intervals`.

    Returns:
        `low` and `high` (None, with a `reason`, if fewer than half of the draws have a score), `level`,
        `draws` (those that count) and `unit`.
    """
    return percentile_intervals(
        lambda drawn: {"": score(drawn)}, clusters, unit, **options
    )[""]


def percentile_intervals(
    scores: Callable[[np.ndarray], Mapping[Hashable, np.ndarray]],
    clusters: np.ndarray,
    unit: str,
    draws: int = DRAWS,
    seed: int = 0,
    level: float = 0.95,
) -> dict[Hashable, dict]:
    """Intervals of several scores, all from the same draws.

    Args:
        scores: Function from how often each cluster was drawn, float array `(draws, clusters)`, to the scores
            `(draws,)` by their keys; NaN where a draw has no score.
        clusters: Cluster index of each sample, from 0.
        unit: What a cluster is.
        draws: How many times to resample.
        seed: The same seed gives the same intervals.
        level: Probability between the ends.

    Returns:
        By the scores' keys what `percentile_interval` returns.
    """
    count = int(clusters.max()) + 1
    blocks = [scores(drawn) for drawn in _draw(count, len(clusters), draws, seed)]
    empty = {"low": None, "high": None, "level": level, "draws": 0, "unit": unit}
    intervals = {}
    for key in blocks[0]:
        drawn_scores = np.concatenate([block[key] for block in blocks])
        drawn_scores = drawn_scores[np.isfinite(drawn_scores)]
        if count < 2:
            intervals[key] = {**empty, "reason": "there is only one to resample"}
        elif 2 * len(drawn_scores) < draws:
            reason = "most draws hold nothing that it could be taken from"
            intervals[key] = {**empty, "draws": len(drawn_scores), "reason": reason}
        else:
            low, high = np.quantile(drawn_scores, [(1 - level) / 2, (1 + level) / 2])
            ends = {"low": float(low), "high": float(high), "draws": len(drawn_scores)}
            intervals[key] = {**empty, **ends}

    return intervals


def cluster_indices(cluster_ids: Sequence | None, samples: int) -> np.ndarray:
    """Cluster index of each sample, from 0; each sample is its own cluster if there are no ids.

    Raises:
        ValueError: If there is not one id per sample.
    """
    if cluster_ids is None:
        return np.arange(samples)
    if len(cluster_ids) != samples:
        raise ValueError(
            f"`cluster_ids` must hold one id per sample, {samples}. Received: {len(cluster_ids)}"
        )
    return np.unique(np.asarray(cluster_ids).astype(str), return_inverse=True)[1]


def _unit(cluster_ids: Sequence | None) -> str:
    return "sample" if cluster_ids is None else "patient"


def _draw(clusters: int, samples: int, draws: int, seed: int) -> Iterator[np.ndarray]:
    """Yields how often each cluster is drawn, in blocks of draws that keep memory bounded."""
    generator = np.random.default_rng(seed)
    block = max(1, _WEIGHTS_AT_ONCE // samples)
    for start in range(0, draws, block):
        drawn = np.empty((min(block, draws - start), clusters))
        for times in (
            drawn
        ):  # counting draws takes a twentieth of the time of multinomial's numbers
            times[:] = np.bincount(
                generator.integers(clusters, size=clusters), minlength=clusters
            )
        yield drawn
