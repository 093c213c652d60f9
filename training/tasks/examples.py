"""Which images a report shows: those of which the model was most sure, right and wrong."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

RIGHT, WRONG = "Most confident, and right", "Most confident, and wrong"


def with_and_without(
    predictions: pd.DataFrame,
    present: np.ndarray,
    right: np.ndarray,
    confidence: np.ndarray,
    per_group: int,
) -> dict[str, list[str]]:
    """Half of each group has what is looked for, where there are such; no two are of one study.

    Args:
        predictions: The table of `predictions.csv`.
        present: Whether each image has it.
        right: Whether the model is right about it.
        confidence: How sure it is.
        per_group: Most images in a group.

    Returns:
        Source ids by the group's title.
    """
    ranked = _ranked(predictions, confidence, present=present, right=right)
    groups = {}
    for title, chosen in ((RIGHT, ranked.right), (WRONG, ~ranked.right)):
        candidates = ranked[chosen].drop_duplicates("study_id")
        with_it, without = (
            candidates[candidates.present],
            candidates[~candidates.present],
        )
        positives = min(
            len(with_it), max((per_group + 1) // 2, per_group - len(without))
        )
        picked = pd.concat(
            [with_it.head(positives), without.head(per_group - positives)]
        )
        groups[title] = picked["source_id"].tolist()

    return groups


def of_each_class(
    predictions: pd.DataFrame,
    true: np.ndarray,
    predicted: np.ndarray,
    confidence: np.ndarray,
    per_group: int,
) -> dict[str, list[str]]:
    """The surest of each true class before the second of any; no two are of one study.

    Args:
        predictions: The table of `predictions.csv`.
        true: Index of each image's class.
        predicted: Index of the one that was predicted.
        confidence: How sure the model is.
        per_group: Most images in a group.

    Returns:
        Source ids by the group's title.
    """
    ranked = _ranked(predictions, confidence, true=true, predicted=predicted)
    groups = {}
    for title, chosen in (
        (RIGHT, ranked.true == ranked.predicted),
        (WRONG, ranked.true != ranked.predicted),
    ):
        candidates = ranked[chosen].drop_duplicates("study_id")
        turns = candidates.groupby("true").cumcount().sort_values(kind="stable")
        picked = candidates.loc[turns.index].head(per_group)
        groups[title] = picked.sort_values("true", kind="stable")["source_id"].tolist()
    return groups


def taken_for(true: Sequence[str], predicted: Sequence[str]) -> list[str]:
    """What a picture's title says: what is true, and what it was taken for if that is wrong."""
    return [
        right if right == said else f"{right},\ntaken for {said}"
        for right, said in zip(true, predicted, strict=True)
    ]


def _ranked(predictions: pd.DataFrame, confidence, **columns) -> pd.DataFrame:
    ranked = predictions.assign(confidence=np.asarray(confidence), **columns)
    return ranked.sort_values("confidence", ascending=False, kind="stable")
