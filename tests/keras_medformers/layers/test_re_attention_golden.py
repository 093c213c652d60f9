"""Re-attention and DeepViT's block against numbers of the original PyTorch code."""

import numpy as np
import pytest
from golden_files import GoldenModel

from keras_medformers.layers import ReAttention, TransformerBlock


def set_dense(layer, weights, name):
    layer.set_weights([weights[f"{name}.weight"].T, weights[f"{name}.bias"]])


def set_re_attention(layer, weights, prefix=""):
    set_dense(layer.qkv, weights, f"{prefix}qkv")
    set_dense(layer.proj, weights, f"{prefix}proj")
    layer.head_mixing.assign(weights[f"{prefix}reatten_matrix.weight"][:, :, 0, 0].T)
    layer.head_bias.assign(weights[f"{prefix}reatten_matrix.bias"])
    norm = [
        f"{prefix}var_norm.{part}"
        for part in ("weight", "bias", "running_mean", "running_var")
    ]
    layer.norm.set_weights([weights[name] for name in norm])


def set_block(block, weights):
    set_re_attention(block.attn, weights, "attn.")
    for name, norm in (("norm1", block.norm1), ("norm2", block.norm2)):
        norm.set_weights([weights[f"{name}.weight"], weights[f"{name}.bias"]])
    set_dense(block.mlp.fc1, weights, "mlp.fc1")
    set_dense(block.mlp.fc2, weights, "mlp.fc2")


@pytest.mark.parametrize("name", ["reattention_d64_h16", "reattention_d384_h12"])
def test_re_attention_matches_the_original(name):
    golden = GoldenModel(name)
    layer = ReAttention(golden.constructor["num_heads"])
    x = golden.inputs("main")["x"]
    layer.build(x.shape)
    set_re_attention(layer, golden.weights)

    attention, _ = layer.attend(x, training=False)

    golden.check("main", "qkv", layer.qkv(x))
    golden.check("main", "attention", attention)
    golden.check("main", "out", layer(x, training=False))


@pytest.mark.parametrize("case", ["main", "faint"])
@pytest.mark.parametrize("name", ["deepvit_block", "deepvit_block_scaled"])
def test_block_matches_the_original(name, case):
    golden = GoldenModel(name)
    constructor = golden.constructor
    block = TransformerBlock(
        constructor["num_heads"],
        mlp_dim=constructor["mlp_ratio"] * constructor["dim"],
        attention="mhra",
        attention_config={"transform_scale": constructor.get("transform_scale", False)},
        branch_scale=constructor.get("scale_adjustment", 1.0),
    )
    x = golden.inputs(case)["x"]
    block.build(x.shape)
    set_block(block, golden.weights)

    normed = block.norm1(block.branch_scale * x)

    golden.check(case, "norm1", normed)
    golden.check(case, "attn", block.attn(normed, training=False))
    golden.check(case, "out", block(x, training=False))


def test_rows_of_the_maps_do_not_sum_to_one():
    layer = ReAttention(4)
    x = np.random.default_rng(0).normal(size=(1, 6, 8)).astype("float32")
    layer.build(x.shape)
    layer.head_bias.assign(np.full(4, 0.5))

    attention, _ = layer.attend(x, training=False)

    assert np.abs(np.asarray(attention).sum(-1) - 1).min() > 0.1
