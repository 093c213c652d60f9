"""Percentile intervals of scores by resampling patients.

Slices of one patient resemble each other; resampling slices would make intervals too narrow. A draw takes as
many patients as there are, with replacement, and every slice of each as often as its patient was drawn.
"""

from collections.abc import Iterator, Sequence

import numpy as np

DRAWS = 1000
_WEIGHTS_AT_ONCE = 8_000_000


def log_loss_interval(losses: np.ndarray, cluster_ids: Sequence | None = None, **options) -> dict:
    """95% interval of the mean of per-sample losses.

    Args:
        losses: One loss per sample, shape `(n,)`.
        cluster_ids: The patient of each sample; each sample is its own cluster if not given.
        **options: `draws`, `seed` and `level`, as in `percentile_interval`.

    Returns:
        What `percentile_interval` returns.
    """
    clusters = _cluster_indices(cluster_ids, len(losses))
    sums = np.bincount(clusters, weights=losses)
    sizes = np.bincount(clusters)
    return percentile_interval(
        lambda drawn: (drawn @ sums) / (drawn @ sizes), clusters, cluster_ids is not None, **options
    )


def auroc_interval(
    labels: np.ndarray, scores: np.ndarray, cluster_ids: Sequence | None = None, **options
) -> dict:
    """95% interval of the area under the ROC curve. Draws with positives or negatives only are left out.

    Args:
        labels: 0 or 1 per sample, shape `(n,)`.
        scores: Predicted scores, shape `(n,)`; ties count half.
        cluster_ids: The patient of each sample; each sample is its own cluster if not given.
        **options: `draws`, `seed` and `level`, as in `percentile_interval`.

    Returns:
        What `percentile_interval` returns.
    """
    clusters = _cluster_indices(cluster_ids, len(labels))
    order = np.argsort(scores, kind="stable")
    positive = np.asarray(labels)[order] == 1
    sorted_scores = np.asarray(scores)[order]
    tie_starts = np.flatnonzero(np.r_[True, sorted_scores[1:] != sorted_scores[:-1]])
    sorted_clusters = clusters[order]

    def weighted_aurocs(drawn: np.ndarray) -> np.ndarray:
        weights = drawn[:, sorted_clusters]
        positives = np.add.reduceat(weights * positive, tie_starts, axis=1)
        negatives = np.add.reduceat(weights * ~positive, tie_starts, axis=1)
        below = np.cumsum(negatives, axis=1) - negatives / 2
        pairs = positives.sum(axis=1) * negatives.sum(axis=1)
        with np.errstate(invalid="ignore"):
            return (positives * below).sum(axis=1) / pairs

    return percentile_interval(weighted_aurocs, clusters, cluster_ids is not None, **options)


def percentile_interval(
    score, clusters: np.ndarray, clustered: bool, draws: int = DRAWS, seed: int = 0, level: float = 0.95
) -> dict:
    """Interval between percentiles of a score over resampled clusters.

    Args:
        score: Function from how often each cluster was drawn, float array `(draws, clusters)`, to scores
            `(draws,)`; NaN where a draw has no score.
        clusters: Cluster index of each sample, from 0.
        clustered: Whether the clusters are patients.
        draws: How many times to resample.
        seed: The same seed gives the same interval.
        level: Probability between the ends.

    Returns:
        `low` and `high` (None, with a `reason`, if fewer than half of the draws have a score), `level`,
        `draws` (those that count) and `unit` (`patient` or `sample`).
    """
    count = int(clusters.max()) + 1
    result = {
        "low": None,
        "high": None,
        "level": level,
        "draws": 0,
        "unit": "patient" if clustered else "sample",
    }
    if count < 2:
        return {**result, "reason": "there is only one to resample"}
    scores = np.concatenate([score(drawn) for drawn in _draw(count, len(clusters), draws, seed)])
    scores = scores[np.isfinite(scores)]
    result["draws"] = len(scores)
    if 2 * len(scores) < draws:
        return {**result, "reason": "most draws hold positives or negatives only"}
    low, high = np.quantile(scores, [(1 - level) / 2, (1 + level) / 2])
    return {**result, "low": float(low), "high": float(high)}


def _draw(clusters: int, samples: int, draws: int, seed: int) -> Iterator[np.ndarray]:
    """Yields how often each cluster is drawn, in blocks of draws that keep memory bounded."""
    generator = np.random.default_rng(seed)
    shares = np.full(clusters, 1 / clusters)
    block = max(1, _WEIGHTS_AT_ONCE // samples)
    for start in range(0, draws, block):
        yield generator.multinomial(clusters, shares, size=min(block, draws - start)).astype("float64")


def _cluster_indices(cluster_ids: Sequence | None, samples: int) -> np.ndarray:
    if cluster_ids is None:
        return np.arange(samples)
    if len(cluster_ids) != samples:
        raise ValueError(
            f"`cluster_ids` must hold one id per sample, {samples}. Received: {len(cluster_ids)}"
        )
    return np.unique(np.asarray(cluster_ids).astype(str), return_inverse=True)[1]
