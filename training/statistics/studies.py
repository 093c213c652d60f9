"""From predictions per image to predictions per study."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class StudyArrays(NamedTuple):
    """One row per study, in the order of the studies' ids.

    Attributes:
        study_ids: Shape `(studies,)`.
        probabilities: float, shape `(studies, labels)`.
        labels: 0 or 1, shape `(studies, labels)`.
        first_rows: Index of a row of each study among the images, to look up its patient.
    """

    study_ids: np.ndarray
    probabilities: np.ndarray
    labels: np.ndarray
    first_rows: np.ndarray


STUDY_RULES = ("max", "mean")
"""How images' probabilities become their study's. Labels always become their maximum."""


def by_study(
    probabilities: np.ndarray,
    labels: np.ndarray,
    study_ids: Sequence,
    rule: str = "max",
) -> StudyArrays:
    """Turns predictions per image into predictions per study.

    Args:
        probabilities: Shape `(images, labels)`.
        labels: 0 or 1, same shape.
        study_ids: The study of each image.
        rule: `max` (a study is as suspicious as its most suspicious image) or `mean`.

    Returns:
        The studies' probabilities and labels.

    Raises:
        ValueError: If `rule` is unknown, or lengths differ.
    """
    if rule not in STUDY_RULES:
        raise ValueError(
            f"`rule` must be one of {', '.join(STUDY_RULES)}. Received: rule={rule!r}"
        )

    probabilities, labels, ids = (
        np.asarray(probabilities),
        np.asarray(labels),
        np.asarray(study_ids).astype(str),
    )
    if not len(probabilities) == len(labels) == len(ids):
        raise ValueError(
            "`probabilities`, `labels` and `study_ids` must have one row per image. "
            f"Received: {len(probabilities)}, {len(labels)} and {len(ids)} rows"
        )

    order = np.argsort(ids, kind="stable")
    names, starts, counts = np.unique(ids[order], return_index=True, return_counts=True)
    if rule == "max":
        combined = np.maximum.reduceat(probabilities[order], starts, axis=0)
    else:
        combined = (
            np.add.reduceat(probabilities[order], starts, axis=0) / counts[:, None]
        )

    return StudyArrays(
        names,
        combined,
        np.maximum.reduceat(labels[order], starts, axis=0),
        order[starts],
    )
