"""The program that explains a run's answers over files, on networks whose heat is known beforehand."""

import cv2
import keras
import numpy as np
import pandas as pd
import pytest
from ct_files import write_ct
from PIL import Image

from data_prep.labels import HEMORRHAGE_LABELS
from keras_medformers.support import command_line
from training.explain import __main__ as explain
from training.runs.config import Config

SIZE_PX = 64
COLOURS = ("red", "green", "blue")


def save_run(run_dir, names, scale, offset, **values):
    """A run whose network's logits are the means of the input's channels, one after another."""
    run_dir.mkdir()
    settings = dict(
        dataset="none",
        records="none",
        input_size=SIZE_PX,
        label_names=tuple(names),
        label_weights=(1.0,) * len(names),
        task="multilabel",
        modality="ct",
    )
    Config(**settings | values).save(run_dir)
    image = keras.Input((SIZE_PX, SIZE_PX, 3), name="image")
    x = keras.layers.Rescaling(scale, offset, name="levels")(image)
    x = keras.layers.AveragePooling2D(4, name="feature_map")(x)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    head = keras.layers.Dense(len(names), name="head")
    model = keras.Model(image, head(x))
    head.set_weights([np.eye(3, len(names)), np.zeros(len(names))])
    model.save(run_dir / "model.keras")
    return run_dir


@pytest.fixture(scope="module")
def photograph_run(tmp_path_factory):
    """Its three classes are the colours; 1/2 + 1/2 brings [-1, 1] to [0, 1]."""
    return save_run(
        tmp_path_factory.mktemp("runs") / "photographs",
        COLOURS,
        0.5,
        0.5,
        model="hifuse_narrow",
        task="single_label",
        modality="photograph",
    )


@pytest.fixture(scope="module")
def ct_run(tmp_path_factory):
    """Its first label is the mean of the brain window."""
    return save_run(
        tmp_path_factory.mktemp("runs") / "ct",
        HEMORRHAGE_LABELS,
        1 / 255,
        0.0,
        model="efficient_scopeformer",
    )


def write_spot(path, colour, height=120, width=200, row=60, column=120, exif=None):
    """A black picture with one square of 16 pixels around a place."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[row - 8 : row + 8, column - 8 : column + 8, COLOURS.index(colour)] = 255
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(picture).save(path, **({} if exif is None else {"exif": exif}))
    return picture


def run(*arguments):
    return command_line.run(explain.main, [str(argument) for argument in arguments])


def changed(overlay_file, picture):
    """Where an overlay differs from its picture, and by how much."""
    return np.abs(np.asarray(Image.open(overlay_file)).astype(int) - picture).sum(-1)


def test_overlays_table_and_sheet(photograph_run, tmp_path):
    folder = tmp_path / "pictures"
    pictures = {
        "a.png": write_spot(folder / "a.png", "green"),
        "b.png": write_spot(folder / "b.png", "blue", 150, 90, row=80, column=40),
        "c.png": write_spot(folder / "c.png", "red"),
    }

    assert (
        run(
            "--run",
            photograph_run,
            folder,
            "--output",
            tmp_path / "out",
            "--batch-size",
            2,
        )
        == 0
    )

    table = pd.read_csv(tmp_path / "out" / "explain.csv")
    assert [path.rsplit("/", 1)[1] for path in table["file"]] == list(pictures)
    assert list(table["label"]) == list(table["predicted"]) == ["green", "blue", "red"]
    assert list(table["overlay"]) == ["a_green.png", "b_blue.png", "c_red.png"]
    for overlay, picture in zip(table["overlay"], pictures.values(), strict=True):
        difference = changed(tmp_path / "out" / overlay, picture)
        spot = picture.max(-1)
        near = cv2.dilate(spot, np.ones((25, 25)))
        assert difference[spot > 0].mean() > 50 and difference[near == 0].max() == 0
    # A spot of 16 x 16 fills (16 / crop) ** 2 of the input; the crop is 64 / 73 of the shorter side, 120.
    share = (16 / (120 * 64 / 73)) ** 2
    expected = np.exp(share) / (np.exp(share) + 2)
    assert table["probability"][0] == pytest.approx(expected, abs=1e-4)
    sheet = np.asarray(Image.open(tmp_path / "out" / "contact_sheet.png"))
    assert min(sheet.shape[:2]) > 100 and sheet.std() > 10
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "a_green.png",
        "b_blue.png",
        "c_red.png",
        "contact_sheet.png",
        "explain.csv",
        "rejects.csv",
    ]


def test_no_colour_outside_of_the_crop(photograph_run, tmp_path):
    """Of a picture three times as wide as high, the network sees the middle."""
    picture = np.full((60, 180, 3), (200, 0, 0), np.uint8)
    Image.fromarray(picture).save(tmp_path / "wide.png")

    assert (
        run(
            "--run", photograph_run, tmp_path / "wide.png", "--output", tmp_path / "out"
        )
        == 0
    )

    columns = np.nonzero(changed(tmp_path / "out" / "wide_red.png", picture).max(0))[0]
    side = 60 * 64 / 73
    assert columns.min() == pytest.approx(90 - side / 2, abs=2)
    assert columns.max() + 1 == pytest.approx(90 + side / 2, abs=2)


def test_turned_picture_is_shown_upright(photograph_run, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # stored turned by a quarter
    picture = write_spot(
        tmp_path / "turned.png", "red", 100, 100, row=30, column=50, exif=exif
    )

    assert (
        run(
            "--run",
            photograph_run,
            tmp_path / "turned.png",
            "--output",
            tmp_path / "out",
        )
        == 0
    )

    upright = np.rot90(picture, -1)
    difference = changed(tmp_path / "out" / "turned_red.png", upright)
    assert (
        difference[upright[..., 0] > 0].mean() > 50
        and difference[20:40, 20:40].max() == 0
    )


def test_label_asked_for(photograph_run, tmp_path):
    picture, out = write_spot(tmp_path / "a.png", "green"), tmp_path / "out"

    assert (
        run(
            "--run",
            photograph_run,
            tmp_path / "a.png",
            "--label",
            "blue",
            "--output",
            out,
        )
        == 0
    )

    row = pd.read_csv(out / "explain.csv").iloc[0]
    assert (row["predicted"], row["label"], row["overlay"]) == (
        "green",
        "blue",
        "a_blue.png",
    )
    assert row["probability"] < 1 / 3
    assert not changed(out / "a_blue.png", picture).any()  # no blue anywhere


def test_same_name_in_two_folders(photograph_run, tmp_path):
    for folder, suffix in (("one", ".png"), ("two", ".png"), ("two", ".bmp")):
        write_spot(tmp_path / folder / f"a{suffix}", "red")
    write_spot(tmp_path / "two" / "A.png", "red")

    assert (
        run(
            "--run",
            photograph_run,
            tmp_path / "one",
            tmp_path / "two",
            "--output",
            tmp_path / "out",
        )
        == 0
    )

    table = pd.read_csv(tmp_path / "out" / "explain.csv")
    names = [name.lower() for name in table["overlay"]]
    assert len(set(names)) == 4 and all(
        (tmp_path / "out" / name).is_file() for name in table["overlay"]
    )


def test_unreadable_files_are_set_aside(photograph_run, tmp_path, caplog):
    write_spot(tmp_path / "in" / "good.png", "red")
    (tmp_path / "in" / "empty.jpg").touch()
    (tmp_path / "in" / "cut.png").write_bytes(
        (tmp_path / "in" / "good.png").read_bytes()[:60]
    )
    (tmp_path / "in" / "notes.txt").write_text("not a picture")

    with caplog.at_level("INFO"):
        assert (
            run(
                "--run",
                photograph_run,
                tmp_path / "in",
                "--output",
                tmp_path / "in" / "out",
            )
            == 0
        )

    rejects = pd.read_csv(tmp_path / "in" / "out" / "rejects.csv")
    assert [path.rsplit("/", 1)[1] for path in rejects["file"]] == [
        "cut.png",
        "empty.jpg",
        "notes.txt",
    ]
    assert rejects["reason"].str.len().min() > 3
    assert all(
        f"set aside: {tmp_path / 'in' / name}" in caplog.text
        for name in ("cut.png", "empty.jpg")
    )
    # A second time, the overlays among the files are not taken for pictures.
    assert (
        run(
            "--run",
            photograph_run,
            tmp_path / "in",
            "--output",
            tmp_path / "in" / "out",
        )
        == 0
    )
    assert len(pd.read_csv(tmp_path / "in" / "out" / "explain.csv")) == 1


def test_nothing_readable(photograph_run, tmp_path, capsys):
    (tmp_path / "empty.jpg").touch()
    assert (
        run(
            "--run",
            photograph_run,
            tmp_path / "empty.jpg",
            "--output",
            tmp_path / "out",
        )
        == 2
    )
    assert (
        "none of the 1 files is a picture that can be read" in capsys.readouterr().err
    )


def test_ct_slices(ct_run, tmp_path):
    """A bright spot of blood in a slice of another size than the network's, in the brain window."""
    hu = np.zeros((96, 96), np.int16)
    hu[60:72, 20:32] = 75
    write_ct(tmp_path / "slice.dcm", hu, intercept=0)
    (tmp_path / "notes.txt").write_text("not a slice")

    assert run("--run", ct_run, tmp_path, "--label", "any") == 0

    row = pd.read_csv(ct_run / "explain" / "explain.csv").iloc[0]
    assert row["label"] == "any" and 0.5 < row["probability"] < 0.6
    shown = np.asarray(Image.open(ct_run / "explain" / "slice_any.png"))
    grey = np.repeat(np.clip(hu * 255 / 80, 0, 255)[..., np.newaxis], 3, -1)
    difference = changed(
        ct_run / "explain" / "slice_any.png", np.rint(grey).astype(int)
    )
    assert shown.shape == (96, 96, 3) and difference[62:70, 22:30].min() > 20
    assert difference[:50].max() <= 3 and difference[:, 45:].max() <= 3


@pytest.mark.parametrize(
    "arguments, message",
    [
        (
            ["--label", "purple"],
            "expected --label to be one of red, green, blue, received 'purple'",
        ),
        (["--layer", "feature_mop"], "Received: layer_name='feature_mop'"),
        (
            ["--layer", "pool"],
            "'pool' with shape (None, 3). The last that fit: levels, feature_map",
        ),
        (["--batch-size", "0"], "expected --batch-size of at least 1, received 0"),
        (["--output", "a.png/out"], "cannot make folder a.png/out"),
    ],
)
def test_mistakes(photograph_run, tmp_path, capsys, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    write_spot(tmp_path / "a.png", "red")
    assert run("--run", photograph_run, "a.png", "--output", "out", *arguments) == 2
    assert message in capsys.readouterr().err


def test_mistakes_about_run_and_files(photograph_run, tmp_path, capsys):
    write_spot(tmp_path / "a.png", "red")
    assert run("--run", tmp_path / "absent", tmp_path / "a.png") == 2
    assert "absent is not the folder of a run" in capsys.readouterr().err
    assert run("--run", photograph_run, tmp_path / "b.png") == 2
    assert "there is no file or folder" in capsys.readouterr().err


def test_help(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "1000")
    with pytest.raises(SystemExit) as ended:
        run("--help")
    text = capsys.readouterr().out
    assert ended.value.code == 0 and "    python -m training.explain --run" in text
    assert "(default: feature_map; of a network of tokens alone" in text
    assert "(default: RUN/explain; of several" in text
