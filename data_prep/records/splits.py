"""Splits by patient, balanced on the labels, the rarest first."""

import hashlib
from collections.abc import Sequence

import numpy as np

SPLITS = ("train", "validation", "test")

MAX_PASSES = 10
PARTNERS_TRIED = 300
SLICES_WEIGHT = 4.0
"""Weight of the number of slices beside the labels, each of which has weight 1."""


def assign_splits(
    patient_ids: Sequence[str],
    labels: np.ndarray,
    fractions: Sequence[float],
    seed: int = 0,
) -> np.ndarray:
    """Gives every patient's slices to one split.

    Labels are taken from the rarest (by patients that have it) to the most common. Patients with the label
    that have no split yet go, those with most of it first, where most of the label is still wanted. Patients
    without any label come last and fill up the slices. Then patients move or change places while that brings
    the splits nearer to their shares. With at least as many patients as splits none stays empty. The outcome
    depends on ids, labels and seed, not on the order of the slices.

    Args:
        patient_ids: One per slice.
        labels: 0 or 1, of shape `(slices, labels)`.
        fractions: Shares of the slices, one per split, that sum to 1; 0 leaves a split empty.
        seed: Another seed gives another split.

    Returns:
        Index of each slice's split, int64 of shape `(slices,)`.

    Raises:
        ValueError: If the fractions are negative or do not sum to 1.

    Reference:
        Sechidis et al., On the Stratification of Multi-Label Data, ECML PKDD 2011, Algorithm 1; here over
        patients with counts in place of single examples.
    """
    fractions = np.asarray(fractions, np.float64)
    if (fractions < 0).any() or not np.isclose(fractions.sum(), 1.0):
        raise ValueError(
            f"fractions must be at least 0 and sum to 1. Received: fractions={fractions.tolist()}"
        )
    patients, patient_of_slice = np.unique(
        np.asarray(patient_ids, dtype=str), return_inverse=True
    )
    # One column per label, and a last one that counts slices.
    amounts = np.column_stack([labels, np.ones(len(labels))]).astype(np.float64)
    counts = np.zeros((len(patients), amounts.shape[1]))
    np.add.at(counts, patient_of_slice, amounts)
    wanted = np.outer(fractions, counts.sum(axis=0))
    tie_breaker = np.array([_hash(seed, patient) for patient in patients])
    split_of_patient = np.full(len(patients), -1)

    *label_columns, slices_column = range(counts.shape[1])
    rarest_first = sorted(
        label_columns, key=lambda column: (np.count_nonzero(counts[:, column]), column)
    )
    for column in [*rarest_first, slices_column]:
        candidates = np.flatnonzero((split_of_patient < 0) & (counts[:, column] > 0))
        order = np.lexsort((tie_breaker[candidates], -counts[candidates, column]))
        for patient in candidates[order]:
            split = _neediest(wanted, column, fractions)
            split_of_patient[patient] = split
            wanted[split] -= counts[patient]
    _fill_empty_splits(split_of_patient, counts, fractions)
    _improve(split_of_patient, counts, fractions, np.argsort(tie_breaker))
    return split_of_patient[patient_of_slice]


def _fill_empty_splits(
    split_of_patient: np.ndarray, counts: np.ndarray, fractions: np.ndarray
) -> None:
    """Gives a split without patients the smallest one of the split that has most, if it has several."""
    for split in np.flatnonzero(fractions > 0):
        patients = np.bincount(split_of_patient, minlength=len(fractions))
        if patients[split] == 0 and patients.max() > 1:
            members = np.flatnonzero(split_of_patient == patients.argmax())
            split_of_patient[members[np.argmin(counts[members, -1])]] = split


def _improve(
    split_of_patient: np.ndarray,
    counts: np.ndarray,
    fractions: np.ndarray,
    order: np.ndarray,
) -> None:
    """Moves patients, or lets two of them change places, while the splits' relative deviations shrink.

    The deviation of a split in a label is its number of positives over the wanted number, minus 1; their
    weighted squares are summed. Changes `split_of_patient` in place.
    """
    wanted = np.outer(fractions, counts.sum(axis=0))
    per_wanted = np.divide(1.0, wanted, out=np.zeros_like(wanted), where=wanted > 0)
    weights = np.ones(counts.shape[1])
    weights[-1] = SLICES_WEIGHT
    excess = -wanted
    np.add.at(excess, split_of_patient, counts)

    def cost(split: int, change: np.ndarray) -> np.ndarray:
        return ((excess[split] + change) * per_wanted[split]) ** 2 @ weights

    nobody = len(counts)
    given_back = np.vstack([counts, np.zeros(counts.shape[1])])
    for _ in range(MAX_PASSES):
        improved = False
        for patient in order:
            source = split_of_patient[patient]
            # The last patient of a split may be exchanged, not taken away.
            alone = [nobody] if np.count_nonzero(split_of_patient == source) > 1 else []
            best = (-1e-9, None, nobody)
            for target in np.flatnonzero(
                (fractions > 0) & (np.arange(len(fractions)) != source)
            ):
                partners = np.append(
                    order[split_of_patient[order] == target][:PARTNERS_TRIED], alone
                ).astype(int)
                if not len(partners):
                    continue
                change = counts[patient] - given_back[partners]
                gain = (
                    cost(source, -change)
                    + cost(target, change)
                    - cost(source, 0.0)
                    - cost(target, 0.0)
                )
                index = int(np.argmin(gain))
                best = min(
                    best,
                    (gain[index], target, partners[index]),
                    key=lambda option: option[0],
                )
            _, target, partner = best
            if target is None:
                continue
            improved = True
            change = counts[patient] - given_back[partner]
            excess[source] -= change
            excess[target] += change
            split_of_patient[patient] = target
            if partner != nobody:
                split_of_patient[partner] = source
        if not improved:
            return


def _neediest(wanted: np.ndarray, column: int, fractions: np.ndarray) -> int:
    """The split that lacks most of the column's label; among equals, the one that lacks most slices."""
    candidates = np.flatnonzero(fractions > 0)
    return max(
        candidates, key=lambda split: (wanted[split, column], wanted[split, -1], -split)
    )


def _hash(seed: int, patient_id: str) -> int:
    digest = hashlib.blake2b(f"{seed}/{patient_id}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=False)
