"""Each kind of bleeding lies where its name says and has the shape its name says."""

import cv2
import numpy as np
import pytest

from data_prep.phantoms.head_ct import hemorrhage
from data_prep.phantoms.head_ct.anatomy import Head
from data_prep.phantoms.head_ct.scanner import Acquisition, scan

SLICES = 10


def _scans(kind, seed):
    """Slices with one bleeding that show it, and the same slices of the same head without it."""
    rng = np.random.default_rng(seed)
    head = Head(rng)
    bleeding = hemorrhage.KINDS[kind](rng)
    acquisition = Acquisition.draw(rng, 256, SLICES)
    pairs = []
    for index in range(SLICES):
        ill = scan(head, [bleeding], acquisition, index, np.random.default_rng(0), None)
        if kind in ill.shares and (ill.shares[kind] > 0.5).sum() > 60:
            pairs.append(
                (
                    ill,
                    scan(head, [], acquisition, index, np.random.default_rng(0), None),
                )
            )
    return bleeding, acquisition, pairs


def _mask(image, kind):
    return image.shares[kind] > 0.5


def _distance_to_bone_mm(image, acquisition):
    free = (image.shares["bone"] < 0.5).astype(np.uint8)
    return cv2.distanceTransform(free, cv2.DIST_L2, 5) * acquisition.spacing_mm


@pytest.mark.parametrize("kind", hemorrhage.KINDS)
def test_blood_is_bright_and_spans_slices(kind):
    shown = [_scans(kind, seed) for seed in range(3)]
    for _, acquisition, pairs in shown:
        for ill, healthy in pairs:
            # The scanner's blur adds some of the skull to the blood next to it.
            mask = (ill.shares[kind] > 0.9) & (
                _distance_to_bone_mm(ill, acquisition) > 2.5
            )
            if mask.sum() > 40:
                assert 50.0 < np.median(ill.hu[mask]) < 85.0
                assert np.median(ill.hu[mask]) > np.median(healthy.hu[mask]) + 10.0
    assert max(len(pairs) for _, _, pairs in shown) >= 2


def test_epidural_is_a_thick_lens_on_the_skull():
    for seed in range(3):
        _, acquisition, pairs = _scans("epidural", seed)
        ill = max(pairs, key=lambda pair: _mask(pair[0], "epidural").sum())[0]
        mask = _mask(ill, "epidural")
        distance = _distance_to_bone_mm(ill, acquisition)
        assert distance[mask].min() < 1.5
        points = np.argwhere(mask).astype(np.float32)
        (_, sides, _) = cv2.minAreaRect(points)
        width, thickness = max(sides), min(sides)
        assert 1.2 < width / thickness < 6.0
        assert distance[mask].max() > 4.0


def test_subdural_is_a_long_crescent_on_one_side():
    tested = 0
    for seed in range(5):
        bleeding, acquisition, pairs = _scans("subdural", seed)
        if not pairs or abs(bleeding.center_mm[0]) < 20.0:
            continue
        ill = max(pairs, key=lambda pair: _mask(pair[0], "subdural").sum())[0]
        mask = _mask(ill, "subdural")
        distance = _distance_to_bone_mm(ill, acquisition)
        assert np.percentile(distance[mask], 5) < 2.0
        width = (
            max(cv2.minAreaRect(np.argwhere(mask).astype(np.float32))[1])
            * acquisition.spacing_mm
        )
        assert width > 3.0 * np.percentile(distance[mask], 95)
        tested += 1
    assert tested >= 2


def test_subarachnoid_blood_replaces_fluid_round_the_brain():
    for seed in range(3):
        for ill, healthy in _scans("subarachnoid", seed)[2]:
            mask = _mask(ill, "subarachnoid")
            near = (
                cv2.dilate(
                    ((healthy.shares["csf"] + healthy.shares["dura"]) > 0.3).astype(
                        np.uint8
                    ),
                    np.ones((7, 7), np.uint8),
                )
                > 0
            )
            assert near[mask].mean() > 0.8


def test_intraventricular_blood_lies_low_in_the_ventricles():
    tested = 0
    for seed in range(4):
        for ill, healthy in _scans("intraventricular", seed)[2]:
            mask = _mask(ill, "intraventricular")
            assert (healthy.shares["csf"] > 0.4)[mask].mean() > 0.95
            tested += 1
    assert tested >= 4


def test_settled_blood_is_behind_the_fluid_above_it():
    for seed in range(20):
        bleeding = hemorrhage.intraventricular(np.random.default_rng(seed))
        rng = np.random.default_rng(1)
        fields = Head(rng).fields(
            Acquisition.draw(rng, 64, 8).plane(5, 0.0, 1, (slice(0, 64), slice(0, 64)))
        )
        filled = bleeding.distance(fields) < 0
        assert filled[-1].all()


def test_intraparenchymal_clot_has_a_dark_rim_and_a_place():
    darker_hu, places = [], set()
    for seed in range(6):
        bleeding, _, pairs = _scans("intraparenchymal", seed)
        places.add(bleeding.location)
        for ill, healthy in pairs:
            mask = _mask(ill, "intraparenchymal")
            brain = sum(healthy.shares[t] for t in ("white", "grey", "csf", "dura"))
            assert (brain > 0.5)[mask].mean() > 0.9
            rim = ill.shares["oedema"] > 0.6
            if rim.sum() > 60:
                darker_hu.append(healthy.hu[rim].mean() - ill.hu[rim].mean())
    assert len(darker_hu) >= 3
    assert min(darker_hu) > 0 and np.median(darker_hu) > 3.0
    assert len(places) >= 2


def test_subtentorial_clots_are_below_the_tentorium():
    found = 0
    for seed in range(30):
        rng = np.random.default_rng(seed)
        bleeding = hemorrhage.intraparenchymal(rng)
        if bleeding.location != hemorrhage.SUBTENTORIAL:
            continue
        fields = Head(rng).fields(
            Acquisition.draw(rng, 128, 8).plane(
                1, 0.0, 1, (slice(0, 128), slice(0, 128))
            )
        )
        mask = bleeding.distance(fields) < 0
        assert (fields.mm["fossa"][mask] < 1.0).all()
        found += 1
    assert found >= 3


def test_clots_are_as_large_as_asked_for():
    head = Head(np.random.default_rng(0))
    plane = Acquisition.draw(np.random.default_rng(0), 128, 8).plane
    planes = [
        plane(index, 0.0, 1, (slice(0, 128), slice(0, 128))) for index in range(8)
    ]

    def volume(**sizes):
        bleedings = [
            hemorrhage.intraparenchymal(np.random.default_rng(seed), **sizes)
            for seed in range(8)
        ]
        fields = [head.fields(points) for points in planes]
        return [
            max((each.distance(of_plane) < 0).sum() for of_plane in fields)
            for each in bleedings
        ]

    usual, larger = volume(), volume(least_mm=13.0, median_mm=29.0)
    assert all(more >= less for more, less in zip(larger, usual, strict=True))
    assert np.median(larger) > 1.5 * np.median(usual)


def test_a_large_clot_pushes_the_brain_away():
    rng = np.random.default_rng(5)
    bleeding = hemorrhage.epidural(rng)
    shift = hemorrhage.mass_effect([bleeding])
    at = [np.full((1, 1), value, np.float32) for value in bleeding.center_mm]
    dx = shift(*at)[0].item()
    assert np.sign(dx) == -np.sign(bleeding.center_mm[0]) and abs(dx) > 1.0
    assert hemorrhage.mass_effect([]) is None
