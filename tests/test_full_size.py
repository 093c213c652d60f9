"""Models at full size: every Scopeformer's counts and one slice through it; one exported and served.

All in one file, since files are what the processes of `make test` share out: two such models at a time would
want more memory than a small machine has.
"""

import json
import math
import subprocess
import sys

import numpy as np
import pytest

import keras_medformers

BUILD_AND_RUN = """
import functools
import gc
import json
import math
import re
import sys

import keras
import numpy as np

import keras_medformers
from keras_medformers.models import backbones
from keras_medformers.models.scopeformer import split_backbones

keras.utils.set_random_seed(0)
# Most models stand on the same four backbones, which take longest: built once, they serve all.
backbones.build_backbone = functools.cache(backbones.build_backbone)
count = lambda variables: sum(math.prod(variable.shape) for variable in variables)
maps = {}
for name in sys.argv[1:]:
    model = keras_medformers.create_model(name)
    named = lambda pattern: count(
        v for layer in model.layers if re.fullmatch(pattern, layer.name) for v in layer.trainable_variables
    )
    found = {
        "name": name,
        "encoders": named("encoder_[0-9]+"),
        "projections": named(".*_projection"),
        "head": named("head|head_hidden"),
        "trainable": count(model.trainable_variables),
        "frozen": count(model.non_trainable_variables),
        "map": model.get_layer("global_feature_map").output.shape[1:],
        "tokens": model.get_layer("encoder_3").output.shape[1:],
    }
    slices = np.random.default_rng(0).uniform(0, 255, (1, *model.input_shape[1:])).astype("float32")
    extractor, rest = split_backbones(model)
    which = tuple(extractor.output)
    if which not in maps:
        maps[which] = extractor(slices)
        whole = np.asarray(model(slices))
        np.testing.assert_allclose(rest(maps[which]), whole, rtol=1e-5, atol=1e-5)
    logits = np.asarray(rest(maps[which]))
    found["output"], found["finite"] = logits.shape, bool(np.isfinite(logits).all())
    print(json.dumps(found), flush=True)
    del model, named, extractor, rest
    keras.backend.clear_session()
    gc.collect()
"""

# Millions of parameters beside the frozen backbones and the head, as designed; millions as the paper prints
# them (Tables 1, 3 and 5), None where its settings do not give them (Medium: 43, Deep TR: 6, Scopeformer 3:
# 755, Scaled: 870); the joined map; the tokens of an encoder; the width of query, key and value.
ROWS = {
    "scopeformer_small": (35.0, 34, (8, 8, 516), (65, 516), 516),
    "scopeformer_base": (43.1, 42, (8, 8, 512), (65, 512), 512),
    "scopeformer_medium": (51.5, None, (8, 8, 512), (65, 512), 512),
    "scopeformer_large_4": (52.5, 51, (8, 8, 1024), (65, 1024), 1024),
    "scopeformer_large_8": (102.9, 102, (8, 8, 1024), (65, 1024), 1024),
    "scopeformer_large_16": (203.7, 203, (8, 8, 1024), (65, 1024), 1024),
    "deep_scopeformer": (102.9, 102, (8, 8, 1024), (65, 1024), 1024),
    "deep_scopeformer_tr": (5.2, None, (8, 8, 384), (384, 65), 80),
    "efficient_scopeformer": (5.2, 5, (8, 8, 384), (384, 64), 64),
    "scopeformer_1cnn": (126.0, None, (7, 7, 1024), (50, 1024), 1024),
    "scopeformer_2cnn": (352.7, None, (7, 7, 2048), (50, 2048), 2048),
    "scopeformer_3cnn": (680.0, None, (7, 7, 3072), (50, 3072), 3072),
    "scopeformer_scaled": (814.2, None, (8, 8, 4096), (65, 4096), 4096),
}


@pytest.fixture(scope="module")
def found():
    command = [sys.executable, "-c", BUILD_AND_RUN, *ROWS]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return {row["name"]: row for row in map(json.loads, done.stdout.splitlines())}


@pytest.mark.slow
@pytest.mark.parametrize("name", ROWS)
def test_counts_shapes_and_one_slice(found, name):
    row = found[name]
    designed, printed, feature_map, tokens, width = ROWS[name]

    assert row["encoders"] == encoders_by_formula(name, tokens[1], width)
    assert row["projections"] == projections_by_formula(name)
    inner = row["encoders"] + row["projections"]
    positions, channels = math.prod(feature_map), feature_map[2]
    settings = keras_medformers.registry.default_settings(name)
    class_token = channels if settings["class_token"] else 0
    norm = 2 * channels if settings["tokens"] == "positions" else 0
    before_head = inner + positions + class_token + norm
    assert row["trainable"] - row["head"] == before_head
    assert before_head / 1e6 == pytest.approx(designed, abs=0.07)
    if printed is not None:
        assert inner / 1e6 == pytest.approx(printed, rel=0.03)

    assert tuple(row["map"]) == feature_map
    assert tuple(row["tokens"]) == tokens
    assert row["output"] == [1, 6] and row["finite"]


def encoders_by_formula(name, channels, width):
    settings = keras_medformers.registry.default_settings(name)
    hidden, heads = settings["mlp_dim"], settings["num_heads"]
    norms = 4 * channels
    attention = 3 * (channels * width + width) + width * channels + channels
    if settings["attention"] == "mhra":
        attention += heads * heads + heads + 2 * heads
    mlp = channels * hidden + hidden + hidden * channels + channels
    return settings["num_layers"] * (norms + attention + mlp)


def projections_by_formula(name):
    size = keras_medformers.registry.default_settings(name)["feature_size"]
    return 0 if size is None else (2048 + 2048 + 1920 + 2048) * size // 4 + size


@pytest.mark.slow
def test_the_head_is_an_mlp_but_efficient_scopeformers_and_backbones_are_frozen(found):
    large, efficient = found["scopeformer_large_8"], found["efficient_scopeformer"]
    assert large["head"] == 1024 * 1024 + 1024 + 1024 * 6 + 6
    assert efficient["head"] == 384 * 6 + 6
    assert round(efficient["trainable"] / 1e6, 1) == 5.2  # Table 5 prints 5
    assert all(
        126.0e6 < found[name]["frozen"] < 126.1e6
        for name in ROWS
        if not name.endswith("cnn")
    )
    assert [
        round(found[f"scopeformer_{n}cnn"]["frozen"] / 1e6, 1) for n in (1, 2, 3)
    ] == [16.1, 32.2, 48.3]


BUILD_RUN_AND_EXPORT = """
import sys
import keras
import numpy as np
import keras_medformers
from keras_medformers.serving import export_saved_model

keras.utils.set_random_seed(0)
model = keras_medformers.create_model("scopeformer")
preprocessor = keras_medformers.preprocessor("scopeformer")
hu = np.load(sys.argv[1])
logits = model.predict(preprocessor(hu), verbose=0)
np.save(sys.argv[2], 1 / (1 + np.exp(-logits)))
labels = ["any", "epidural", "intraparenchymal", "intraventricular", "subarachnoid", "subdural"]
export_saved_model(model, preprocessor, labels, sys.argv[3], samples=[hu[:1]], modality="ct")
"""

LOAD_AND_RUN = """
import sys
sys.modules["keras"] = sys.modules["keras_medformers"] = None
import numpy as np
import tensorflow as tf

signature = tf.saved_model.load(sys.argv[2] + "/1").signatures["serving_default"]
outputs = signature(pixels=tf.constant(np.load(sys.argv[1])))
np.save(sys.argv[3], outputs["probabilities"].numpy())
"""


@pytest.mark.slow
def test_served_without_this_package_it_equals_the_keras_model(tmp_path):
    hu = np.random.default_rng(0).integers(-100, 200, (2, 512, 512, 1), "int16")
    np.save(tmp_path / "hu.npy", hu)

    def run(script, *names, **options):
        paths = [str(tmp_path / name) for name in names]
        subprocess.run([sys.executable, "-c", script, *paths], check=True, **options)

    run(BUILD_RUN_AND_EXPORT, "hu.npy", "keras.npy", "export")
    run(LOAD_AND_RUN, "hu.npy", "export", "served.npy", cwd=tmp_path)

    expected, served = np.load(tmp_path / "keras.npy"), np.load(tmp_path / "served.npy")
    assert served.shape == (2, 6)
    np.testing.assert_allclose(served, expected, atol=1e-4)
