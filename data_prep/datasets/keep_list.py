"""Manual filtering: a list of the files that are to be used.

Reference:
    DTViT, section 2.2.2: specialists chose the slices that show the hemorrhage.
"""

import dataclasses
import logging
from pathlib import Path

import numpy as np

from data_prep.datasets.base import Listing, fingerprint
from keras_medformers.support.errors import UserError

logger = logging.getLogger(__name__)

NAMES_SHOWN = 3


def keep_listed(listing: Listing, path: Path) -> Listing:
    """The images of a listing that a list names.

    Args:
        listing: Images of a data folder.
        path: Text file with one path below the data folder per line; empty lines and those that start with
            `#` are passed over.

    Raises:
        UserError: If the list cannot be read, names nothing, or names files that are not there.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        raise UserError(
            f"--keep-list {path} cannot be read as a list of files: {error}"
        ) from error

    names = {line.strip().replace("\\", "/") for line in lines}
    names = {name for name in names if name and not name.startswith("#")}
    if not names:
        raise UserError(
            f"--keep-list {path} names no file; give one path below {listing.root} per line"
        )

    rejected = {reject.file for reject in listing.rejects}
    absent = sorted(names - set(listing.files) - rejected)
    if absent:
        raise UserError(
            f"--keep-list {path} names {len(absent)} files that are not among the slices in {listing.root}, "
            f"first {', '.join(absent[:NAMES_SHOWN])}; expected paths such as {_example(listing)}"
        )

    kept = [index for index, file in enumerate(listing.files) if file in names]
    splits = listing.published_splits
    logger.info("%s: %d of %d images are used.", path, len(kept), len(listing.files))
    return dataclasses.replace(
        listing,
        files=[listing.files[index] for index in kept],
        source_ids=[listing.source_ids[index] for index in kept],
        labels=listing.labels[kept],
        extra_labels={
            name: values[kept] for name, values in listing.extra_labels.items()
        },
        group_ids=listing.group_ids and [listing.group_ids[index] for index in kept],
        study_ids=listing.study_ids and [listing.study_ids[index] for index in kept],
        findings=listing.findings and [listing.findings[index] for index in kept],
        published_splits=None if splits is None else np.take(splits, kept),
        rejects=tuple(reject for reject in listing.rejects if reject.file in names),
        fingerprint=fingerprint([path], [(listing.fingerprint, 0)]),
    )


def _example(listing: Listing) -> str:
    return listing.files[0] if listing.files else "deep/PATIENT/slice.dcm"
