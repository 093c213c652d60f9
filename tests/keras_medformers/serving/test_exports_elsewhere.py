"""Every kind of export without Keras and this package: three loaders, and the warm-up requests."""

import json
import os
import pathlib
import subprocess
import sys

import c_api
import numpy as np
import pytest
import tensorflow as tf
import tiny_exports as tiny

from keras_medformers.serving import (
    sample_mammograms,
    sample_photographs,
    sample_slices_hu,
)

TESTS = pathlib.Path(c_api.__file__).parent
WAYS = ("saved_model", "command", "c_api")
SIGNATURES = ("serving_default", "features", "explain", "raw", "explain_raw")
WARM_UP = pathlib.Path("assets.extra") / "tf_serving_warmup_requests"

PIXELS = {
    "ct": sample_slices_hu((40, 50))[1],
    "pictures": sample_photographs([(40, 60), (50, 70)])[1],
    "two_tasks": sample_slices_hu((40, 50))[1],
    "mammograms": sample_mammograms([(64, 48), (80, 60)])[1],
}
"""Two images for each kind of export."""


def requests_of(kind):
    """The same two images for each of the kind's signatures."""
    pixels = PIXELS[kind]
    requests = {name: {"pixels": pixels} for name in SIGNATURES}
    requests["raw"] = requests["explain_raw"] = {
        "raw": np.array([image.tobytes() for image in pixels], object),
        "shape": np.array([image.shape[:2] for image in pixels], "int32"),
    }
    if kind == "pictures":
        files = [tf.io.encode_png(image).numpy() for image in pixels]
        requests["encoded"] = {"encoded": np.array(files, object)}
    return requests


def run_elsewhere(arguments, folder):
    """Runs Python where this package is not on the path; returns what it printed."""
    environment = {
        name: value for name, value in os.environ.items() if name != "PYTHONPATH"
    }
    return subprocess.run(
        arguments,
        cwd=folder,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    ).stdout


@pytest.fixture(scope="module")
def answers(exports_of_every_kind, tmp_path_factory):
    """Answers by way, kind and signature, all from one process."""
    folder = tmp_path_factory.mktemp("elsewhere")
    requests = {}
    for kind, export in exports_of_every_kind.items():
        for signature, inputs in requests_of(kind).items():
            name = f"{kind}-{signature}"
            np.savez(folder / f"{name}.npz", **inputs)
            requests[name] = {
                "export": str(export),
                "signature": signature,
                "inputs": f"{name}.npz",
            }
    (folder / "requests.json").write_text(json.dumps(requests))
    run_elsewhere(
        [sys.executable, str(TESTS / "load_elsewhere.py"), str(folder)], folder
    )
    return {
        way: {
            name: dict(np.load(folder / way / f"{name}.npz", allow_pickle=True))
            for name in requests
        }
        for way in WAYS
    }


@pytest.mark.parametrize("kind", list(PIXELS))
@pytest.mark.parametrize("way", WAYS)
def test_all_signatures_answer_elsewhere(exports_of_every_kind, answers, kind, way):
    signatures = tf.saved_model.load(str(exports_of_every_kind[kind])).signatures
    assert sorted(signatures) == sorted(requests_of(kind))
    outputs = ["hemorrhage", "location"] if kind == "two_tasks" else ["probabilities"]
    default = signatures["serving_default"](pixels=tf.constant(PIXELS[kind]))
    for signature in signatures:
        answer = answers[way][f"{kind}-{signature}"]
        for name in outputs:
            np.testing.assert_allclose(answer[name], default[name], atol=1e-5)
        if signature != "features":
            for name in set(default) - set(outputs):
                np.testing.assert_array_equal(answer[name], default[name])
    explained = answers[way][f"{kind}-explain"]
    for name in outputs:
        heat = explained[
            "heat_maps" if name == "probabilities" else f"{name}_heat_maps"
        ]
        assert heat.shape[:2] == default[name].shape and heat.ndim == 4
        assert heat.min() >= 0 and heat.max() == pytest.approx(1)
    features = answers[way][f"{kind}-features"]["features"]
    assert len(features) == 2 and np.abs(features[0] - features[1]).max() > 0


def test_the_command_itself(exports_of_every_kind, answers, tmp_path):
    np.save(tmp_path / "pixels.npy", PIXELS["ct"])
    command = pathlib.Path(sys.executable).with_name("saved_model_cli")
    run_elsewhere(
        [str(command), "run", "--dir", str(exports_of_every_kind["ct"]), "--tag_set", "serve",
         "--signature_def", "explain", "--inputs", "pixels=pixels.npy", "--outdir", "out"], tmp_path,
    )  # fmt: skip
    for name, expected in answers["saved_model"]["ct-explain"].items():
        np.testing.assert_array_equal(
            np.load(tmp_path / "out" / f"{name}.npy", allow_pickle=True), expected
        )


@pytest.mark.parametrize("kind", list(PIXELS))
def test_warm_up_requests_are_answered_by_the_c_api(exports_of_every_kind, kind):
    prediction_log_pb2 = pytest.importorskip(
        "tensorflow_serving.apis.prediction_log_pb2"
    )
    export = exports_of_every_kind[kind]
    session, replayed = c_api.Session(export), []
    for record in tf.data.TFRecordDataset(str(export / WARM_UP)).as_numpy_iterator():
        log = prediction_log_pb2.PredictionLog.FromString(record)
        assert log.WhichOneof("log_type") == "predict_log"
        request = log.predict_log.request
        signature = request.model_spec.signature_name
        rebuilt = prediction_log_pb2.PredictionLog()
        rebuilt.predict_log.request.model_spec.name = export.parent.name
        rebuilt.predict_log.request.model_spec.signature_name = signature
        for name, tensor in request.inputs.items():
            rebuilt.predict_log.request.inputs[name].CopyFrom(tensor)
        assert rebuilt.SerializeToString(deterministic=True) == log.SerializeToString(
            deterministic=True
        )
        definition = session.signatures[signature]
        inputs = {
            name: tf.make_ndarray(tensor) for name, tensor in request.inputs.items()
        }
        assert {name: tensor.dtype for name, tensor in request.inputs.items()} == {
            name: tensor.dtype for name, tensor in definition.inputs.items()
        }
        answer = session.run(signature, inputs)
        assert sorted(answer) == sorted(definition.outputs)
        assert all(len(array) == 1 for array in answer.values())
        replayed.append(signature)
    session.close()
    assert replayed == list(requests_of(kind))


def test_warm_up_requests_are_small(exports_of_every_kind):
    sizes = [
        (export / WARM_UP).stat().st_size for export in exports_of_every_kind.values()
    ]
    assert max(sizes) < 4 * 64 * 64 * 2


def test_signatures_have_named_inputs_of_any_batch_and_size(exports_of_every_kind):
    for kind, channels in (
        ("ct", 1),
        ("pictures", 3),
        ("two_tasks", 1),
        ("mammograms", 1),
    ):
        session = c_api.Session(exports_of_every_kind[kind])
        for signature, definition in session.signatures.items():
            if "pixels" in definition.inputs:
                shape = definition.inputs["pixels"].tensor_shape
                assert [dim.size for dim in shape.dim] == [-1, -1, -1, channels], (
                    kind,
                    signature,
                )
        session.close()


def test_assets_name_labels_and_model(exports_of_every_kind):
    for kind, export in exports_of_every_kind.items():
        card = json.loads((export / "assets" / "model_card.json").read_text())
        assert card["not_a_medical_device"] is True
        assert (card["pixel_dtype"], card["channels"]) == (
            PIXELS[kind].dtype.name,
            PIXELS[kind].shape[-1],
        )
        names = card["label_names"]
        names = (
            [name for of_task in names.values() for name in of_task]
            if kind == "two_tasks"
            else names
        )
        assert (export / "assets" / "labels.txt").read_text().splitlines() == names
        assert card["input_size"] == (
            [None] * 2 if kind == "mammograms" else [tiny.SIZE_PX] * 2
        )
        assert card["name"] == export.parent.name
