"""HiFuse's three sizes against numbers of the official PyTorch code, at every recorded point."""

import functools

import keras
import numpy as np
import pytest
from golden_files import GoldenModel
from keras import ops

from keras_medformers import create_model
from keras_medformers.layers.window_attention import partition_windows
from keras_medformers.porting import load_state_dict
from keras_medformers.porting.hifuse import official_name

SIZES = [
    "hifuse_tiny",
    pytest.param("hifuse_small", marks=pytest.mark.slow),
    pytest.param("hifuse_base", marks=pytest.mark.slow),
]


@functools.lru_cache(maxsize=1)
def official(name):
    """The model with the golden file's weights, the file, and the names that the model did not need."""
    golden = GoldenModel(name)
    model = create_model(name, num_classes=golden.constructor["num_classes"])
    return model, golden, load_state_dict(model, golden.weights)


def whole_layers(model):
    """From the original's name of an output to the layer of the graph whose output it is."""
    last = {
        (stage, branch): max(
            (
                layer.name
                for layer in model.layers
                if f"stage_{stage}_{branch}_block" in layer.name
            ),
            key=lambda name: int(name.rpartition("_")[2]),
        )
        for stage in range(4)
        for branch in ("local", "global")
    }
    return {
        "patch_embed": "global_stem_norm",
        "layers1.blocks.0": "stage_0_global_block_0",
        "layers4.blocks.0": "stage_3_global_block_0",
        "layers2.downsample": "stage_1_global_downsample",
        **{f"layers{stage + 1}": last[stage, "global"] for stage in range(4)},
        "stem": "local_stem_norm",
        "downsample_layers.1": "stage_1_local_downsample_conv",
        **{f"stages.{stage}": last[stage, "local"] for stage in range(4)},
        "fu1.W_l": "stage_0_local_projection_norm",
        "fu1.W_g": "stage_0_global_projection_norm",
        "fu1.W": "stage_0_join_projection_norm",
        "fu1.norm3": "stage_0_fusion_norm",
        "fu1": "stage_0_irmlp",
        "fu2.Updim": "stage_1_previous_relu",
        "fu2.Avg": "stage_1_previous_pool",
        "fu2.norm1": "stage_1_join_norm",
        "fu2.W3": "stage_1_join_projection_norm",
        "fu2.norm3": "stage_1_fusion_norm",
        "fu2.residual": "stage_1_irmlp",
        "fu2": "stage_1_shortcut",
        "fu3": "stage_2_shortcut",
        "fu4": "feature_map",
        "conv_norm": "head_norm",
        "logits": "head",
    }


def inside_layers(model, maps):
    """Recorded outputs from inside our layers, computed from the whole layers' outputs."""
    block = model.get_layer("stage_0_global_block_1")
    attended = block.attn(block.norm1(maps["layers1.blocks.0"]))
    shifted = ops.roll(attended, (-3, -3), axis=(1, 2))
    irmlp = model.get_layer("stage_1_irmlp")
    conv1 = irmlp.conv1(maps["fu2.norm3"])
    gelu = keras.activations.gelu(conv1, approximate=False)
    return {
        "layers1.blocks.1.attn": partition_windows(shifted, 7),
        "fu1.spatial": model.get_layer("stage_0_spatial_attention").scores(
            maps["stages.0"]
        ),
        "fu2.residual.conv1": conv1,
        "fu2.residual.bn1": irmlp.norm1(maps["fu2.norm3"] + gelu),
    }


def in_their_layout(name, value):
    """Tokens of the window branch `(batch, length, channels)`, other maps NCHW."""
    value = np.asarray(value)
    if value.ndim == 4 and name.startswith(("patch_embed", "layers")):
        return value.reshape(value.shape[0], -1, value.shape[-1])
    return np.moveaxis(value, -1, 1) if value.ndim == 4 else value


@pytest.mark.parametrize("name", SIZES)
def test_every_recorded_output(name):
    model, golden, _ = official(name)
    tensors = {
        key: model.get_layer(layer).output for key, layer in whole_layers(model).items()
    }
    every_map = keras.Model(model.input, tensors)

    for case in ("main", "faint"):
        maps = every_map(golden.images(case), training=False)
        maps.update(inside_layers(model, maps))
        for output in golden.outputs(case):
            golden.check(case, output, in_their_layout(output, maps[output]))


@pytest.mark.parametrize("name", SIZES)
def test_gradients(name):
    model, golden, _ = official(name)
    golden.check_gradients_of(model, golden.images("main"), official_name)


@pytest.mark.parametrize("name", SIZES)
def test_parameters(name):
    model, golden, not_needed = official(name)
    parameters = golden.info["parameters"]

    trained = sum(
        int(np.prod(variable.shape)) for variable in model.trainable_variables
    )

    unused = parameters["unused_in_forward"]
    assert trained == parameters["total"] - unused["count"]
    assert set(unused["names"]) == {
        name for name in not_needed if ".running_" not in name
    }


@pytest.mark.parametrize("name", SIZES)
def test_epsilons(name):
    model, golden, _ = official(name)
    by_official_name = {}
    for layer in model._flatten_layers():
        if isinstance(
            layer, (keras.layers.LayerNormalization, keras.layers.BatchNormalization)
        ):
            by_official_name[
                official_name(layer.gamma.path).removesuffix(".weight")
            ] = layer.epsilon

    expected = {}
    for kind, names in golden.info["normalisation_eps"].items():
        expected.update(dict.fromkeys(names, float(kind.split()[1])))
    unused = golden.info["parameters"]["unused_in_forward"]["names"]
    expected = {
        name: eps for name, eps in expected.items() if f"{name}.weight" not in unused
    }
    assert by_official_name == expected
