"""What holds for every layer: configuration, unknown sizes, gradients, files, half precision."""

import keras
import numpy as np
import pytest
from layer_checks import run_layer_checks

from keras_medformers import layers


def normal(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def whole(low, high, shape, dtype):
    return np.random.default_rng(0).integers(low, high, shape).astype(dtype)


TOKENS = normal(2, 6, 10)
MAP = normal(3, 8, 4, 6)
WIDE_MAP = normal(2, 3, 5, 16)
SLICES = whole(-1024, 2000, (2, 20, 12, 1), "int16")
GREY = whole(0, 4096, (2, 20, 12, 1), "uint16")
PHOTOGRAPHS = whole(0, 256, (2, 40, 30, 3), "uint8")

ANY_SIZE = {"any_size": True}
PIXELS = {"always_float32": True, "any_size": True}

# By class: arguments in one or more variants, what it takes, what differs in its checks.
LAYERS = {
    layers.AreaResize: [({"height": 8, "width": 8, "round_values": False}, SLICES, PIXELS)],
    layers.CaffePixels: [({}, normal(2, 4, 5, 3), ANY_SIZE)],
    layers.ChannelAttention: [({"reduction": 2}, MAP, ANY_SIZE)],
    layers.ClassToken: [({}, TOKENS, {})],
    layers.DeformableConv2D: [
        ({"filters": 4}, MAP, ANY_SIZE),
        ({"filters": 4, "kernel_size": 5, "strides": 2, "use_bias": False,
          "kernel_initializer": "he_normal"}, MAP, ANY_SIZE),
    ],
    layers.GlobalBlock: [
        ({"num_heads": 2, "window_size": 4, "shift_size": 2, "drop_path_rate": 0.5}, MAP, {}),
    ],
    layers.GreyToRGB: [({"white": 4095}, GREY, PIXELS)],
    layers.HounsfieldWindows: [({"windows": [(40, 80), (80, 200)]}, SLICES, PIXELS)],
    layers.ImageStandardization: [({"smallest_deviation": 0.5}, GREY, PIXELS)],
    layers.InvertedResidualMlp: [
        ({"filters": 5}, MAP, ANY_SIZE),
        ({"filters": 5, "convolution": "depthwise"}, MAP, ANY_SIZE),
    ],
    layers.LocalBlock: [({"drop_path_rate": 0.5}, MAP, ANY_SIZE)],
    layers.Mlp: [({"hidden_dim": 16}, TOKENS, {})],
    layers.NystromAttention: [
        ({"num_heads": 4}, WIDE_MAP, ANY_SIZE),
        ({"num_heads": 4, "residual_kernel_size": 5, "pinv_iterations": 4,
          "dropout_rate": 0.1}, WIDE_MAP, ANY_SIZE),
    ],
    layers.PatchMerging: [({"filters": 7}, MAP, {})],
    layers.PerformerAttention: [
        ({"num_heads": 4, "kernel": "relu"}, WIDE_MAP, ANY_SIZE),
        ({"num_heads": 4, "kernel": "softmax", "num_features": 7, "dropout_rate": 0.2},
         WIDE_MAP, ANY_SIZE),
    ],
    layers.PositionEmbedding: [({}, TOKENS, {}), ({"grid": (2, 2)}, TOKENS, {})],
    # A bias before BatchNorm only moves the mean that BatchNorm takes away.
    layers.ReAttention: [
        ({"num_heads": 4, "transform_scale": True}, TOKENS,
         {"training": True, "without_gradient": ("head_bias",)}),
    ],
    layers.ResizeAndCrop: [({"resize_to": 16, "crop_to": 12}, PHOTOGRAPHS, PIXELS)],
    layers.SelfAttention: [
        ({"num_heads": 4, "head_dim": 3, "qkv_bias": False}, TOKENS, {"training": True}),
    ],
    layers.SpatialAttention: [({"kernel_size": 3}, MAP, ANY_SIZE)],
    layers.StridedConv2D: [
        ({"filters": 4, "kernel_size": 3, "strides": 2, "use_bias": False,
          "kernel_initializer": "he_normal"}, MAP, ANY_SIZE),
    ],
    layers.TransformerBlock: [
        ({"num_heads": 5, "mlp_dim": 16, "attention": "mhsa"}, TOKENS, {"training": True}),
        ({"num_heads": 4, "mlp_dim": 16, "attention": "mhra",
          "attention_config": {"head_dim": 5}, "branch_scale": 0.5}, TOKENS,
         {"training": True, "without_gradient": ("head_bias",)}),
    ],
    layers.UnbiasedBatchNormalization: [({}, MAP, ANY_SIZE)],
    layers.WindowAttention: [({"num_heads": 3, "window_size": 2, "shift_size": 1}, MAP, {})],
}  # fmt: skip

CASES = [
    pytest.param(layer, *case, id=f"{layer.__name__}-{number}")
    for layer, cases in LAYERS.items()
    for number, case in enumerate(cases)
]


@pytest.mark.parametrize("layer, arguments, inputs, options", CASES)
def test_standard_checks(layer, arguments, inputs, options, tmp_path):
    run_layer_checks(
        lambda **further: layer(**arguments, **further), inputs, tmp_path, **options
    )


def test_no_layer_is_left_out():
    public = {getattr(layers, name) for name in layers.__all__}
    assert {each for each in public if isinstance(each, type)} == set(LAYERS)
    assert all(issubclass(layer, keras.layers.Layer) for layer in LAYERS)
