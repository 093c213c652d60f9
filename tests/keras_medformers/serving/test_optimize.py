"""Variants of an export answer as it does, in processes without Keras, and are what their names say."""

import dataclasses
import json
import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny_exports
from tensorflow.core.protobuf import saved_model_pb2

import keras_medformers
from keras_medformers.serving import export_saved_model, sample_slices_hu
from keras_medformers.serving.optimize import __main__ as program
from keras_medformers.serving.optimize import optimize_saved_model, variants
from keras_medformers.serving.optimize.flat_graph import read_flat_graph
from keras_medformers.serving.optimize.folding import fold_scales_and_shifts

LOAD_ELSEWHERE = pathlib.Path(tiny_exports.__file__).with_name("load_elsewhere.py")
WAYS = ("saved_model", "command", "c_api")
LABELS = ("any", "epidural", "subdural")
SIZE_PX = 32
PIXELS = sample_slices_hu((40, 48))[1]
TOLERANCES = {"frozen": 1e-4, "bfloat16": 1e-2, "xla": 1e-4}


def make_model():
    """Each way in which BatchNorm follows a convolution, or does not, and the kernels' sizes differ."""
    norm = keras.layers.BatchNormalization
    image = keras.Input((SIZE_PX, SIZE_PX, 3))
    x = keras.layers.Conv2D(8, 3, strides=2)(image / 255.0)  # with a bias
    x = keras.layers.ReLU()(norm()(x))
    x = norm()(keras.layers.DepthwiseConv2D(3, depth_multiplier=2, use_bias=False)(x))
    branch = keras.layers.SeparableConv2D(16, 3, padding="same", use_bias=False)(
        keras.layers.ReLU()(x)
    )
    x = keras.layers.Add()([norm()(branch), x])
    shared = keras.layers.Conv2D(24, 1, use_bias=False)(keras.layers.ReLU()(norm()(x)))
    x = keras.layers.Concatenate()(
        [norm(center=False)(shared), shared]
    )  # used twice: stays as it is
    x = keras.layers.Conv2D(512, 3, name="feature_map")(x)
    x = keras.layers.Flatten()(keras.layers.AveragePooling2D(6)(x))
    return with_drawn_norms(keras.Model(image, keras.layers.Dense(3, name="head")(x)))


def with_drawn_norms(model):
    """The model; a norm as it is at first has no shift, which would be left out."""
    generator = np.random.default_rng(0)
    for weight in model.weights:
        if len(weight.shape) == 1:
            weight.assign(generator.uniform(0.5, 1.5, weight.shape))
    return model


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    keras.utils.set_random_seed(0)
    preprocessor = keras_medformers.preprocessor("efficient_scopeformer", SIZE_PX)
    return export_saved_model(
        make_model(),
        preprocessor,
        LABELS,
        tmp_path_factory.mktemp("e") / "tiny",
        modality="ct",
    )


@pytest.fixture(scope="module")
def versions(plain):
    return {name: optimize_saved_model(plain, name) for name in ("frozen", "bfloat16")}


def answer(version, signature="serving_default"):
    return tf.saved_model.load(str(version)).signatures[signature](
        pixels=tf.constant(PIXELS)
    )


def size(folder):
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("variant", ["frozen", "bfloat16"])
def test_is_served_from_a_folder_of_its_own_like_the_plain_export(
    plain, versions, variant
):
    version = versions[variant]
    assert version == plain.parent.with_name(f"tiny_{variant}") / "1"
    expected, received = answer(plain), answer(version)
    assert received["labels"].numpy().tolist() == expected["labels"].numpy().tolist()
    difference = np.abs(received["probabilities"] - expected["probabilities"]).max()
    assert difference < TOLERANCES[variant]
    assert (difference > 1e-6) == (variant == "bfloat16")
    for folder in ("assets", "assets.extra"):
        files = {path.name: path.read_bytes() for path in (plain / folder).iterdir()}
        assert files and files == {
            path.name: path.read_bytes() for path in (version / folder).iterdir()
        }
    loaded = tf.saved_model.load(str(version)).signatures
    assert sorted(loaded) == sorted(tf.saved_model.load(str(plain)).signatures)


@pytest.mark.parametrize("variant", ["frozen", "bfloat16"])
def test_bad_input_is_still_refused(versions, variant):
    signature = tf.saved_model.load(str(versions[variant])).signatures[
        "serving_default"
    ]
    with pytest.raises(tf.errors.InvalidArgumentError, match="Hounsfield"):
        signature(pixels=tf.ones((1, 40, 40, 1), tf.int16))
    with pytest.raises(tf.errors.InvalidArgumentError, match="empty batch"):
        signature(pixels=tf.zeros((0, 40, 40, 1), tf.int16))


def test_frozen_is_flat_and_has_only_kernels_in_variables_each_once(plain, versions):
    saved_model = saved_model_pb2.SavedModel.FromString(
        (versions["frozen"] / "saved_model.pb").read_bytes()
    )
    operations = {node.op for node in saved_model.meta_graphs[0].graph_def.node}
    assert not operations & {"PartitionedCall", "StatefulPartitionedCall", "Rsqrt"}
    stored = tf.train.list_variables(
        str(versions["frozen"] / "variables" / "variables")
    )
    assert sorted(shape for _, shape in stored) == [
        [1, 1, 16, 16],
        [1, 1, 16, 24],
        [3, 3, 3, 8],
        [3, 3, 8, 2],
        [3, 3, 16, 1],
        [3, 3, 48, 512],
    ]
    assert 0 < size(versions["frozen"]) < 1.3 * size(plain)


def test_bfloat16_takes_half(plain, versions):
    assert (
        0.45
        < size(versions["bfloat16"] / "variables") / size(plain / "variables")
        < 0.55
    )


def test_batch_norm_goes_into_the_convolution_before_it(plain):
    flat = read_flat_graph(plain)
    before = [node.op for node in flat.graph_def.node]
    fold_scales_and_shifts(flat)
    after = [node.op for node in flat.graph_def.node]
    # Three of five norms follow a convolution that nothing else reads; signatures are copies.
    assert before.count("Mul") - after.count("Mul") == 3 * len(flat.signatures)
    assert after.count("Conv2D") == before.count("Conv2D")
    folded = [name for name in flat.weights if "/times/" in name]
    assert len(folded) == 3  # shared by the copies


def test_tensorflow_still_fuses_what_follows_the_folded_convolutions(tmp_path):
    """Its remapper gives up on the whole graph where a bias comes before a sum that two nodes read."""
    relu = keras.layers.ReLU
    x = image = keras.Input((SIZE_PX, SIZE_PX, 3))
    x = relu()(
        keras.layers.BatchNormalization()(keras.layers.Conv2D(8, 3, use_bias=False)(x))
    )
    for _ in range(4):  # as in Xception
        branch = keras.layers.SeparableConv2D(8, 3, padding="same", use_bias=False)(
            relu()(x)
        )
        x = keras.layers.Add()([keras.layers.BatchNormalization()(branch), x])
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.ReLU(name="feature_map")(x))
    preprocessor = keras_medformers.preprocessor("efficient_scopeformer", SIZE_PX)
    model = with_drawn_norms(keras.Model(image, keras.layers.Dense(3)(x)))
    plain = export_saved_model(
        model, preprocessor, LABELS, tmp_path / "tiny", modality="ct"
    )
    ran = operations_that_run(optimize_saved_model(plain, "frozen"))
    assert any("FusedConv2D" in operation for operation in ran), sorted(ran)


def operations_that_run(version):
    """Those of the graph that TensorFlow makes of `serving_default` when it is called."""
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        signature = v1.saved_model.load(session, ["serve"], str(version)).signature_def[
            "serving_default"
        ]
        metadata = v1.RunMetadata()
        session.run(
            signature.outputs["probabilities"].name,
            {signature.inputs["pixels"].name: PIXELS},
            options=v1.RunOptions(output_partition_graphs=True),
            run_metadata=metadata,
        )
    return {node.op for graph in metadata.partition_graphs for node in graph.node}


def test_every_loader_answers_in_a_process_without_keras(plain, versions, tmp_path):
    """Among them TensorFlow's C API, which TensorFlow Serving loads with."""
    np.savez(tmp_path / "pixels.npz", pixels=PIXELS)
    requests = {
        f"{variant}-{signature}": {
            "export": str(version),
            "signature": signature,
            "inputs": "pixels.npz",
        }
        for variant, version in versions.items()
        for signature in ("serving_default", "explain")
    }
    (tmp_path / "requests.json").write_text(json.dumps(requests))
    environment = {
        name: value for name, value in os.environ.items() if name != "PYTHONPATH"
    }
    subprocess.run(
        [sys.executable, str(LOAD_ELSEWHERE), str(tmp_path)],
        env=environment,
        check=True,
    )
    for name, request in requests.items():
        expected = answer(plain, request["signature"])
        for way in WAYS:
            received = np.load(tmp_path / way / f"{name}.npz", allow_pickle=True)
            assert sorted(received) == sorted(expected)
            tolerance = TOLERANCES[name.partition("-")[0]]
            np.testing.assert_allclose(
                received["probabilities"], expected["probabilities"], atol=tolerance
            )


@pytest.mark.slow
def test_xla(plain):
    version = optimize_saved_model(plain, "xla", samples=[PIXELS])
    np.testing.assert_allclose(
        answer(version)["probabilities"], answer(plain)["probabilities"], atol=1e-4
    )
    saved_model = saved_model_pb2.SavedModel.FromString(
        (version / "saved_model.pb").read_bytes()
    )
    functions = saved_model.meta_graphs[0].graph_def.library.function
    compiled = [
        function for function in functions if function.attr["_XlaMustCompile"].b
    ]
    assert len(compiled) == 1 and any(
        node.op == "Conv2D" for node in compiled[0].node_def
    )


def test_a_difference_is_refused_and_leaves_nothing(plain, monkeypatch, tmp_path):
    strict = dataclasses.replace(variants.VARIANTS["bfloat16"], tolerance=1e-7)
    monkeypatch.setitem(variants.VARIANTS, "bfloat16", strict)
    with pytest.raises(
        RuntimeError, match="probabilities of .* bfloat16 differ .* at most 1e-07"
    ):
        optimize_saved_model(plain, "bfloat16", tmp_path / "new")
    assert list((tmp_path / "new").iterdir()) == []


def test_mistakes_are_said_in_a_line(plain, tmp_path, capsys):
    assert program.main([str(tmp_path), "--variant", "frozen"]) == 2
    assert "SavedModel" in capsys.readouterr().err
    assert (
        program.main(
            [str(plain), "--variant", "frozen", "--directory", str(plain.parent)]
        )
        == 2
    )
    assert "another `directory`" in capsys.readouterr().err
    with pytest.raises(ValueError, match="frozen, bfloat16, xla. Received: 'int8'"):
        optimize_saved_model(plain, "int8")
