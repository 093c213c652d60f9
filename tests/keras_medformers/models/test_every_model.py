"""What holds for every architecture, at a small size: shapes, count, names, files."""

import pathlib

import numpy as np
import pytest
from model_checks import run_model_checks

import keras_medformers
from keras_medformers import create_model, list_models
from keras_medformers.registry import model_entry

PACKAGE = pathlib.Path(keras_medformers.__file__).parent
PICTURES = np.random.default_rng(0).uniform(0, 255, (2, 32, 32, 3)).astype("float32")
MAMMOGRAMS = np.random.default_rng(0).normal(size=(2, 160, 96, 1)).astype("float32")
TRANSFORMER = {
    "input_shape": (32, 32, 3), "patch_size": 8, "num_layers": 2, "embed_dim": 12,
    "mlp_dim": 16, "num_heads": 2,
}  # fmt: skip
SCOPEFORMER = {
    "input_shape": (32, 32, 3), "backbones": ("vgg16",), "feature_size": 12,
    "num_layers": 2, "mlp_dim": 16, "num_heads": 2,
}  # fmt: skip
ANY_SIZE = {"input_shape": (None, None, 1)}
HIFUSE = {
    "num_classes": 3, "input_shape": (32, 32, 3), "depths": (1, 1, 1, 2),
    "window_size": 1,
}  # fmt: skip

# By name: settings, images, parameters, shape of the output, names of some weights.
MODELS = {
    "deep_scopeformer": (SCOPEFORMER, PICTURES, 14_723_322, (6,), ["encoder_1/attn/qkv/kernel"]),
    "efficient_scopeformer": (SCOPEFORMER, PICTURES, 14_721_098, (6,), ["vgg16_projection/kernel"]),
    "imagenet_backbone": (
        {"num_classes": 3, "input_shape": (32, 32, 3), "backbone": "vgg16"},
        PICTURES, 14_716_227, (3,), ["head/kernel"],
    ),
    "scopeformer_vit": (TRANSFORMER | {"classifier_dim": 5}, PICTURES, 4_825, (6,), []),
    "vit_base": (
        TRANSFORMER | {"num_classes": 3}, PICTURES, 4_763, (3,),
        ["encoder_1/attn/qkv/kernel", "head/kernel", "position_embedding/position"],
    ),
    "dtvit_small": (
        TRANSFORMER, PICTURES, 5_032, {"hemorrhage": (2,), "location": (3,)}, [],
    ),
    "hifuse_narrow": (
        HIFUSE, PICTURES, 7_332_888, (3,),
        ["stage_0_global_block_0/attn/qkv/kernel", "stage_3_irmlp/conv1/kernel"],
    ),
    "gmic": (ANY_SIZE, MAMMOGRAMS, 2_804_050, (2,), ["stem_conv/kernel"]),
    "def_gmic": (ANY_SIZE, MAMMOGRAMS, 2_897_434, (2,), []),
    "hct": (
        ANY_SIZE, MAMMOGRAMS, 1_745_682, (2,),
        ["stem_conv/kernel", "conv_stage_2_block_1_norm1/gamma",
         "ac_stage_0_block_0_attn/proj/kernel"],
    ),
    "hct_nystrom": (ANY_SIZE, MAMMOGRAMS, 1_739_954, (2,), []),
}  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_standard_checks(name, tmp_path):
    settings, images, parameters, output_shape, paths = MODELS[name]

    def make(**further):
        return create_model(name, **settings, **further)

    run_model_checks(
        make, images, tmp_path,
        parameters=parameters, output_shape=output_shape, paths=paths,
    )  # fmt: skip


def test_no_architecture_is_left_out():
    builders = {model_entry(name).builder for name in list_models()}
    ours = {
        builder  # other tests register models of their own
        for builder in builders
        if PACKAGE in pathlib.Path(builder.__code__.co_filename).parents
    }
    assert ours == {model_entry(name).builder for name in MODELS}
