"""How well images of one class are told from those of the other, and positive ones of each kind of finding.

Reference: Taha et al., HCT, Table 3 (all images), Table A1 (by type) and Fig. A2 (by size).
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from data_prep.labels import FINDING_TYPES
from training.statistics.auc import ALL, AUC_DRAWS, auc_with_interval, aucs_of_subsets

TYPE_COLUMN, SIZE_COLUMN = "extra_finding_type", "extra_finding_size"
"""Columns of a table of predictions: index into `FINDING_TYPES`, and the square root of the area of the
finding's box in pixels of full-size images; -1 where an image has none."""

SIZE_THRESHOLDS_PX = (100, 150, 200, 250, 300, 350, 400)
"""HCT, Fig. A2a."""

THIRDS = ("small", "medium", "large")
"""HCT, Fig. A2b."""


def area_scores(
    labels: np.ndarray,
    scores: np.ndarray,
    ids: pd.DataFrame,
    positive_label: str,
    draws: int = AUC_DRAWS,
    seed: int = 0,
) -> dict:
    """The area under the ROC curve: of all images, by type and by size of the positive ones' findings.

    Args:
        labels: 0 or 1 per image, shape `(n,)`.
        scores: Predicted probability of 1, shape `(n,)`.
        ids: One row per image: `patient_id`, and where they are known `TYPE_COLUMN` and `SIZE_COLUMN`.
        positive_label: Name of 1.
        draws: Bootstrap draws.
        seed: Seed of the bootstrap.

    Returns:
        `positive_label`; `positives`, `negatives`, `auc`, `auc_interval` (by patient), `undefined` as
        `training.statistics.auc.aucs_of_subsets`; `auc_over_images_interval`, by image as in the
        paper; and where types or sizes are known `by_finding_type` (by name, the same of each
        type) and `by_finding_size`:
        `smaller_than` (a list with `threshold_px`) and `thirds` (by name, with `from_px` and `to_px`).
    """
    options = {"draws": draws, "seed": seed}
    subsets = {
        (ALL, ALL): np.ones(len(labels), bool),
        **subsets_of_findings(ids, labels),
    }
    areas = aucs_of_subsets(
        labels, scores, subsets, ids["patient_id"].astype(str).to_numpy(), **options
    )
    by_image = auc_with_interval(labels, scores, **options)["auc_interval"]
    found = {
        "positive_label": positive_label,
        **areas[ALL, ALL],
        "auc_over_images_interval": by_image,
    }
    by_type = {
        name: area for (kind, name), area in areas.items() if kind == TYPE_COLUMN
    }
    if by_type:
        found["by_finding_type"] = by_type
    sizes = sizes_of_positives(ids, labels)
    if len(sizes):
        edges = third_edges(sizes)
        found["by_finding_size"] = {
            "smaller_than": [
                {"threshold_px": threshold, **areas[SIZE_COLUMN, threshold]}
                for threshold in SIZE_THRESHOLDS_PX
            ],
            "thirds": {
                name: {
                    "from_px": edges[i],
                    "to_px": edges[i + 1],
                    **areas[SIZE_COLUMN, name],
                }
                for i, name in enumerate(THIRDS)
            },
        }

    return found


def subsets_of_findings(
    ids: pd.DataFrame, labels: Sequence
) -> Mapping[tuple, np.ndarray]:
    """Which images belong to each kind of finding.

    Args:
        ids: As in `area_scores`.
        labels: 0 or 1 per image; sizes are divided into thirds among the positive images.

    Returns:
        By (column, type's name, threshold in pixels or third's name), bool of shape `(n,)`; nothing of a
        column that is not there, or says nothing of any positive image.
    """
    positive = np.asarray(labels) == 1
    subsets = {}
    if TYPE_COLUMN in ids and (ids[TYPE_COLUMN].to_numpy()[positive] >= 0).any():
        types = ids[TYPE_COLUMN].to_numpy()
        subsets |= {
            (TYPE_COLUMN, name): types == index
            for index, name in enumerate(FINDING_TYPES)
        }

    of_positives = sizes_of_positives(ids, labels)
    if len(of_positives):
        sizes = ids[SIZE_COLUMN].to_numpy("float64")
        known = sizes >= 0
        for threshold in SIZE_THRESHOLDS_PX:
            subsets[SIZE_COLUMN, threshold] = known & (sizes < threshold)
        edges = third_edges(of_positives)
        third = np.searchsorted(edges[1:-1], sizes, side="left")
        subsets |= {
            (SIZE_COLUMN, name): known & (third == i) for i, name in enumerate(THIRDS)
        }

    return subsets


def sizes_of_positives(ids: pd.DataFrame, labels: Sequence) -> np.ndarray:
    """Sizes of the findings of the positive images that have one, in pixels; none without the column."""
    if SIZE_COLUMN not in ids:
        return np.empty(0)
    sizes = ids[SIZE_COLUMN].to_numpy("float64")[np.asarray(labels) == 1]
    return sizes[sizes >= 0]


def third_edges(sizes: np.ndarray) -> list[float]:
    """Smallest size, the two that end the first and the second third, and the largest."""
    return np.quantile(sizes, [0, 1 / 3, 2 / 3, 1], method="inverted_cdf").tolist()
