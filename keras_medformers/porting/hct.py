"""Names of the official code of HCT and GMIC (github.com/whiterabbit-ai/hct) for our models' variables."""

import re

from keras_medformers.porting.rules import Rules, register_rules

# What a layer of the Keras model is called in the official code.
_LAYERS = {
    "stem_conv": "conv_stages.first_conv",
    "final_norm": "final_bn",
    "head": "classifier",
}

_BLOCK = re.compile(r"(conv|ac)_stage_(\d)_block_(\d)_(\w+)")

_BLOCK_LAYERS = {
    "norm1": "bn1",
    "norm2": "bn2",
    "conv1": "conv1",
    "conv2": "conv2",
    "shortcut": "downsample.0",
    "attn": "performer_attention",
}

_PARTS = {"query": "to_q", "key": "to_k", "value": "to_v", "proj": "to_out"}

_VARIABLES = {
    "kernel": "weight",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
    "projection": "fast_attention.projection_matrix",
}


def official_name(path: str) -> str:
    """`"conv_stage_2_block_1_norm1/gamma"` to `"conv_stages.layer_list.2.1.bn1.weight"`.

    Raises:
        ValueError: If the path is none of a variable that the official networks have.
    """
    layer, *parts, variable = path.split("/")
    block = _BLOCK.fullmatch(layer)
    if block and block[4] in _BLOCK_LAYERS:
        prefix = f"{block[1]}_stages.layer_list.{block[2]}.{block[3]}.{_BLOCK_LAYERS[block[4]]}"
    elif layer in _LAYERS:
        prefix = _LAYERS[layer]
    else:
        raise ValueError(
            "Expected a variable that the official HCT or GMIC has, such as 'head/kernel'. "
            f"Received: path={path!r}"
        )

    if any(part not in _PARTS for part in parts):
        raise ValueError(
            "Expected convolutions and Performer attention; there are no official weights of other layers. "
            f"Received: path={path!r}"
        )

    return ".".join(
        [prefix, *(_PARTS[part] for part in parts), _VARIABLES.get(variable, variable)]
    )


for _architecture in ("gmic", "hct"):
    register_rules(_architecture, Rules(official_name=official_name))
