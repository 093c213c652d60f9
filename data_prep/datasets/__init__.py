"""The data sets that can be turned into records, by name."""

import difflib

from data_prep.datasets import (
    covid19_ct,
    ich_location,
    image_folder,
    isic2018,
    kvasir,
    mammography,
    mammography_patches,
    phantom_head_ct,
    phantom_ich_location,
    phantom_mammography,
    phantom_mammography_patches,
    phantom_skin,
    rsna_ich,
)
from data_prep.datasets.base import Dataset
from keras_medformers.support.errors import UserError

DATASETS: dict[str, Dataset] = {
    module.DATASET.name: module.DATASET
    for module in (
        covid19_ct,
        ich_location,
        image_folder,
        isic2018,
        kvasir,
        mammography,
        mammography_patches,
        phantom_head_ct,
        phantom_ich_location,
        phantom_mammography,
        phantom_mammography_patches,
        phantom_skin,
        rsna_ich,
    )
}


def get_dataset(name: str) -> Dataset:
    """Looks a data set up.

    Raises:
        UserError: There is none of that name; names what comes near.
    """
    if name in DATASETS:
        return DATASETS[name]
    near = difflib.get_close_matches(name, DATASETS, n=3, cutoff=0.4)
    hint = (
        f"Did you mean {' or '.join(near)}?"
        if near
        else f"There are: {', '.join(sorted(DATASETS))}."
    )
    raise UserError(f"unknown data set {name!r}. {hint}")
