"""HCT and GMIC against numbers of the official PyTorch code: outputs, gradients, running statistics."""

import functools
import re

import golden_files
import keras
import numpy as np
import pytest
from golden_files import GoldenModel

from keras_medformers import create_model
from keras_medformers.porting import load_state_dict
from keras_medformers.porting.hct import official_name

NETWORKS = [
    "gmic",
    "hct_relu_s3",
    "hct_softmax_s3",
    *(
        pytest.param(f"hct_{kernel}_s{stages}", marks=pytest.mark.slow)
        for kernel in ("relu", "softmax")
        for stages in (2, 4)
    ),
]
STATISTICS_TOLERANCE = 1e-5

# One query of this network projects to 3e-6 at best. Its features are hardly more than the constant 1e-3 that
# its output is divided by, so the last digit of the original's projection shows in the gradient.
PRODUCT_NOISE = {"hct_relu_s2": 3e-4}

# From the original's name of an output to our layer's.
LAYERS = (
    (r"first_conv", r"stem_conv"),
    (r"first_pool", r"stem_pool"),
    (r"(conv|ac)_stages\.(\d)", r"\1_stage_\2_block_1"),
    (r"ac_stages\.(\d)\.(\d)\.performer_attention", r"ac_stage_\1_block_\2_attn"),
    (r"final_bn", r"final_norm"),
    (r"pooled", r"pooled_features"),
    (r"logits", r"head"),
)


def layer_name(output):
    pattern, template = next(
        entry for entry in LAYERS if re.fullmatch(entry[0], output)
    )
    return re.sub(pattern, template, output)


@functools.lru_cache(maxsize=1)
def official(name):
    """A model for any image size with the golden file's weights, and the file."""
    golden = GoldenModel(name)
    constructor = golden.constructor
    settings = dict(
        num_classes=constructor["num_classes"],
        input_shape=(None, None, constructor["input_chns"]),
        first_layer_stride=constructor["first_layer_stride"],
    )
    if name != "gmic":
        settings.update(
            num_conv_stages=constructor["num_conv_stages"],
            attention="relu" if constructor["use_performer_RELU"] else "softmax",
            attention_dropout_rate=constructor["attention_dropout_rate"],
        )
    model = create_model(name.partition("_")[0], **settings)
    load_state_dict(model, golden.weights)
    return model, golden


def check_outputs(model, golden, case, training):
    outputs = {
        output: model.get_layer(layer_name(output)).output
        for output in golden.outputs(case)
    }
    values = keras.Model(model.input, outputs)(golden.images(case), training=training)
    for output, value in values.items():
        golden.check(
            case, output, np.moveaxis(value, -1, 1) if len(value.shape) == 4 else value
        )


@pytest.mark.parametrize("name", NETWORKS)
def test_every_recorded_output(name):
    model, golden = official(name)

    for case in ("512x512", "256x320"):
        check_outputs(model, golden, case, training=False)


@pytest.mark.parametrize("name", NETWORKS)
def test_gradients(name, monkeypatch):
    monkeypatch.setattr(
        golden_files,
        "PRODUCT_NOISE",
        PRODUCT_NOISE.get(name, golden_files.PRODUCT_NOISE),
    )
    model, golden = official(name)
    golden.check_gradients_of(model, golden.images("512x512"), official_name)


@pytest.mark.parametrize("name", NETWORKS)
def test_parameters(name):
    model, golden = official(name)

    trained = sum(
        int(np.prod(variable.shape)) for variable in model.trainable_variables
    )

    assert trained == golden.info["parameters"]["total"]


@pytest.mark.parametrize("name", NETWORKS)
def test_epsilons(name):
    model, golden = official(name)
    ours = {
        official_name(layer.gamma.path).removesuffix(".weight"): layer.epsilon
        for layer in model.layers
        if isinstance(layer, keras.layers.BatchNormalization)
    }

    ((kind, names),) = golden.info["normalisation_eps"].items()

    assert ours == dict.fromkeys(names, float(kind.split()[1]))


def test_a_training_step_moves_the_running_statistics_as_pytorch_does():
    model, golden = official("hct_relu_s3_train")

    check_outputs(model, golden, "train", training=True)

    norms = golden.info["cases"]["train"]["batch_norm"]["values_per_channel"]
    ours = {
        official_name(weight.path): np.asarray(weight)
        for weight in model.non_trainable_weights
    }
    for norm in norms:
        for statistic in ("running_mean", "running_var"):
            theirs = golden.arrays[f"train/{norm}:{statistic}"]
            difference = (
                np.abs(ours[f"{norm}.{statistic}"] - theirs).max()
                / np.abs(theirs).max()
            )
            assert difference < STATISTICS_TOLERANCE, (
                f"{norm}.{statistic} differs by {difference:.2e}"
            )
    official.cache_clear()
