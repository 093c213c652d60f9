"""Names of timm's vision transformers (`timm.models.vision_transformer`) for our models' variables."""

import re
from collections.abc import Mapping

import keras
import numpy as np

from keras_medformers.porting.rules import Rules, register_rules

# What a layer of the Keras model is called in timm.
_LAYERS = (
    (r"patch_embed", "patch_embed.proj"),
    (r"encoder_(\d+)", r"blocks.\1"),
    (r"norm", "norm"),
    (r"head", "head"),
)

_TOKENS = {"class_token/token": "cls_token", "position_embedding/position": "pos_embed"}

_VARIABLES = {"kernel": "weight", "gamma": "weight", "beta": "bias"}


def official_name(path: str) -> str:
    """`"encoder_3/attn/qkv/kernel"` to `"blocks.3.attn.qkv.weight"`.

    Raises:
        ValueError: If the path is none of a variable that timm's vision transformers have.
    """
    if path in _TOKENS:
        return _TOKENS[path]
    layer, *parts, variable = path.split("/")
    for pattern, template in _LAYERS:
        match = re.fullmatch(pattern, layer)
        if match:
            return ".".join(
                [match.expand(template), *parts, _VARIABLES.get(variable, variable)]
            )
    raise ValueError(
        "Expected a variable that timm's vision transformers have, such as 'head/kernel'. "
        f"Received: path={path!r}"
    )


def official_encoder_name(path: str) -> str | None:
    """As `official_name`; None for what comes after the encoder, which timm has not."""
    layer = path.partition("/")[0]
    return None if re.fullmatch(r"\w*head(_hidden)?", layer) else official_name(path)


def with_positions_resampled(
    model: keras.Model, state_dict: Mapping[str, np.ndarray]
) -> Mapping[str, np.ndarray]:
    """The checkpoint with its position embedding brought to the size of the model's map of patches.

    Raises:
        ValueError: If it has another length than the model's and is not for a square map.
    """
    position = state_dict.get("pos_embed")
    if np.ndim(position) != 3:
        return state_dict
    resampled = model.get_layer("position_embedding").resampled(position)
    return {**state_dict, "pos_embed": keras.ops.convert_to_numpy(resampled)}


# Models that end at the class token, or have decoders of their own, do without a checkpoint's head.
_UNUSED = (r"head\..*",)

register_rules(
    "vit", Rules(official_name, adapt=with_positions_resampled, unused=_UNUSED)
)
for _architecture in ("dtvit", "scopeformer_vit"):
    register_rules(
        _architecture,
        Rules(official_encoder_name, adapt=with_positions_resampled, unused=_UNUSED),
    )
