"""The vision transformer against numbers of timm's, at every recorded point, by ported weights."""

import re

import keras
import numpy as np
import pytest
from golden_files import GoldenModel

from keras_medformers import create_model
from keras_medformers.porting import load_state_dict
from keras_medformers.porting.vit import official_name

NETWORKS = [
    ("vit_base_patch32_224", "vit_base_patch32"),
    pytest.param(("vit_base_patch16_224", "vit_base"), marks=pytest.mark.slow),
    pytest.param(("vit_large_patch16_224", "vit_large"), marks=pytest.mark.slow),
]

# From the original's name of an output to the layer of ours whose output it is.
LAYERS = (
    (r"patch_embed", "patches"),
    (r"pos_drop", "position_embedding"),
    (r"blocks\.(\d+)", r"encoder_\1"),
    (r"norm|tokens", "norm"),
    (r"cls", "class_features"),
    (r"logits", "head"),
)


@pytest.fixture(scope="module", params=NETWORKS, ids=lambda names: names[1])
def official(request):
    """The model with the golden file's weights, and the file."""
    golden_name, name = request.param
    golden = GoldenModel(golden_name)
    model = create_model(name, num_classes=golden.constructor["num_classes"])
    assert load_state_dict(model, golden.weights) == []
    return model, golden


def layer_of(model, output):
    pattern, template = next(
        entry for entry in LAYERS if re.fullmatch(entry[0], output)
    )
    return model.get_layer(re.sub(pattern, template, output))


def test_every_recorded_output(official):
    model, golden = official
    block = model.get_layer("encoder_0")
    whole = [
        output
        for output in golden.outputs("main")
        if not output.startswith("blocks.0.")
    ]
    tensors = {output: layer_of(model, output).output for output in whole}
    values = keras.Model(model.input, {**tensors, "tokens_in": block.input})(
        golden.images("main")
    )

    tokens = values.pop("tokens_in")
    attended = block.attn(block.norm1(tokens))
    values["blocks.0.attn"] = attended
    values["blocks.0.mlp"] = block.mlp(block.norm2(tokens + attended))
    for output in golden.outputs("main"):
        golden.check("main", output, values[output])


def test_parameters(official):
    model, golden = official

    count = sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)

    assert count == golden.info["parameters"]["total"]


def test_epsilons(official):
    model, golden = official
    by_official_name = {
        official_name(layer.gamma.path).removesuffix(".weight"): layer.epsilon
        for layer in model._flatten_layers()
        if isinstance(layer, keras.layers.LayerNormalization)
    }

    expected = {}
    for kind, names in golden.info["normalisation_eps"].items():
        expected.update(dict.fromkeys(names, float(kind.split()[1])))
    assert by_official_name == expected
