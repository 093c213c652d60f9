"""What the pictures of the inside of a network show."""

import io

import numpy as np
import pytest
from PIL import Image

from training import figures

RANDOM = np.random.default_rng(0)


def test_similarity_has_a_line_per_model_that_ends_at_one():
    figure = figures.encoder_similarity(
        {"small": [0.2, 1.0], "large": [-0.3, 0.5, 0.9, 1.0]}, "title"
    )
    axes = figure.axes[0]
    assert [list(line.get_xdata()) for line in axes.lines] == [[1, 2], [1, 2, 3, 4]]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        "small",
        "large",
    ]
    assert axes.get_ylim()[0] < -0.3
    assert figures.encoder_similarity({"one": [0.5, 1.0]}).axes[0].get_legend() is None


def blocks_of(figure):
    return [axes for axes in figure.subfigs[1].axes if axes.images]


def test_feature_maps_are_grouped_by_backbone_and_each_on_its_own_scale():
    ramp = np.arange(64.0).reshape(8, 8)
    three = np.stack([ramp, 100 + 5 * ramp, np.full((8, 8), 3.0)], -1)
    maps = {"first": three, "second": RANDOM.random((8, 8, 500))}
    figure = figures.feature_map_sheet(
        np.zeros((16, 16, 1), "int16"), maps, "title", "caption"
    )

    first, second = blocks_of(figure)
    assert (
        first.get_title() == "first\n3 maps"
        and second.get_title() == "second\n96 of 500 maps"
    )
    mosaic = first.images[0].get_array()
    side = (mosaic.shape[1] - 2 * 2) // 3
    tiles = [mosaic[:side, i * (side + 2) : i * (side + 2) + side] for i in range(3)]
    np.testing.assert_array_equal(tiles[0], tiles[1])
    assert np.ptp(tiles[0]) > 0.5 and np.ptp(tiles[2].reshape(-1, 3), axis=0).max() == 0
    assert figures.to_png(figure)


@pytest.mark.parametrize("backbones, rows", [(1, 1), (4, 1), (5, 2)])
def test_any_number_of_backbones_has_its_place(backbones, rows):
    maps = {f"backbone_{i}": RANDOM.random((7, 7, 10)) for i in range(backbones)}
    figure = figures.feature_map_sheet(np.zeros((16, 16, 3), "uint8"), maps)
    blocks = blocks_of(figure)
    assert len(blocks) == backbones
    assert len({axes.get_subplotspec().rowspan.start for axes in blocks}) == rows


def test_redundancy_is_written_into_its_cell():
    values = np.array([[0.5, 0.125], [0.125, np.nan]])
    figure = figures.redundancy_matrices(
        [figures.Redundancy("after projection", ["one", "two"], values)]
    )
    axes = figure.axes[0]
    assert [text.get_text() for text in axes.texts] == ["0.500", "0.125", "0.125", "–"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["one", "two"]


def test_negative_attention_is_centred_at_zero():
    maps = RANDOM.normal(0, 1, (16, 12, 12))
    figure = figures.attention_heads(maps, "title", {"one": 8, "two": 4}, "feature")
    shown = [axes for axes in figure.axes if axes.images]
    assert len(shown) == 16
    low, high = shown[0].images[0].get_clim()
    assert low == -high and high == pytest.approx(
        abs(np.percentile(maps[0], (1, 99))).max()
    )
    np.testing.assert_array_equal(shown[5].images[0].get_array(), maps[5])
    assert [label.get_text() for label in shown[0].get_yticklabels(minor=True)] == [
        "one",
        "two",
    ]
    assert list(shown[0].get_xticks()) == [7.5]


def test_softmax_attention_reaches_from_its_lowest_to_its_highest():
    maps = RANDOM.dirichlet(np.ones(5), (3, 5))
    shown = [axes for axes in figures.attention_heads(maps).axes if axes.images]
    assert len(shown) == 3 and shown[0].get_title().startswith("head 1: ")
    np.testing.assert_allclose(
        shown[0].images[0].get_clim(), np.percentile(maps[0], (1, 99))
    )
    assert figures.to_png(figures.attention_heads(np.full((1, 4, 4), 0.25)))


def test_fewer_colours_take_less_space():
    figure = figures.attention_heads(RANDOM.normal(0, 1, (4, 64, 64)))
    whole, reduced = figures.to_png(figure), figures.to_png(figure, palette=256)
    assert len(reduced) < 0.6 * len(whole)
    pictures = [
        np.asarray(Image.open(io.BytesIO(png)).convert("RGB"), "float32")
        for png in (whole, reduced)
    ]
    assert abs(pictures[0] - pictures[1]).mean() < 4
