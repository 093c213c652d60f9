"""The data sets that can be turned into records: a file each, named as the data set.

Nothing lists them: `get_dataset` and `list_datasets` look into this folder for modules that
have a `DATASET`.
"""

import difflib
import importlib
import pkgutil

from data_prep.datasets.base import Dataset
from keras_medformers.support.errors import UserError


def list_datasets() -> dict[str, Dataset]:
    """All data sets by name, sorted."""
    found = {}
    for file in pkgutil.iter_modules(__path__):
        module = importlib.import_module(f"{__name__}.{file.name}")
        if hasattr(module, "DATASET"):
            found[module.DATASET.name] = module.DATASET
    return dict(sorted(found.items()))


def is_phantom(name: str) -> bool:
    """Whether the data set of that name is made up; one that is not known here is not."""
    datasets = list_datasets()
    return name in datasets and datasets[name].is_phantom


def patches_of(name: str) -> str:
    """Name of the data set whose images that one holds patches of; "" if its images are whole."""
    datasets = list_datasets()
    return datasets[name].patches_of if name in datasets else ""


def get_dataset(name: str) -> Dataset:
    """Looks a data set up.

    Raises:
        UserError: If there is none of that name; names what comes near.
    """
    datasets = list_datasets()
    if name in datasets:
        return datasets[name]

    near = difflib.get_close_matches(name, datasets, n=3, cutoff=0.4)
    hint = (
        f"Did you mean {' or '.join(near)}?"
        if near
        else f"There are: {', '.join(datasets)}."
    )
    raise UserError(f"unknown data set {name!r}. {hint}")
