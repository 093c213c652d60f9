"""Areas under ROC curves of one class against another, their differences, and intervals of both.

All are drawn together: in a draw each patient, or each image, counts as often as it was drawn, for every area
alike. The area is the share of pairs of a positive and a negative image of which the positive one has the
higher score; ties count half.

Reference: Taha et al., HCT, section 3: 95% percentile intervals of 10,000 draws.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from training.statistics.bootstrap import cluster_indices, percentile_intervals

AUC_DRAWS = 10_000
ALL = ""


@dataclasses.dataclass(frozen=True)
class Ranking:
    """One model's scores of the images, ranked.

    Attributes:
        positives: Rows of the positive images.
        negatives: Rows of the negative ones, from the lowest score up.
        below: How many of the negatives have a lower score than each positive.
        not_above: How many have a lower score or the same.
    """

    positives: np.ndarray
    negatives: np.ndarray
    below: np.ndarray
    not_above: np.ndarray

    @classmethod
    def of(cls, labels: np.ndarray, scores: np.ndarray) -> "Ranking":
        """Ranks scores.

        Args:
            labels: 0 or 1 per image.
            scores: The higher the more probably positive, one per image.

        Raises:
            ValueError: If labels are not 0 or 1, or scores are not finite or not as many.
        """
        labels, scores = np.asarray(labels), np.asarray(scores, "float64")
        if labels.ndim != 1 or labels.shape != scores.shape:
            raise ValueError(
                "`labels` and `scores` must have the same shape (n,). "
                f"Received: {labels.shape}, {scores.shape}"
            )
        if not np.isin(labels, (0, 1)).all():
            raise ValueError(
                f"`labels` must be 0 or 1. Received: {np.unique(labels)[:8].tolist()}"
            )
        if not np.isfinite(scores).all():
            wrong = int((~np.isfinite(scores)).sum())
            raise ValueError(f"`scores` must be finite. Received: {wrong} that are not")

        positives, negatives = np.flatnonzero(labels == 1), np.flatnonzero(labels == 0)
        negatives = negatives[np.argsort(scores[negatives], kind="stable")]
        ranked = scores[negatives]
        below, not_above = (
            np.searchsorted(ranked, scores[positives], side)
            for side in ("left", "right")
        )
        return cls(positives, negatives, below, not_above)

    def areas(self, weights: np.ndarray, subsets: np.ndarray) -> np.ndarray:
        """Areas of subsets of the positives against all negatives, with weighted images.

        Args:
            weights: How often each image counts, `(draws, images)`.
            subsets: 0 or 1, `(positives, subsets)`.

        Returns:
            `(draws, subsets)`, NaN where there are no pairs.
        """
        of_positives = weights[:, self.positives]
        passed = np.zeros((len(weights), len(self.negatives) + 1), weights.dtype)
        np.cumsum(weights[:, self.negatives], axis=1, out=passed[:, 1:])
        won = of_positives * ((passed[:, self.below] + passed[:, self.not_above]) / 2)
        pairs = (of_positives @ subsets) * passed[:, -1:]
        with np.errstate(invalid="ignore", divide="ignore"):
            return (won @ subsets) / pairs


def auc_with_interval(
    labels: np.ndarray,
    scores: np.ndarray,
    patient_ids: Sequence | None = None,
    **options: Any,
) -> dict:
    """The area under the ROC curve.

    Args:
        labels: 0 or 1 per image, shape `(n,)`.
        scores: The higher the more probably positive, shape `(n,)`.
        patient_ids: The patient of each image, whose images are drawn together; None draws images, as the
            paper does.
        **options: `draws`, `seed` and `level`, as in `training.statistics.bootstrap.percentile_intervals`.

    Returns:
        What `aucs_of_subsets` gives for all positive images.
    """
    return aucs_of_subsets(
        labels, scores, {ALL: np.ones(len(labels), bool)}, patient_ids, **options
    )[ALL]


def mean_auc_with_interval(
    labels: np.ndarray,
    scores: np.ndarray,
    patient_ids: Sequence | None = None,
    **options: Any,
) -> dict:
    """The mean of several labels' areas, of those that have positives and negatives.

    Args:
        labels: 0 or 1, shape `(n, labels)`.
        scores: The higher the more probably positive, same shape.
        patient_ids: As in `auc_with_interval`.
        **options: As in `auc_with_interval`.

    Returns:
        `auc` and `auc_interval`, both None if no label has positives and negatives, with
        the reason under `undefined`. In a draw, labels without either do not count.
    """
    labels, scores = np.asarray(labels), np.asarray(scores)
    positives = labels.sum(axis=0)
    columns = np.flatnonzero((positives > 0) & (positives < len(labels)))
    if not len(columns):
        reason = "no label has positives and negatives"
        return {"auc": None, "auc_interval": None, "undefined": {"auc": reason}}
    rankings = [Ranking.of(labels[:, i], scores[:, i]) for i in columns]

    def drawn(weights: np.ndarray) -> dict:
        areas = np.stack(
            [
                ranking.areas(weights, np.ones((len(ranking.positives), 1)))[:, 0]
                for ranking in rankings
            ]
        )
        known = np.isfinite(areas)
        with np.errstate(invalid="ignore"):
            return {"auc": np.where(known, areas, 0).sum(axis=0) / known.sum(axis=0)}

    values, intervals = _draw(drawn, len(labels), patient_ids, options)
    return _value("auc", values["auc"], intervals["auc"]) | {"undefined": {}}


def aucs_of_subsets(
    labels: np.ndarray,
    scores: np.ndarray,
    subsets: Mapping[str, np.ndarray],
    patient_ids: Sequence | None = None,
    **options: Any,
) -> dict[str, dict]:
    """The area of each subset of the positive images against all negative ones.

    Args:
        labels: 0 or 1 per image, shape `(n,)`.
        scores: The higher the more probably positive, shape `(n,)`.
        subsets: By name, which images belong to it, bool of shape `(n,)`; negatives are not looked at.
        patient_ids: The patient of each image, whose images are drawn together; None draws images.
        **options: `draws`, `seed` and `level`, as in `training.statistics.bootstrap.percentile_intervals`.

    Returns:
        By name `positives` and `negatives` (numbers of images), `auc` (None, with the reason under
        `undefined`, if either is none) and `auc_interval`.

    Raises:
        ValueError: If shapes do not agree, labels are not 0 or 1 or a score is not finite.

    Reference:
        Taha et al., HCT, appendix: "the positive class includes all malignant images with this finding type,
        while the negative class includes all negative images".
    """
    ranking = Ranking.of(labels, scores)
    masks = _masks(ranking, subsets)
    values, intervals = _draw(
        lambda weights: dict(
            zip(subsets, ranking.areas(weights, masks).T, strict=True)
        ),
        len(ranking.positives) + len(ranking.negatives),
        patient_ids,
        options,
    )
    return {
        name: _counts(ranking, mask) | _value("auc", values[name], intervals[name])
        for name, mask in zip(subsets, masks.T, strict=True)
    }


def auc_differences(
    labels: np.ndarray,
    scores: np.ndarray,
    other_scores: np.ndarray,
    subsets: Mapping[str, np.ndarray] | None = None,
    patient_ids: Sequence | None = None,
    **options: Any,
) -> dict[str, dict]:
    """How much larger one model's area is than another's on the same images, both from the same draws.

    Args:
        labels: 0 or 1 per image, shape `(n,)`.
        scores: One model's scores, shape `(n,)`.
        other_scores: The other's.
        subsets: As in `aucs_of_subsets`; all positives, under the name `ALL`, if not given.
        patient_ids: As in `aucs_of_subsets`.
        **options: As in `aucs_of_subsets`.

    Returns:
        By name `positives`, `negatives`, `auc` and `other_auc`, and `difference` with
        `difference_interval`; None, with the reason under `undefined`, if there are no pairs.

    Raises:
        ValueError: As `aucs_of_subsets`.

    Reference:
        Taha et al., HCT, Fig. A2: the AUC difference between HCT-RELU and GMIC and its interval.
    """
    ours, others = Ranking.of(labels, scores), Ranking.of(labels, other_scores)
    subsets = (
        {ALL: np.ones(len(ours.positives) + len(ours.negatives), bool)}
        if subsets is None
        else subsets
    )
    masks = _masks(ours, subsets)

    def drawn(weights):
        areas, other_areas = (
            ranking.areas(weights, masks).T for ranking in (ours, others)
        )
        by_kind = {
            "auc": areas,
            "other_auc": other_areas,
            "difference": areas - other_areas,
        }
        return {
            (kind, name): area
            for kind, of_kind in by_kind.items()
            for name, area in zip(subsets, of_kind, strict=True)
        }

    values, intervals = _draw(drawn, len(labels), patient_ids, options)
    return {
        name: _counts(ours, mask)
        | _value("auc", values["auc", name], intervals["auc", name])
        | _value("other_auc", values["other_auc", name], intervals["other_auc", name])
        | _value(
            "difference", values["difference", name], intervals["difference", name]
        )
        for name, mask in zip(subsets, masks.T, strict=True)
    }


def _masks(ranking: Ranking, subsets: Mapping[str, np.ndarray]) -> np.ndarray:
    """Which positives belong to each subset, `(positives, subsets)`."""
    images = len(ranking.positives) + len(ranking.negatives)
    for name, subset in subsets.items():
        if np.shape(subset) != (images,):
            raise ValueError(
                f"`subsets` must have the shape ({images},) each. Received: {np.shape(subset)} of {name!r}"
            )
    chosen = [np.asarray(subset)[ranking.positives] for subset in subsets.values()]
    return np.stack(chosen, axis=1).astype("float64")


def _draw(
    areas: Callable[[np.ndarray], Mapping],
    images: int,
    patient_ids: Sequence | None,
    options: Mapping,
) -> tuple[Mapping, Mapping]:
    """Scores by key with each image once, and their intervals."""
    clusters = cluster_indices(patient_ids, images)
    values = {key: float(area[0]) for key, area in areas(np.ones((1, images))).items()}
    intervals = percentile_intervals(
        lambda drawn: areas(drawn[:, clusters]),
        clusters,
        "image" if patient_ids is None else "patient",
        **{"draws": AUC_DRAWS, **options},
    )
    return values, intervals


def _counts(ranking: Ranking, mask: np.ndarray) -> dict:
    positives, negatives = int(mask.sum()), len(ranking.negatives)
    missing = [
        name
        for name, count in (("positive", positives), ("negative", negatives))
        if not count
    ]
    return {
        "positives": positives,
        "negatives": negatives,
        "undefined": {"auc": f"there are no {' and no '.join(missing)} images"}
        if missing
        else {},
    }


def _value(key: str, value: float, interval: Mapping) -> dict:
    return {key: value if np.isfinite(value) else None, f"{key}_interval": interval}
