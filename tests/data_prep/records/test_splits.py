"""Splits keep patients whole, meet their shares and balance rare labels."""

import numpy as np
import pytest

from data_prep.records.splits import assign_splits

FRACTIONS = (0.8, 0.1, 0.1)


def make_population(patients=400, seed=0):
    """Patients of 20 to 40 slices; label 0 is common, label 1 in one patient of fifty."""
    generator = np.random.default_rng(seed)
    slices = generator.integers(20, 40, patients)
    patient = np.repeat(np.arange(patients), slices)
    has = generator.random((patients, 3)) < (0.4, 0.02, 0.15)
    labels = (generator.random((len(patient), 3)) < 0.3) & has[patient]
    return np.array([f"ID_{number:04x}" for number in range(patients)])[
        patient
    ], labels.astype(np.int8)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_no_patient_crosses_and_shares_are_met_for_slices_and_the_rarest_label(seed):
    patients, labels = make_population()
    splits = assign_splits(patients, labels, FRACTIONS, seed)
    assert all(
        len(set(splits[patients == patient])) == 1 for patient in np.unique(patients)
    )
    np.testing.assert_allclose(
        np.bincount(splits, minlength=3) / len(splits), FRACTIONS, atol=0.005
    )
    rarest = np.bincount(splits, weights=labels[:, 1], minlength=3) / labels[:, 1].sum()
    # One patient has about an eighth of all slices with this label.
    np.testing.assert_allclose(rarest, FRACTIONS, atol=0.04)
    for label in (0, 2):
        share = (
            np.bincount(splits, weights=labels[:, label], minlength=3)
            / labels[:, label].sum()
        )
        np.testing.assert_allclose(share, FRACTIONS, atol=0.01)


def test_the_order_of_slices_does_not_matter_and_the_seed_does():
    patients, labels = make_population()
    splits = assign_splits(patients, labels, FRACTIONS)
    shuffled = np.random.default_rng(1).permutation(len(patients))
    np.testing.assert_array_equal(
        assign_splits(patients[shuffled], labels[shuffled], FRACTIONS), splits[shuffled]
    )
    assert (assign_splits(patients, labels, FRACTIONS, seed=1) != splits).any()


def test_few_patients_fill_every_split():
    patients = np.repeat(["a", "b", "c"], [10, 8, 9])
    splits = assign_splits(patients, np.zeros((27, 2)), FRACTIONS)
    assert set(splits) == {0, 1, 2}


def test_a_split_with_fraction_zero_stays_empty():
    patients, labels = make_population(50)
    assert set(assign_splits(patients, labels, (0.5, 0.5, 0.0))) == {0, 1}


def test_wrong_fractions_are_an_error():
    with pytest.raises(ValueError, match="sum to 1"):
        assign_splits(["a"], np.zeros((1, 1)), (0.5, 0.1, 0.1))


@pytest.mark.slow
def test_a_set_of_rsnas_size():
    patients, labels = make_population(18_938)
    splits = assign_splits(patients, labels, FRACTIONS)
    np.testing.assert_allclose(
        np.bincount(splits, minlength=3) / len(splits), FRACTIONS, atol=0.001
    )
    for label in range(3):
        share = (
            np.bincount(splits, weights=labels[:, label], minlength=3)
            / labels[:, label].sum()
        )
        np.testing.assert_allclose(share, FRACTIONS, atol=0.001)
