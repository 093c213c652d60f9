"""Backbones' maps against Keras' own outputs; redundancy on maps whose correlations are known."""

import numpy as np
import pytest
from inside_models import make_images, make_small, outputs_of

from keras_medformers.explain import backbone_maps, has_projections, map_redundancy


@pytest.fixture(scope="module")
def twins():
    """A model on two copies of one backbone, projected."""
    return make_small("efficient_scopeformer")


def test_maps_of_each_backbone(twins):
    images = make_images()

    own, projected = (
        backbone_maps(twins, images, batch_size=2),
        backbone_maps(twins, images, projected=True),
    )

    assert list(own) == list(projected) == ["mobilenet", "mobilenet_2"]
    for name in own:
        np.testing.assert_allclose(
            own[name], twins.get_layer(name).predict(images, verbose=0), atol=1e-5
        )
    joined = outputs_of(twins, twins.get_layer("global_feature_map").output, images)
    np.testing.assert_allclose(
        np.concatenate(list(projected.values()), -1), joined, atol=1e-5
    )
    assert own["mobilenet"].shape == (3, 2, 2, 1024) and joined.shape == (3, 2, 2, 12)


def test_models_without():
    with pytest.raises(
        ValueError, match="Expected a model on CNN backbones. Received: model"
    ):
        backbone_maps(make_small("scopeformer_vit"), make_images())
    joined_as_they_are = make_small("scopeformer_1cnn")
    assert not has_projections(joined_as_they_are)
    assert list(backbone_maps(joined_as_they_are, make_images())) == ["mobilenet"]
    with pytest.raises(ValueError, match="Received: projected=True"):
        backbone_maps(joined_as_they_are, make_images(), projected=True)


def maps_of(*signals):
    """Maps `(2 images, 2, 2, maps)` from signals of eight values each."""
    return np.stack(signals, -1).reshape(2, 2, 2, -1).astype("float32")


A = np.array([1, -1, 1, -1, 1, -1, 1, -1])
B = np.array([1, 1, -1, -1, 1, 1, -1, -1])  # not correlated with A
C = np.array([1, 1, 1, 1, -1, -1, -1, -1])  # with neither


def test_redundancy_of_known_maps():
    maps = {
        "same": maps_of(A, 3 - 2 * A),
        "other": maps_of(B, A + B, np.full(8, 7)),
        "third": maps_of(C, B),
    }

    redundancy = map_redundancy(maps)

    half = 0.5**0.5
    expected = [
        [1, half / 2, 0],  # of A and -A with B and A + B: 0, 1/sqrt(2), twice
        [half / 2, half, (1 + half) / 4],
        [0, (1 + half) / 4, 0],
    ]
    np.testing.assert_allclose(redundancy, expected, atol=1e-6)


def test_where_fewer_than_two_maps_vary_nothing_is_said():
    redundancy = map_redundancy(
        {"one": maps_of(A), "flat": maps_of(np.full(8, 0.1), np.full(8, 3))}
    )
    assert np.isnan(redundancy).all()


def test_unrelated_maps_come_to_what_chance_gives():
    random = np.random.default_rng(0)
    maps = {
        name: random.normal(size=(16, 8, 8, 40)).astype("float32")
        for name in ("one", "two")
    }
    assert map_redundancy(maps) == pytest.approx(
        0.8 / 1024**0.5 * np.ones((2, 2)), rel=0.1
    )


@pytest.mark.parametrize(
    "maps, message",
    [
        ({}, "maps of at least two CNN backbones.*Received: maps of none"),
        (
            {"one": maps_of(A, B)},
            "maps of at least two CNN backbones.*Received: maps of one",
        ),
        (
            {"one": maps_of(A), "two": np.zeros((2, 3, 2, 4))},
            r"same images and size. Received: .*3, 2, 4\)",
        ),
        (
            {"one": np.zeros((2, 2)), "two": np.zeros((2, 2))},
            r"shape \(images, height, width, maps\)",
        ),
    ],
)
def test_mistakes(maps, message):
    with pytest.raises(ValueError, match=message):
        map_redundancy(maps)
