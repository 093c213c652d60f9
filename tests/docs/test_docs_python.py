"""The Python code of README and of docs/adding.md runs as it stands."""

import numpy as np
import pages
import pytest
from photograph_files import encode, scene

from data_prep import datasets, tfrecords
from data_prep.records.schema import DatasetInfo
from data_prep.records.splits import SPLITS
from keras_medformers import modalities, registry, tasks
from keras_medformers.support import command_line
from training.papers import lookup
from training.runs.recipes import recipe
from training.tasks.multi_task import MultiTask


def test_readme_example_runs(capsys):
    (code,) = pages.blocks(pages.README, "python")
    assert len(code.splitlines()) <= 10
    names = {}
    exec(code, names)
    assert "'hifuse_tiny'" in capsys.readouterr().out
    np.testing.assert_allclose(np.sum(names["probabilities"]), 1.0, rtol=1e-5)


@pytest.fixture
def adding():
    """The code blocks of docs/adding.md, in its order: model, paper, data set, modality, task."""
    return pages.blocks(pages.ROOT / "docs" / "adding.md", "python")


def test_recipe_of_a_model_builds_and_runs(adding, monkeypatch):
    monkeypatch.setattr(registry, "_ENTRIES", dict(registry._ENTRIES))
    exec(adding[0], {})
    assert {"foo_small", "foo_large"} <= set(registry.list_models())

    model = registry.create_model("foo_small", classifier_activation="softmax")
    assert model.count_params() == 224 + 1_168 + 4_640 + 231
    prepared = registry.preprocessor("foo_small")(np.zeros((2, 90, 70, 3), "uint8"))
    assert prepared.shape == (2, 64, 64, 3)
    assert model(prepared).shape == (2, 7)


def test_recipe_of_a_paper_trains_the_model(adding, monkeypatch):
    monkeypatch.setattr(registry, "_ENTRIES", dict(registry._ENTRIES))
    exec(adding[0], {})
    names = {}
    exec(adding[1], names)
    assert set(names["PAPER"].models[0].parameters) <= set(registry.list_models())

    values = names["PAPER"].recipes["foo_isic2018"].values
    monkeypatch.setitem(lookup.RECIPES, "foo_isic2018", dict(values))
    assert lookup.default_recipe("foo_large", "isic2018") == "foo_isic2018"
    assert recipe("foo_isic2018", records="r").input_size == 64


def test_recipe_of_a_data_set_makes_records(adding, monkeypatch, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "bar.py").write_text(adding[2])
    monkeypatch.setattr(
        datasets, "__path__", [*datasets.__path__, str(tmp_path / "folder")]
    )
    pictures = tmp_path / "bar" / "pictures"
    pictures.mkdir(parents=True)
    rows = ["file,person,kind", "lost.png,p0,left"]
    for index in range(20):
        (pictures / f"{index}.png").write_bytes(encode(scene(seed=index), "PNG"))
        rows.append(f"{index}.png,p{index // 2},{('left', 'right')[index // 2 % 2]}")
    (tmp_path / "bar" / "bar.csv").write_text("\n".join(rows) + "\n")

    options = {
        "dataset": "bar",
        "data-dir": tmp_path / "bar",
        "records": tmp_path / "records",
        "id-key-file": tmp_path / "key",
        "workers": 1,
        "shards": 1,
    }
    assert "bar" in datasets.list_datasets()
    code = command_line.run(
        tfrecords.main, [f"--{name}={value}" for name, value in options.items()]
    )
    assert code == 0
    info = DatasetInfo.load(tmp_path / "records")
    assert info.label_names == ("left", "right")
    assert sum(info.count(split) for split in SPLITS) == 20
    assert "pictures/lost.png,no file" in (tmp_path / "records/rejects.csv").read_text()


def test_recipe_of_a_modality_is_known_and_shown(adding, monkeypatch):
    monkeypatch.setattr(modalities, "_MODALITIES", dict(modalities._MODALITIES))
    exec(adding[3], {})
    thermogram = modalities.get_modality("thermogram")
    assert thermogram.nouns == "thermograms" and thermogram.takes("uint16", 1)

    celsius = np.linspace(20, 40, 12).reshape(3, 4, 1)
    picture = thermogram.to_picture((100 * celsius).astype("uint16"))
    assert picture.dtype == np.uint8 and picture.min() == 0 and picture.max() == 255


def test_recipe_of_a_task_is_learned_and_answered(adding, monkeypatch):
    monkeypatch.setattr(tasks, "_SPECS", list(tasks._SPECS))
    exec(adding[4], {})
    task = MultiTask(tasks.spec_of_outputs(("grade", "bar")))
    assert task.num_classes == {"bar": 2, "grade": 3}

    logits = np.array([[0.0, 9, 0, 0, 9], [9, 0, 9, 0, 0]], "float32")
    labels = np.array([[0, 1, 0, 0, 1], [1, 0, 0, 0, 0]], "float32")
    assert float(task.loss()(labels, logits)) < 1e-2
    answers = task.spec.answers(task.probabilities(logits))
    np.testing.assert_array_equal(answers["bar"], [1, 0])
    np.testing.assert_array_equal(answers["grade"], [2, -1])
