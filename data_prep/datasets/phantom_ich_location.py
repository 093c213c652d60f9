"""Phantom hemorrhages in the brain, by location: made here by `data_prep.phantoms.head_ct`.

The files are as those of `phantom_head_ct`; the slices are labelled, treated and balanced as those of
`ich_location`. All bleedings are intracerebral.
Licence: that of this package; no patient is in it.
"""

import dataclasses
import logging
from pathlib import Path

from data_prep.datasets import phantom_head_ct as all_bleedings
from data_prep.datasets.base import Listing
from data_prep.labels import HEMORRHAGE_LABELS, ICH_LABELS
from data_prep.modalities.head_ct.treatment.treatment import MASK
from data_prep.phantoms import head_ct as phantom_head_ct
from data_prep.records.balance import TRAIN

logger = logging.getLogger(__name__)

ILL = 0.85
SIZE_PX = 128
CONFIG = phantom_head_ct.PhantomConfig(
    patients=900,
    slices_per_series=6,
    second_series=0.0,
    image_size_px=2 * SIZE_PX,
    prevalence=dict.fromkeys(HEMORRHAGE_LABELS, 0.0)
    | {"any": ILL, "intraparenchymal": ILL},
    least_clot_mm=13.0,
    median_clot_mm=29.0,
)
"""Bleedings are larger than usual, so that a small network learns to find them within minutes."""


def prepare(data_dir: Path) -> None:
    """Makes the phantoms, unless a complete set is there."""
    if not (data_dir / all_bleedings.COMPLETE_NAME).is_file():
        logger.info("No complete phantom set in %s: making one.", data_dir)
        phantom_head_ct.make(data_dir, CONFIG)


def list_slices(data_dir: Path) -> Listing:
    """Lists slices with the label of hemorrhages and the location.

    Raises:
        UserError: If a list or the folder is missing, empty or malformed.
    """
    listing = all_bleedings.list_slices(data_dir)
    columns = [HEMORRHAGE_LABELS.index(name) for name in ICH_LABELS]
    return dataclasses.replace(listing, labels=listing.labels[:, columns])


DATASET = dataclasses.replace(
    all_bleedings.DATASET,
    name="phantom_ich_location",
    label_names=ICH_LABELS,
    prepare=prepare,
    list_images=list_slices,
    settings={"treatment": MASK, "image_size": SIZE_PX},
    balance=TRAIN,
)
