"""Names of HiFuse's official code (github.com/huoxiangzuo/HiFuse) for the variables of our model."""

import re

from keras_medformers.porting.rules import Rules, register_rules

# What a layer of the Keras model is called in the official code; `s` and `b` are stage and block from 0.
# The official code counts the local branch's stages from 0, those of the others from 1.
_LAYERS = (
    (r"local_stem_conv", "downsample_layers.0.0"),
    (r"local_stem_norm", "downsample_layers.0.1"),
    (r"stage_(?P<s>\d+)_local_downsample_norm", "downsample_layers.{s}.0"),
    (r"stage_(?P<s>\d+)_local_downsample_conv", "downsample_layers.{s}.1"),
    (r"stage_(?P<s>\d+)_local_block_(?P<b>\d+)", "stages.{s}.{b}"),
    (r"global_stem_conv", "patch_embed.proj"),
    (r"global_stem_norm", "patch_embed.norm"),
    (r"stage_(?P<s>\d+)_global_downsample", "layers{next_s}.downsample"),
    (r"stage_(?P<s>\d+)_global_block_(?P<b>\d+)", "layers{next_s}.blocks.{b}"),
    (r"stage_(?P<s>\d+)_local_projection_conv", "fu{next_s}.W_l.conv"),
    (r"stage_(?P<s>\d+)_local_projection_norm", "fu{next_s}.W_l.bn"),
    (r"stage_(?P<s>\d+)_global_projection_conv", "fu{next_s}.W_g.conv"),
    (r"stage_(?P<s>\d+)_global_projection_norm", "fu{next_s}.W_g.bn"),
    (r"stage_(?P<s>\d+)_previous_projection_conv", "fu{next_s}.Updim.conv"),
    (r"stage_(?P<s>\d+)_previous_projection_norm", "fu{next_s}.Updim.bn"),
    (r"stage_0_join_norm", "fu1.norm2"),
    (r"stage_0_join_projection_conv", "fu1.W.conv"),
    (r"stage_0_join_projection_norm", "fu1.W.bn"),
    (r"stage_(?P<s>\d+)_join_norm", "fu{next_s}.norm1"),
    (r"stage_(?P<s>\d+)_join_projection_conv", "fu{next_s}.W3.conv"),
    (r"stage_(?P<s>\d+)_join_projection_norm", "fu{next_s}.W3.bn"),
    (r"stage_(?P<s>\d+)_channel_attention", "fu{next_s}.se"),
    (r"stage_(?P<s>\d+)_spatial_attention", "fu{next_s}.spatial"),
    (r"stage_(?P<s>\d+)_fusion_norm", "fu{next_s}.norm3"),
    (r"stage_(?P<s>\d+)_irmlp", "fu{next_s}.residual"),
    (r"head_norm", "conv_norm"),
    (r"head", "conv_head"),
)

# Parts of `se`, `spatial` and `residual` that have other names there.
_PARTS = {
    "channel_attention": {"squeeze": "0", "expand": "2"},
    "spatial_attention": {"norm": "bn"},
    "irmlp": {
        "conv1": "conv1.conv",
        "conv2": "conv2.conv",
        "conv3": "conv3.conv",
        "norm1": "bn1",
        "norm3": "conv3.bn",
    },
}

_VARIABLES = {
    "kernel": "weight",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
    "relative_position_bias": "relative_position_bias_table",
}

# In the official state_dict and without influence on any output.
_UNUSED = (
    r"norm\..*",
    r"head\..*",
    r"layers\d\.blocks\.\d+\.norm2\..*",
    r"fu1\.(Updim|norm1|W3)\..*",
    r"fu[2-4]\.(norm2|W)\..*",
)


def official_name(path: str) -> str:
    """`"stage_0_global_block_1/attn/qkv/kernel"` to `"layers1.blocks.1.attn.qkv.weight"`.

    Raises:
        ValueError: If the official code has nothing of that kind, as for some parts of an ablated model.
    """
    layer, *parts, variable = path.split("/")
    for pattern, template in _LAYERS:  # noqa: B007 (the one that matched is used below)
        match = re.fullmatch(pattern, layer)
        if match:
            break
    else:
        raise ValueError(
            "Expected a variable that the official HiFuse has, such as 'head/kernel'. "
            f"Received: path={path!r}"
        )

    numbers = match.groupdict()
    prefix = template.format(**numbers, next_s=int(numbers.get("s", 0)) + 1)
    renamed = next(
        (names for kind, names in _PARTS.items() if layer.endswith(kind)), {}
    )
    parts = [renamed.get(part, part) for part in parts]
    return ".".join([prefix, *parts, _VARIABLES.get(variable, variable)])


register_rules("hifuse", Rules(official_name=official_name, unused=_UNUSED))
