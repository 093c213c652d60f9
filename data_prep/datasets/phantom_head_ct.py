"""Phantom head CT: made here by `data_prep.phantoms.head_ct`, in the layout of RSNA's data set.

Beside `stage_2_train.csv` and `stage_2_train/` there is `locations.csv` with columns ID,location: `normal`
for slices without bleeding, else where their largest bleeding lies (`deep`, `lobar` or `subtentorial`).
Licence: that of this package; no patient is in it.
"""

import dataclasses
import logging
from pathlib import Path

import numpy as np

from data_prep.datasets import rsna_ich
from data_prep.datasets.base import Dataset, Listing, fingerprint
from data_prep.datasets.lists import read_csv
from data_prep.labels import HEMORRHAGE_LABELS, LOCATION_LABELS
from data_prep.phantoms import head_ct as phantom_head_ct
from data_prep.records.balance import LOCATION
from keras_medformers.support.errors import UserError

logger = logging.getLogger(__name__)

LOCATIONS_NAME = "locations.csv"
COMPLETE_NAME = "phantom.json"
NO_LOCATION = -1


def prepare(data_dir: Path) -> None:
    """Makes the phantoms with their default settings, unless a complete set is there."""
    if not (data_dir / COMPLETE_NAME).is_file():
        logger.info("No complete phantom set in %s: making one.", data_dir)
        phantom_head_ct.make(data_dir, phantom_head_ct.PhantomConfig())


def list_slices(data_dir: Path) -> Listing:
    """Lists slices as RSNA's reader does and adds the label `location`.

    Raises:
        UserError: If a list or the folder is missing, empty or malformed.
    """
    listing = rsna_ich.list_slices(data_dir)
    path = data_dir / LOCATIONS_NAME
    locations = read_locations(path)
    values = np.array(
        [locations.get(source_id, NO_LOCATION) for source_id in listing.source_ids],
        np.int8,
    )
    return dataclasses.replace(
        listing,
        extra_labels={LOCATION: values},
        fingerprint=fingerprint([path], [(listing.fingerprint, 0)]),
    )


def read_locations(path: Path) -> dict[str, int]:
    """Reads `locations.csv`: slice id to index into `LOCATION_LABELS`, -1 for `normal`.

    Raises:
        UserError: If the file is missing or names an unknown location.
    """
    table = read_csv(path, ["ID", "location"])
    codes = {"normal": NO_LOCATION} | {
        name: index for index, name in enumerate(LOCATION_LABELS)
    }
    unknown = ~table["location"].isin(codes.keys())
    if unknown.any():
        row = unknown.idxmax()
        raise UserError(
            f"{path} line {row + 2}: location is {table['location'][row]!r}, "
            f"expected one of {', '.join(codes)}"
        )
    return dict(zip(table["ID"], table["location"].map(codes), strict=True))


DATASET = Dataset(
    name="phantom_head_ct",
    label_names=HEMORRHAGE_LABELS,
    fractions=(0.7, 0.15, 0.15),
    prepare=prepare,
    list_images=list_slices,
    has_location=True,
    is_phantom=True,
)
