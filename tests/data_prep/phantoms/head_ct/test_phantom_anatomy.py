"""The phantom head: radiodensities and places of its tissues."""

import numpy as np
import pytest

from data_prep.phantoms.head_ct.anatomy import Head
from data_prep.phantoms.head_ct.noise import NoiseVolume
from data_prep.phantoms.head_ct.scanner import Acquisition, scan

RANGES_HU = {
    "air": (-1030, -970),
    "bone": (450, 1450),
    "fat": (-120, -50),
    "csf": (-5, 22),
    "white": (24, 35),
    "grey": (30, 43),
    "dura": (35, 65),
    "air space": (-1030, -700),
    "eye": (0, 35),
}


@pytest.fixture(scope="module")
def series():
    rng = np.random.default_rng(11)
    head = Head(rng)
    acquisition = Acquisition.draw(rng, 512, 9)
    return acquisition, [
        scan(head, [], acquisition, index, rng, None) for index in range(9)
    ]


@pytest.mark.parametrize("tissue", RANGES_HU)
def test_tissues_have_their_radiodensity(series, tissue):
    values = []
    for image in series[1]:
        share = image.shares.get(tissue)
        if share is not None:
            values.append(image.hu[share > 0.98])
    values = np.concatenate(values)
    low, high = RANGES_HU[tissue]
    assert values.size > 50
    assert low < np.median(values) < high


def test_grey_matter_is_brighter_than_white(series):
    image = series[1][5]
    grey = image.hu[image.shares["grey"] > 0.9].mean()
    white = image.hu[image.shares["white"] > 0.9].mean()
    assert 3.0 < grey - white < 12.0


def test_brain_is_of_human_size(series):
    acquisition, images = series
    area_mm2 = max(
        sum(image.shares[t] for t in ("grey", "white", "csf")).sum() for image in images
    )
    area_mm2 *= acquisition.spacing_mm**2
    assert 14_000 < area_mm2 < 22_000


def test_skull_closes_round_the_brain(series):
    image = series[1][5]
    brain = np.argwhere(image.shares["white"] > 0.9)
    for row, column in brain[:: len(brain) // 40]:
        for path in (
            image.shares["bone"][row, :column],
            image.shares["bone"][row, column:],
            image.shares["bone"][:row, column],
            image.shares["bone"][row:, column],
        ):
            assert path.max() > 0.9


def test_air_spaces_and_eyes_are_low_in_the_head(series):
    air = [
        image.shares["air space"].sum() if "air space" in image.shares else 0.0
        for image in series[1]
    ]
    assert air[0] > 500
    assert air[-4:] == [0.0] * 4


def test_holder_is_behind_the_head(series):
    for image in series[1]:
        holder = np.argwhere(image.shares["holder"] > 0.5)
        assert len(holder) > 300
        assert holder[:, 0].min() > 512 // 2


def test_noise_is_correlated_and_stronger_low_in_the_head():
    rng = np.random.default_rng(3)
    head = Head(rng)
    acquisition = Acquisition.draw(rng, 256, 6)
    spreads = []
    for index in (0, 4):
        first, second = (
            scan(head, [], acquisition, index, rng, ()).hu for _ in range(2)
        )
        difference = (first - second) / np.sqrt(2.0)
        spreads.append(difference.std())
        neighbours = np.corrcoef(difference[:, 1:].ravel(), difference[:, :-1].ravel())[
            0, 1
        ]
        assert 0.3 < neighbours < 0.95
    assert spreads[0] > 1.1 * spreads[1]
    assert 1.5 < spreads[1] < 7.0


def test_gantry_tilt_is_in_the_orientation():
    tilts = set()
    for seed in range(20):
        acquisition = Acquisition.draw(np.random.default_rng(seed), 64, 4)
        normal = np.cross(*acquisition.orientation)
        assert np.degrees(np.arccos(normal[2])) == pytest.approx(
            acquisition.tilt_degrees, abs=1e-4
        )
        step = acquisition.corner_mm(1) - acquisition.corner_mm(0)
        assert step[:2] == pytest.approx([0, 0]) and step[2] > 0
        tilts.add(round(acquisition.tilt_degrees))
    assert 0 in tilts and max(tilts) > 8 and max(tilts) <= 20


def test_noise_volume_is_smooth_and_periodic():
    volume = NoiseVolume(np.random.default_rng(0), (30.0, 60.0, 60.0, 12.0), (0.2,) * 4)
    x = np.linspace(-200, 200, 801, dtype=np.float32)[None]
    zero = np.zeros_like(x)
    for axis in range(3):
        line = [zero, zero, zero]
        line[axis] = x
        value = volume.sample(*line)[0]
        assert np.abs(np.diff(value)).max() < 0.35
        moved = [part + np.float32(192.0) for part in line]
        np.testing.assert_allclose(volume.sample(*moved)[0], value, atol=0.08)
