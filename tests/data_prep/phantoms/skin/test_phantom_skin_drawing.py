"""The drawings: each class shows what it should, and views of one lesion resemble each other."""

import cv2
import numpy as np
import pytest

from data_prep.labels import SKIN_LESION_LABELS
from data_prep.phantoms.skin.camera import view
from data_prep.phantoms.skin.canvas import PX_PER_MM, SIZE_PX, Canvas
from data_prep.phantoms.skin.lesion import DRAW, draw_patch, encode, photograph
from data_prep.phantoms.skin.marks import scatter, spots
from data_prep.phantoms.skin.outline import outline

LESIONS = 6


@pytest.fixture(scope="module")
def patches():
    return {
        label: [draw_patch(label, 0, k) for k in range(LESIONS)]
        for label in SKIN_LESION_LABELS
    }


def _center(patch, side_mm=3.0):
    """The middle square, as float from 0 to 1."""
    half = int(side_mm / 2 * PX_PER_MM)
    middle = slice(SIZE_PX // 2 - half, SIZE_PX // 2 + half)
    return patch[middle, middle] / 255.0


def _border(patch):
    """A strip where there is only skin, as float from 0 to 1."""
    return (
        np.concatenate([patch[:30].reshape(-1, 3), patch[-30:].reshape(-1, 3)]) / 255.0
    )


def test_every_class_can_be_drawn():
    assert tuple(DRAW) == SKIN_LESION_LABELS


def test_every_lesion_differs_from_its_skin(patches):
    for label, drawn in patches.items():
        for k, patch in enumerate(drawn):
            assert patch.dtype == np.uint8 and patch.shape == (SIZE_PX, SIZE_PX, 3)
            difference = np.abs(_center(patch) - _border(patch).mean(axis=0)).mean()
            assert difference > 0.02, (label, k)


def test_lesions_of_a_class_differ(patches):
    for drawn in patches.values():
        for one, other in zip(drawn, drawn[1:], strict=False):
            assert np.abs(one.astype(int) - other).mean() > 3


def test_pigment_darkens_and_scars_pale(patches):
    def darkening(label):
        return np.mean([_border(p).mean() - _center(p).mean() for p in patches[label]])

    for label in ("MEL", "NV", "BKL", "VASC"):
        assert darkening(label) > 0.08, label
    for patch in patches["DF"]:
        assert _center(patch, 0.8).mean() > _center(patch, 4.5).mean()


def test_vascular_lesions_are_redder_than_nevi(patches):
    def redness(label):
        return np.mean(
            [np.mean(_center(p)[..., 0] - _center(p)[..., 1]) for p in patches[label]]
        )

    assert redness("VASC") > redness("NV") + 0.05


def test_melanomas_have_more_colors_than_nevi(patches):
    def spread(label):
        smooth = [cv2.GaussianBlur(patch, (0, 0), 8) for patch in patches[label]]
        return np.mean([_center(patch).std(axis=(0, 1)).mean() for patch in smooth])

    assert spread("MEL") > 2.0 * spread("NV")


def test_views_of_a_lesion_differ_but_resemble_each_other(patches):
    def colors(picture):
        small = cv2.resize(picture, (48, 48), interpolation=cv2.INTER_AREA)[
            12:36, 12:36
        ]
        return small.reshape(-1, 3).mean(axis=0)

    first, second = (
        photograph(patches["NV"][0], (320, 240), 0, 0, k) for k in range(2)
    )
    strange = photograph(patches["VASC"][1], (320, 240), 0, 1, 0)
    assert np.abs(first.astype(int) - second).mean() > 3
    assert (
        np.abs(colors(first) - colors(second)).sum()
        < np.abs(colors(first) - colors(strange)).sum()
    )


@pytest.mark.parametrize("size_px", ((300, 225), (225, 300), (640, 480)))
def test_pictures_have_the_asked_size(patches, size_px):
    picture = photograph(patches["BCC"][0], size_px, 0, 0, 0)
    assert picture.shape == (size_px[1], size_px[0], 3) and picture.dtype == np.uint8


def test_a_view_magnifies_about_the_middle():
    patch = np.zeros((SIZE_PX, SIZE_PX, 3), np.uint8)
    cv2.circle(
        patch, (SIZE_PX // 2, SIZE_PX // 2), round(1.5 * PX_PER_MM), (255, 255, 255), -1
    )
    for seed in range(4):
        picture, px_per_mm = view(np.random.default_rng(seed), patch, (400, 300))
        y, x = np.nonzero(picture[..., 0] > 127)
        assert len(x) == pytest.approx(np.pi * (1.5 * px_per_mm) ** 2, rel=0.03)
        assert np.hypot(x.mean() - 200, y.mean() - 150) < 2.0 * px_per_mm


def test_melanin_makes_brown_and_blood_red():
    brown, red = Canvas(), Canvas()
    brown.melanin += 1.0
    red.blood += 1.0
    for canvas in (brown, red):
        assert (np.diff(canvas.render()[0, 0].astype(int))[:1] < 0).all()
    brown, red = brown.render()[0, 0].astype(int), red.render()[0, 0].astype(int)
    assert brown[1] > brown[2] + 20
    assert red[0] - red[1] > brown[0] - brown[1]


def test_a_cover_hides_what_lies_below():
    canvas = Canvas()
    canvas.melanin += 2.0
    half = np.zeros((SIZE_PX, SIZE_PX), np.float32)
    half[:, : SIZE_PX // 2] = 1.0
    canvas.cover((1.0, 0.0, 0.5), half)
    rendered = canvas.render()
    np.testing.assert_allclose(rendered[0, 0], (255, 0, 127), atol=1)
    assert rendered[0, -1].max() < 128


def test_outline_has_the_asked_area():
    distance = outline(np.random.default_rng(0), 3.0, elongation=1.5)
    assert (distance < 0).sum() / PX_PER_MM**2 == pytest.approx(np.pi * 9.0, rel=0.02)


def test_scattered_spots_keep_apart_and_inside():
    region = np.zeros((SIZE_PX, SIZE_PX), np.float32)
    region[: SIZE_PX // 2] = 1.0
    points = scatter(np.random.default_rng(0), region, 40, apart_mm=0.8)
    assert len(points) > 20 and points[:, 1].max() <= 0.0
    apart = np.hypot(*(points[:, None] - points[None]).transpose(2, 0, 1))
    assert apart[~np.eye(len(points), dtype=bool)].min() >= 0.8
    assert len(scatter(np.random.default_rng(0), np.zeros_like(region), 5)) == 0
    inner = np.abs(points).max(axis=1) < 8.5
    drawn = spots(points[inner], np.full(inner.sum(), 0.3), blur_mm=0.02)
    assert drawn.sum() / PX_PER_MM**2 == pytest.approx(
        inner.sum() * np.pi * 0.09, rel=0.15
    )


def test_both_formats_decode_to_the_picture(patches):
    picture = photograph(patches["NV"][0], (400, 300), 0, 0, 0)
    for suffix, magic, tolerance in (
        (".png", b"\x89PNG", 0.0),
        (".jpg", b"\xff\xd8\xff", 6.0),
    ):
        data = encode(picture, suffix, 90)
        assert data.startswith(magic)
        decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[
            ..., ::-1
        ]
        assert np.abs(decoded.astype(int) - picture).mean() <= tolerance
