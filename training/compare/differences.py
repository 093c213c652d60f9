"""Differences of runs' areas under the ROC curve on the same images.

Reference:
    Taha et al., HCT, Fig. 5 (the same network at half and at full resolution) and Fig. A2 (two networks by
    the size of the findings).
"""

import dataclasses
import logging

import pandas as pd
from matplotlib.figure import Figure

from training import figures
from training.compare.runs import Run
from training.papers.hct import GAINS_BY_THIRD
from training.statistics.auc import ALL, auc_differences
from training.statistics.finding_scores import (
    SIZE_COLUMN,
    SIZE_THRESHOLDS_PX,
    THIRDS,
    TYPE_COLUMN,
    subsets_of_findings,
)
from training.statistics.predictions import read_predictions

logger = logging.getLogger(__name__)

PREDICTIONS_FILE = "predictions.csv"
ALL_IMAGES = (ALL, ALL)


@dataclasses.dataclass(frozen=True)
class Pair:
    """Two runs that have scored the same images.

    Attributes:
        first: The `Run` that the other is held against.
        other: The other.
        images: How many images both have scored.
        areas: What `auc_differences` gives, of the other run less the first, by subset of the positive
            images: `ALL_IMAGES`, and the keys of `subsets_of_findings`.
        notes: What else to know, a sentence each.
    """

    first: Run
    other: Run
    images: int
    areas: dict[tuple, dict]
    notes: tuple[str, ...]


def pairs_on_the_same_images(runs: list[Run]) -> list[Pair]:
    """Each run of two exclusive classes with the first one that has scored the same images.

    Args:
        runs: `Run`s; those of other tasks, or without predictions, are in no pair.
    """
    pairs, firsts = [], []
    for run in runs:
        if not run.task.positive_label:
            continue
        try:
            table = _table(run)
        except (FileNotFoundError, ValueError) as error:
            logger.warning("No differences of areas of %s: %s", run.folder, error)
            continue
        for first, of_first in firsts:
            common = of_first.join(table.add_suffix("_other"), how="inner")
            common = common[common["label"] == common["label_other"]]
            if len(common):
                counts = [len(of_first), len(table)]
                notes = (
                    ()
                    if counts == [len(common)] * 2
                    else (_not_common(first, run, counts),)
                )
                pairs.append(Pair(first, run, len(common), _areas(common), notes))
                break
        else:
            firsts.append((run, table))
    return pairs


def names_of_subsets(areas: dict) -> dict[tuple, str]:
    """The subsets of a pair in words, in the order in which they are shown."""
    names = {ALL_IMAGES: "all"}
    names |= {
        (kind, name): name.replace("_", " ")
        for kind, name in areas
        if kind == TYPE_COLUMN
    }
    names |= {
        (SIZE_COLUMN, threshold): f"smaller than {threshold} px"
        for threshold in SIZE_THRESHOLDS_PX
    }
    names |= {(SIZE_COLUMN, third): f"{third} third" for third in THIRDS}
    return {key: name for key, name in names.items() if key in areas}


def gains_of_the_paper(pair: Pair) -> dict[tuple, float]:
    """What the paper prints of such a pair, by subset; of HCT with the ReLU kernel and GMIC alone."""
    models = (pair.first.config.model, pair.other.config.model)
    if models not in (("gmic", "hct"), ("hct", "gmic")):
        return {}
    sign = 1 if models == ("gmic", "hct") else -1
    return {(SIZE_COLUMN, third): sign * gain for third, gain in GAINS_BY_THIRD.items()}


def has_sizes(pair: Pair) -> bool:
    """Whether sizes of findings are known."""
    return (SIZE_COLUMN, SIZE_THRESHOLDS_PX[0]) in pair.areas


def differences_by_size(pairs: list[Pair]) -> Figure:
    """The differences of those pairs whose findings' sizes are known, by the greatest size of a finding."""
    lines = {
        f"{pair.other.folder.name} less {pair.first.folder.name}": [
            {"threshold_px": threshold, **pair.areas[SIZE_COLUMN, threshold]}
            for threshold in SIZE_THRESHOLDS_PX
        ]
        for pair in pairs
        if has_sizes(pair)
    }
    datasets = dict.fromkeys(pair.other.config.dataset for pair in pairs)
    title = f"{', '.join(datasets)}: malignant images with findings below a size, against all others"
    return figures.area_differences(lines, title)


def _areas(common: pd.DataFrame) -> dict:
    labels = common["label"].to_numpy()
    return auc_differences(
        labels,
        common["score_other"].to_numpy(),
        common["score"].to_numpy(),
        {ALL_IMAGES: labels >= 0, **subsets_of_findings(common, labels)},
        common["patient_id"].to_numpy(),
    )


def _not_common(first: Run, other: Run, counts: list[int]) -> str:
    (of_first, of_other), folders = counts, (first.folder, other.folder)
    return f"{folders[0]} has scored {of_first:,} images, {folders[1]} {of_other:,}."


def _table(run: Run) -> pd.DataFrame:
    """The run's images by source id: patient, label and score of the second class, and findings."""
    table, _ = read_predictions(run.folder / PREDICTIONS_FILE)
    if table["source_id"].duplicated().any():
        raise ValueError("several of its images have the same source_id")
    renamed = {
        f"label_{run.task.positive_label}": "label",
        f"probability_{run.task.positive_label}": "score",
    }
    kept = [column for column in (TYPE_COLUMN, SIZE_COLUMN) if column in table]
    table = table.rename(columns=renamed).set_index("source_id")
    return table[["patient_id", "label", "score", *kept]]
