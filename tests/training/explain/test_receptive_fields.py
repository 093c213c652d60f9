"""Receptive fields of runs on mammograms: which images count, the pictures and the table."""

import keras
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from small_records import MAMMOGRAM_PX, small_config, small_mammogram_config

import keras_medformers
from data_prep.records.build import build
from data_prep.records.build_config import BuildConfig
from keras_medformers.explain import effective_receptive_field
from keras_medformers.support import command_line
from training.explain import __main__ as explain
from training.explain.receptive_fields import BOTH, fields_of_run, profile_table
from training.input.pipeline import evaluation_batches, image_source, labels_and_ids
from training.runs.workbench import Workbench

WIDTH_PX = 160


@pytest.fixture(scope="module")
def info(mammogram_infos):
    """Records of the same mammograms with right breasts as they are."""
    data_dir = mammogram_infos["phantom_mammography"].records_dir.parent
    config = BuildConfig(
        "phantom_mammography",
        shards=2,
        fractions=(0.5, 0.25, 0.25),
        settings={"image_size": MAMMOGRAM_PX, "flip": False},
    )
    folder, key = data_dir / "unflipped", data_dir / "key"
    return build(
        config, data_dir, folder, workers=1, id_key_file=key, max_reject_share=0.0
    )


def save_run(run_dir, info, model):
    run_dir.mkdir()
    small_mammogram_config(info, model=model).save(run_dir)
    keras.utils.set_random_seed(0)
    keras_medformers.create_model(model, input_shape=(None, None, 1)).save(
        run_dir / "model.keras"
    )
    return run_dir


@pytest.fixture(scope="module")
def runs(info, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    return [save_run(folder / name, info, name) for name in ("gmic", "hct")]


def run(*arguments):
    return command_line.run(explain.main, [str(argument) for argument in arguments])


def test_left_and_right_breasts_apart(info, runs):
    bench = Workbench(small_mammogram_config(info))
    source = bench.images("test")
    model = keras.models.load_model(runs[0] / "model.keras", compile=False)
    fields = fields_of_run(model, bench, source, images=3)
    _, ids = labels_and_ids(image_source(info, "test", lambda pixels: pixels))
    sides = ids["extra_laterality"]
    assert set(sides) == {0, 1} and {
        name: field.images for name, field in fields.items()
    } == {
        BOTH: 3,
        "left": 3,
        "right": 3,
    }
    pictures = np.concatenate(list(evaluation_batches(source, 4)))
    left, right = (np.flatnonzero(sides == side)[:3] for side in (0, 1))
    for name, rows in ((BOTH, np.arange(3)), ("left", left), ("right", right)):
        expected = effective_receptive_field(model, pictures[rows]).map
        np.testing.assert_allclose(fields[name].map, expected, rtol=1e-4, atol=1e-9)
    table = profile_table({"gmic": fields})
    assert len(table) == 3 * (MAMMOGRAM_PX + WIDTH_PX)
    sums = table.groupby(["breasts", "axis"])[["erf", "square_root"]].sum()
    np.testing.assert_allclose(sums, 1)


def test_flipped_records_have_one_field(mammogram_infos, runs):
    info = mammogram_infos["phantom_mammography"]
    bench = Workbench(small_mammogram_config(info))
    model = keras.models.load_model(runs[0] / "model.keras", compile=False)
    assert list(fields_of_run(model, bench, bench.images("test"), images=2)) == [BOTH]


def test_one_run_has_its_field_among_the_pictures(runs):
    assert run("--run", runs[1], "--images", 2) == 0
    names = sorted(path.name for path in (runs[1] / "explain").iterdir())
    assert names == [
        "contact_sheet.png",
        "receptive_field.csv",
        "receptive_field.png",
        "receptive_field_maps.png",
    ]


def test_several_runs_are_in_one_picture(runs):
    assert run("--run", runs[0], "--run", runs[1], "--images", 2) == 0
    out = runs[0].parent / "receptive_fields"
    table = pd.read_csv(out / "receptive_field.csv")
    assert list(table["run"].unique()) == ["gmic", "hct"]
    assert set(table["breasts"]) == {"left and right", "left", "right"} and set(
        table["images"]
    ) == {2}
    for name in ("receptive_field.png", "receptive_field_maps.png"):
        picture = np.asarray(Image.open(out / name).convert("L"))
        assert picture.shape[1] > 700 and picture.std() > 5


def test_runs_of_different_kinds_are_refused(runs, phantom_info, tmp_path, capsys):
    (tmp_path / "slices").mkdir()
    small_config(phantom_info).save(tmp_path / "slices")
    assert run("--run", runs[0], "--run", tmp_path / "slices") == 2
    assert (
        "expected runs that are all on mammograms, or none; these are not:"
        in capsys.readouterr().err
    )
