"""The program over folders: look, tree, resumption, bad pictures, other settings; and its parts."""

import csv
import json
import shutil

import keras
import numpy as np
import pytest
from ct_files import write_ct
from photograph_files import encode, scene

from data_prep.datasets import image_folder
from data_prep.modalities.photograph.pictures import read_photograph
from data_prep.style_transfer import StyleTransferConfig, restyle
from data_prep.style_transfer.__main__ import main
from data_prep.style_transfer.network import CONTENT_LAYER, STYLE_LAYERS
from data_prep.style_transfer.pictures import read_content, read_style
from data_prep.style_transfer.transfer import StyleTransfer
from keras_medformers.support import command_line
from keras_medformers.support.errors import UserError

SIZE = 32
SETTINGS = (f"--size={SIZE}", "--steps=30", "--batch-size=2")
PICTURES = ("train/n01/a.JPEG", "train/n02/b.png", "train/n02/deep/c.jpg")


def run(content, style, output, weights, *arguments):
    folders = [
        f"--content={content}",
        f"--style={style}",
        f"--output={output}",
        f"--weights={weights}",
    ]
    return command_line.run(main, [*folders, *SETTINGS, *arguments])


def rows_of(output):
    with (output / "losses.csv").open() as table:
        return {
            row.pop("file"): {k: float(v) for k, v in row.items()}
            for row in csv.DictReader(table)
        }


@pytest.fixture(scope="module")
def style(tmp_path_factory):
    """A slice: a bright ring around stripes within the brain window, air outside."""
    rows, columns = np.mgrid[:64, :64] - 31.5
    radius = np.hypot(rows, columns)
    hu = np.where(
        radius < 24, 40 + 30 * np.sin(columns), np.where(radius < 28, 900, -1000)
    )
    return write_ct(
        tmp_path_factory.mktemp("style") / "slice.dcm", (hu + 1024).astype(np.uint16)
    )


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    folder = tmp_path_factory.mktemp("content")
    for number, file in enumerate(PICTURES):
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_bytes(
            encode(scene(40, 56, number), "PNG" if "png" in file else "JPEG")
        )
    (folder / "train/n01/empty.jpg").write_bytes(b"")
    (folder / "train/readme.txt").write_text("no picture")
    return folder


@pytest.fixture(scope="module")
def output(content, style, vgg19_weights, tmp_path_factory):
    folder = tmp_path_factory.mktemp("made") / "restyled"
    assert run(content, style, folder, vgg19_weights) == 0
    return folder


def test_losses_fall_and_pictures_come_nearer_to_the_style_but_stay_themselves(
    content, style, output, vgg19_weights
):
    vgg = keras.applications.VGG19(
        include_top=False, weights=str(vgg19_weights), input_shape=(SIZE, SIZE, 3)
    )
    layers = [vgg.get_layer(name).output for name in (CONTENT_LAYER, *STYLE_LAYERS)]
    extractor = keras.Model(vgg.input, layers)

    def features(picture):
        pixels = keras.applications.vgg19.preprocess_input(
            picture[None].astype("float32")
        )
        return [maps.numpy()[0] for maps in extractor(pixels)]

    def grams(picture):
        flat = [maps.reshape(-1, maps.shape[-1]) for maps in features(picture)[1:]]
        return [one.T @ one / len(one) for one in flat]

    def away(one, other):
        return np.array(
            [np.linalg.norm(a - b) for a, b in zip(one, other, strict=True)]
        )

    of_style = read_style(style, SIZE)
    for file, losses in rows_of(output).items():
        before, after = (
            read_content(content / file, SIZE),
            read_photograph(output / file),
        )
        assert after.shape == (SIZE, SIZE, 3)
        assert losses["loss"] < 0.5 * losses["loss_before"]
        assert losses["style"] < losses["style_before"] and losses["content"] > 0
        assert (
            away(grams(after), grams(of_style)) < away(grams(before), grams(of_style))
        ).all()
        to_content = np.linalg.norm(features(after)[0] - features(before)[0])
        assert to_content < np.linalg.norm(features(after)[0] - features(of_style)[0])


def test_the_tree_is_kept_and_what_cannot_be_read_is_listed(content, output):
    assert set(rows_of(output)) == set(PICTURES)
    assert (output / PICTURES[0]).read_bytes().startswith(b"\xff\xd8")
    assert (output / PICTURES[1]).read_bytes().startswith(b"\x89PNG")
    assert (
        output / "rejects.csv"
    ).read_text() == "file,reason\ntrain/n01/empty.jpg,is empty (0 bytes)\n"
    described = json.loads((output / "style_transfer.json").read_text())
    assert described["pictures"] == 3 and described["rejects"] == 1
    assert (
        described["settings"]["steps"] == 30
        and len(described["settings"]["weights"]) == 64
    )
    sheet = read_photograph(output / "contact_sheet.png")
    assert sheet.shape[1] == 3 * (SIZE + 4)
    listing = image_folder.list_images(output)
    assert listing.files == sorted(PICTURES) and listing.label_names == ("n01", "n02")


@pytest.mark.slow
def test_an_interrupted_run_redraws_what_is_missing_and_nothing_else(
    content, style, output, vgg19_weights, tmp_path
):
    again = shutil.copytree(output, tmp_path / "again")
    table = (again / "losses.csv").read_text()
    first, second, third = table.splitlines()[1:]
    kept = first.split(",")[0]
    # The power went while the third row was being written; the second picture was lost, the first is black.
    (again / "losses.csv").write_text(table[: table.index(third) + 12])
    (again / second.split(",")[0]).unlink()
    (again / kept).write_bytes(encode(np.zeros((SIZE, SIZE, 3), np.uint8), "PNG"))
    assert run(content, style, again, vgg19_weights) == 0
    assert not read_photograph(again / kept).any()
    assert rows_of(again).keys() == rows_of(output).keys()
    for row in (second, third):
        file = row.split(",")[0]
        difference = read_photograph(again / file).astype(int) - read_photograph(
            output / file
        )
        assert np.abs(difference).mean() < 8


def test_a_finished_folder_is_left_as_it_is(
    content, style, output, vgg19_weights, caplog
):
    before = {path: path.read_bytes() for path in output.rglob("*") if path.is_file()}
    assert run(content, style, output, vgg19_weights) == 0
    assert {
        path: path.read_bytes() for path in output.rglob("*") if path.is_file()
    } == before


def test_other_settings_and_other_folders_are_refused(
    content, style, output, vgg19_weights, tmp_path, capsys
):
    assert run(content, style, output, vgg19_weights, "--steps=31") == 2
    assert "other settings (steps=30, now 31)" in capsys.readouterr().err
    assert run(content, style, output, "none") == 2
    assert "weights=" in capsys.readouterr().err
    (tmp_path / "else").mkdir()
    (tmp_path / "else" / "letter.txt").write_text("dear")
    assert run(content, style, tmp_path / "else", vgg19_weights) == 2
    assert "holds other files" in capsys.readouterr().err
    assert run(content, style, content / "out", vgg19_weights) == 2
    assert "lie in each other" in capsys.readouterr().err


@pytest.mark.parametrize(
    "setting, expected",
    [
        ({"size": 8}, "size must be at least 32 pixels. Received: 8"),
        ({"steps": 0}, "steps must be at least 1"),
        ({"style_weight": 0.0}, "style_weight must be more than 0"),
        ({"pooling": "median"}, "pooling must be average or max"),
    ],
)
def test_settings_out_of_range(setting, expected):
    with pytest.raises(UserError, match=expected):
        StyleTransferConfig(**setting)


def test_folders_and_files_that_cannot_be_used(style, tmp_path, capsys):
    assert run(tmp_path / "absent", style, tmp_path / "out", "none") == 2
    assert "absent is no folder" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert run(tmp_path / "empty", style, tmp_path / "out", "none") == 2
    assert "has no picture" in capsys.readouterr().err
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "a.jpg").write_bytes(b"")
    assert (
        run(tmp_path / "bad", tmp_path / "bad" / "a.jpg", tmp_path / "out", "none") == 2
    )
    assert (
        "neither a picture (it is empty (0 bytes)) nor a CT slice"
        in capsys.readouterr().err
    )
    assert run(tmp_path / "bad", style, tmp_path / "out", tmp_path / "absent.h5") == 2
    assert "absent.h5 is no file; give one, imagenet or none" in capsys.readouterr().err
    assert run(tmp_path / "bad", style, tmp_path / "out", "none") == 2
    assert "none of 1 pictures" in capsys.readouterr().err
    # Nothing has been made yet: other settings may be tried in the same folder.
    assert run(tmp_path / "bad", style, tmp_path / "out", "none", "--steps=7") == 2
    assert "none of 1 pictures" in capsys.readouterr().err


def test_a_slice_as_style_is_grey_in_the_brain_window(style, tmp_path):
    picture = read_style(style, 64)
    np.testing.assert_array_equal(picture[..., 0], picture[..., 2])
    assert picture[0, 0, 0] == 0 and picture[31, 6, 0] == 255
    inside = picture[28:36, 20:44, 0]
    assert 20 < inside.min() < inside.max() < 235
    path = tmp_path / "style.png"
    path.write_bytes(encode(scene(20, 30), "PNG"))
    np.testing.assert_array_equal(read_style(path, 20), scene(20, 30)[:, 5:25])


@pytest.mark.slow
def test_pictures_of_a_batch_do_not_influence_each_other_and_steps_are_traced_once(
    style, vgg19_weights
):
    config = StyleTransferConfig(size=SIZE, steps=2)
    transfer = StyleTransfer(read_style(style, SIZE), str(vgg19_weights), 2, config)
    contents = np.stack([scene(SIZE, SIZE, seed) for seed in (1, 2)])
    together, losses = transfer.restyle(contents)
    for number in range(2):
        alone, [of_one] = transfer.restyle(contents[number : number + 1])
        assert alone.shape == (1, SIZE, SIZE, 3)
        np.testing.assert_allclose(of_one, losses[number], rtol=1e-2)
        assert np.abs(alone[0].astype(int) - together[number]).mean() < 0.5
    assert transfer._step.experimental_get_tracing_count() == 1


@pytest.mark.slow
def test_untrained_weights_are_warned_of(content, style, tmp_path, caplog):
    config = StyleTransferConfig(size=SIZE, steps=5)
    restyle(content, style, tmp_path / "out", config, weights="none", batch_size=3)
    assert "UNTRAINED VGG19" in caplog.text
    assert all(
        losses["loss"] < losses["loss_before"]
        for losses in rows_of(tmp_path / "out").values()
    )
