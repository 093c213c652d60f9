"""The data sets that can be turned into records, by name."""

import difflib

from data_prep.datasets import phantom_head_ct, rsna_ich
from data_prep.datasets.base import Dataset
from data_prep.errors import UserError

DATASETS: dict[str, Dataset] = {
    dataset.name: dataset for dataset in (phantom_head_ct.DATASET, rsna_ich.DATASET)
}


def get_dataset(name: str) -> Dataset:
    """Looks a data set up.

    Raises:
        UserError: There is none of that name; names what comes near.
    """
    if name in DATASETS:
        return DATASETS[name]
    near = difflib.get_close_matches(name, DATASETS, n=3, cutoff=0.4)
    hint = f"Did you mean {' or '.join(near)}?" if near else f"There are: {', '.join(sorted(DATASETS))}."
    raise UserError(f"unknown data set {name!r}. {hint}")
