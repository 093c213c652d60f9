"""Effective receptive fields of runs on mammograms, of left and right breasts apart where records keep them.

Reference: Taha et al., HCT, section 4, Table 1 and Table A2, which take 100 images of each.
"""

import logging
from collections.abc import Iterator, Mapping

import keras
import numpy as np
import pandas as pd

from data_prep.labels import LATERALITIES
from keras_medformers.explain import ReceptiveField, effective_receptive_field
from training.explain.insight import iterate_records
from training.input.pipeline import Source
from training.runs.workbench import Workbench
from training.statistics.predictions import EXTRA

logger = logging.getLogger(__name__)

BOTH = "left and right"
LATERALITY = f"{EXTRA}laterality"


def fields_of_run(
    model: keras.Model, bench: Workbench, source: Source, images: int
) -> dict[str, ReceptiveField]:
    """The run's receptive field, over all images and those of each side.

    Args:
        model: The run's whole network.
        bench: Its `Workbench`.
        source: `Source` of a split's images.
        images: How many images of each kind, at most.

    Returns:
        `ReceptiveField` by `BOTH`, and, where records keep right breasts as they are, by
        `LATERALITIES`; only of what there are images of.
    """
    chosen = {}
    for kinds, record in _records_of_each(
        source, images, apart=bench.info.config.get("flip") is False
    ):
        prepared = np.asarray(bench.preprocessor(record["inputs"][np.newaxis]))
        layer = bench.registered.layers.features
        field = effective_receptive_field(model, prepared, layer)
        for kind in kinds:
            chosen[kind] = chosen[kind] + field if kind in chosen else field
    counts = ", ".join(f"{kind} {field.images}" for kind, field in chosen.items())
    logger.info("Receptive field of %s, images: %s", bench.config.model, counts)
    return {kind: chosen[kind] for kind in (BOTH, *LATERALITIES) if kind in chosen}


def profile_table(fields: Mapping[str, Mapping[str, ReceptiveField]]) -> pd.DataFrame:
    """Profiles of receptive fields, a row per place.

    Args:
        fields: By run, what `fields_of_run` gives.

    Returns:
        Columns `run`, `breasts`, `images`, `side_px`, `axis` ("rows" from top to bottom, "columns" from left
        to right), `position_px`, `erf` and `square_root`, each of the last two summing to 1 along its axis.
    """
    parts = []
    for run, of_run in fields.items():
        for breasts, field in of_run.items():
            root = field.square_root()
            for axis, plain, square_root in (
                ("rows", field.by_row, root.by_row),
                ("columns", field.by_column, root.by_column),
            ):
                parts.append(pd.DataFrame({
                    "run": run, "breasts": breasts, "images": field.images, "side_px": field.side_px,
                    "axis": axis, "position_px": np.arange(len(plain)), "erf": _shares(plain),
                    "square_root": _shares(square_root),
                }))  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def _shares(profile: np.ndarray) -> np.ndarray:
    total = profile.sum()
    return profile / total if total > 0 else profile


def _records_of_each(
    source: Source, images: int, apart: bool
) -> Iterator[tuple[list[str], dict]]:
    """Yields the first records of a split that are needed, each with the kinds that it counts for."""
    missing = {BOTH: images} | (dict.fromkeys(LATERALITIES, images) if apart else {})
    for record in iterate_records(source):
        side = record.get(LATERALITY, -1)
        kinds = [
            kind
            for kind in (BOTH, LATERALITIES[side] if side >= 0 else None)
            if missing.get(kind)
        ]
        for kind in kinds:
            missing[kind] -= 1
        if kinds:
            yield kinds, record
        if not any(missing.values()):
            return
