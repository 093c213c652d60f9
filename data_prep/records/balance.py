"""Class balance by replication: slices of rare hemorrhage locations, then of the rarer of normal and ICH.

Reference:
    DTViT, section 2.2.3. Its counts (Deep 6093, Lobar 1656, Subtentorial 495, normal 4407; afterwards 6093,
    4968, 5940 and 13221) are those of whole copies, as many as do not exceed the largest class; the paper
    prints 4968 and 5940 the other way round.
"""

import logging

import numpy as np

logger = logging.getLogger(__name__)

TRAIN = "train"
BEFORE_SPLIT = "before-split"
NONE = "none"
BALANCES = (TRAIN, BEFORE_SPLIT, NONE)

LOCATION = "location"
"""The extra label that is balanced; negative for normal slices."""


def times_wanted(locations: np.ndarray) -> np.ndarray:
    """How often each slice is wanted so that classes come near to each other, at least once.

    Args:
        locations: Of each slice, an index of its location, negative where it is normal.

    Returns:
        int64 of the same shape.
    """
    times = np.ones(len(locations), np.int64)
    bleeding = locations >= 0
    if bleeding.any():
        counts = np.bincount(locations[bleeding])
        times[bleeding] = (counts.max() // np.maximum(counts, 1))[locations[bleeding]]
        of_bleeding, normal = times[bleeding].sum(), np.count_nonzero(~bleeding)
        if normal:
            times[~bleeding] = max(1, of_bleeding // normal)
            times[bleeding] *= max(1, normal // of_bleeding)
    return times


def warn_of_copies_in_test(source_ids: list[str], in_test: np.ndarray) -> None:
    """Says how many slices of the test split are there several times, or also in another split.

    Args:
        source_ids: Name of each slice, the same for its copies.
        in_test: Whether each slice is in the test split.
    """
    elsewhere = {
        name for name, test in zip(source_ids, in_test, strict=True) if not test
    }
    tested = [name for name, test in zip(source_ids, in_test, strict=True) if test]
    logger.warning(
        "Classes were balanced before the split: of %d test slices %d are copies of others of them, and %d "
        "have copies in train or validation: copies sit on both sides, and test scores will be too good.",
        len(tested),
        len(tested) - len(set(tested)),
        sum(name in elsewhere for name in tested),
    )
