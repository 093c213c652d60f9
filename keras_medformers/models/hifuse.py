"""HiFuse: a branch of convolutions and one of window attention, fused at every stage.

Paper: X. Huo, G. Sun, S. Tian et al., "HiFuse: Hierarchical Multi-Scale Feature Fusion Network for
Medical Image Classification", sections 3.1 to 3.5, Table 1, Fig. 1 and 2. Where the official code and the
paper differ, the code is followed, so that its weights give its numbers:

- The 3 x 3 convolution of the inverted residual MLP is dense; `irmlp="depthwise"` is the paper's.
- Features are projected by 1 x 1, joined, normed and projected by 1 x 1 again, where eq. (5) has one
  3 x 3 convolution of the join.
- A global block has one residual around attention and dense layer (eq. 2, not the text's one per module).

Parameters of the official code that no output depends on, 1.6 million, are left out.
"""

import keras
import numpy as np

from keras_medformers.layers import (
    ChannelAttention,
    GlobalBlock,
    InvertedResidualMlp,
    LocalBlock,
    PatchMerging,
    ResizeAndCrop,
    SpatialAttention,
    StridedConv2D,
)
from keras_medformers.layers.exact_gelu import exact_gelu
from keras_medformers.layers.initializers import fan_in_uniform, normal
from keras_medformers.registry import ModelLayers, register_model

COMPONENTS = ("global", "attention", "irmlp", "shortcut")
"""What Table 3 adds, step by step, to the local path."""

# Section 3.2: block numbers per stage. The narrow one is ours, for demonstrations and tests.
VARIANTS = {
    "hifuse_tiny": {"depths": (2, 2, 2, 2)},
    "hifuse_small": {"depths": (2, 2, 6, 2)},
    "hifuse_base": {"depths": (2, 2, 18, 2)},
    "hifuse_narrow": {"depths": (2, 2, 2, 2), "embed_dims": (24, 48, 96, 192)},
}


def HiFuse(
    num_classes,
    input_shape,
    classifier_activation=None,
    *,
    depths,
    embed_dims=(96, 192, 384, 768),
    num_heads=(3, 6, 12, 24),
    window_size=7,
    irmlp="dense",
    drop_path_rate=0.0,
    components=COMPONENTS,
):
    """HiFuse: local and global branch side by side, and a third that fuses them at every stage.

    Initial values are drawn as the official code draws them: in the branches and the classifier normal with
    deviation 0.02 (convolutions 0.2) and zero biases, in the fusion PyTorch's default for convolutions.

    Args:
        num_classes: Number of labels; 0 ends the model at the feature map.
        input_shape: `(height, width, channels)`, values in [-1, 1]. The map of stage i, from 0, is
            4 * 2 ** i times smaller.
        classifier_activation: Activation of the last layer; None gives logits.
        depths: Blocks per stage, the same in both branches.
        embed_dims: Channels per stage.
        num_heads: Heads of the global blocks per stage.
        window_size: Side of the attention's windows; divides the map of every stage. For example 7 for
            224 x 224 and 4 for 128 x 128.
        irmlp: 3 x 3 convolution of the inverted residual MLP: `"dense"` (official code) or
            `"depthwise"` (Table 1).
        drop_path_rate: Rate of the last block; rates grow linearly over a branch's blocks from 0. The fusion
            has none.
        components: Which of `COMPONENTS` are there (Table 3). Without `"attention"`, features are fused
            unweighted; without `"irmlp"`, a 1 x 1 convolution with BatchNorm takes its place; without
            `"shortcut"`, the previous stage's map enters the fusion but is not added to its result;
            without `"global"`, which the others need, there is no fusion, and the classifier reads the
            local branch. The paper does not say what it did in place of a part; these are our readings.

    Returns:
        A functional `keras.Model` from `(batch, height, width, channels)` to `(batch, num_classes)`.

    Raises:
        ValueError: If an argument does not fit the others; the message names it.

    Reference:
        Huo et al., HiFuse, Fig. 1, Table 1, eqs. (2) to (5).
    """
    _check_lengths(depths=depths, embed_dims=embed_dims, num_heads=num_heads)
    _check_components(components)
    _check_map_sizes(
        input_shape, len(depths), window_size if "global" in components else 1
    )
    rates = _drop_path_rates(depths, drop_path_rate)

    image = keras.Input(input_shape, name="image")
    local_map = global_map = image
    fused = None
    for stage, dim in enumerate(embed_dims):
        name = f"stage_{stage}"
        local_map = _downsample_local(local_map, dim, name if stage else None)
        for block, rate in enumerate(rates[stage]):
            local_map = LocalBlock(rate, name=f"{name}_local_block_{block}")(local_map)
        if "global" not in components:
            continue
        global_map = _downsample_global(global_map, dim, name if stage else None)
        for block, rate in enumerate(rates[stage]):
            global_map = GlobalBlock(
                num_heads[stage],
                window_size,
                shift_size=window_size // 2 if block % 2 else 0,
                drop_path_rate=rate,
                name=f"{name}_global_block_{block}",
            )(global_map)
        fused = _fuse(local_map, global_map, fused, dim, irmlp, components, name)
    x = keras.layers.Identity(name="feature_map")(local_map if fused is None else fused)

    if num_classes:
        x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
        x = keras.layers.LayerNormalization(epsilon=1e-6, name="head_norm")(x)
        x = keras.layers.Dense(
            num_classes,
            activation=classifier_activation,
            kernel_initializer=normal(),
            name="head",
        )(x)
    return keras.Model(image, x, name="hifuse")


def _downsample_local(x, dim, stage_name):
    """A 4 x 4 convolution, then LayerNorm, in the stem (no stage's name); LayerNorm, then 2 x 2, later."""
    size, prefix = (
        (2, f"{stage_name}_local_downsample") if stage_name else (4, "local_stem")
    )
    norm = keras.layers.LayerNormalization(epsilon=1e-6, name=f"{prefix}_norm")
    conv = StridedConv2D(
        dim, size, strides=size, kernel_initializer=normal(0.2), name=f"{prefix}_conv"
    )
    return conv(norm(x)) if stage_name else norm(conv(x))


def _downsample_global(x, dim, stage_name):
    """The stem's 4 x 4 convolution and LayerNorm, eps 1e-5; patch merging later."""
    if stage_name:
        return PatchMerging(dim, name=f"{stage_name}_global_downsample")(x)
    conv = StridedConv2D(
        dim, 4, strides=4, kernel_initializer=normal(0.2), name="global_stem_conv"
    )
    return keras.layers.LayerNormalization(epsilon=1e-5, name="global_stem_norm")(
        conv(x)
    )


def _fuse(local_map, global_map, previous, dim, irmlp, components, name):
    """The HFF block (section 3.5, Fig. 2): one map of a stage's two and the previous stage's result."""
    shortcut, features = (
        None,
        [
            _project(local_map, dim, f"{name}_local_projection"),
            _project(global_map, dim, f"{name}_global_projection"),
        ],
    )
    if previous is not None:
        shortcut = _project(previous, dim, f"{name}_previous_projection")
        shortcut = keras.layers.ReLU(name=f"{name}_previous_relu")(shortcut)
        shortcut = keras.layers.AveragePooling2D(2, name=f"{name}_previous_pool")(
            shortcut
        )
        features = [shortcut, *features]
    joined = keras.layers.Concatenate(name=f"{name}_join")(features)
    joined = keras.layers.LayerNormalization(epsilon=1e-6, name=f"{name}_join_norm")(
        joined
    )
    joined = _project(joined, dim, f"{name}_join_projection")
    joined = keras.layers.Activation(exact_gelu, name=f"{name}_join_gelu")(joined)

    if "attention" in components:
        local_map = SpatialAttention(name=f"{name}_spatial_attention")(local_map)
        global_map = ChannelAttention(name=f"{name}_channel_attention")(global_map)
    x = keras.layers.Concatenate(name=f"{name}_fusion")([global_map, local_map, joined])
    x = keras.layers.LayerNormalization(epsilon=1e-6, name=f"{name}_fusion_norm")(x)
    if "irmlp" in components:
        x = InvertedResidualMlp(dim, convolution=irmlp, name=f"{name}_irmlp")(x)
    else:
        x = _project(x, dim, f"{name}_fusion_projection")
    if shortcut is not None and "shortcut" in components:
        x = keras.layers.Add(name=f"{name}_shortcut")([x, shortcut])
    return x


def _project(x, dim, name):
    """A 1 x 1 convolution and BatchNorm."""
    initializer = fan_in_uniform(x.shape[-1])
    x = keras.layers.Conv2D(
        dim,
        1,
        kernel_initializer=initializer,
        bias_initializer=initializer.clone(),
        name=f"{name}_conv",
    )(x)
    return keras.layers.BatchNormalization(
        momentum=0.9, epsilon=1e-5, name=f"{name}_norm"
    )(x)


def _drop_path_rates(depths, drop_path_rate):
    """Per stage, the rate of each block."""
    rates = np.linspace(0.0, drop_path_rate, sum(depths)).tolist()
    ends = np.cumsum(depths)
    return [rates[end - depth : end] for depth, end in zip(depths, ends)]


def _check_lengths(**per_stage):
    if len({len(values) for values in per_stage.values()}) > 1:
        received = ", ".join(f"{name}={values}" for name, values in per_stage.items())
        raise ValueError(
            f"Expected one value per stage, as many in each. Received: {received}"
        )


def _check_components(components):
    unknown = [name for name in components if name not in COMPONENTS]
    if unknown:
        raise ValueError(
            f"Expected `components` out of {COMPONENTS}. Received: {components=}"
        )
    if components and "global" not in components:
        raise ValueError(
            "Expected 'global' in `components`, as the others are part of its fusion with the local branch, "
            f"or no component at all. Received: {components=}"
        )


def _check_map_sizes(input_shape, stages, window_size):
    for stage in range(stages):
        scale = 4 * 2**stage
        if any(
            side is None or side % (scale * window_size) for side in input_shape[:2]
        ):
            size = " x ".join(
                "unknown" if side is None else f"{side / scale:g}"
                for side in input_shape[:2]
            )
            raise ValueError(
                f"Expected the map of stage_{stage}, 1/{scale} of the input, to have whole sides that divide "
                f"by window_size={window_size}, but it is {size}. Received: {input_shape=}. Change one or "
                "the other: 224 x 224 goes with window_size=7, 128 x 128 with window_size=4."
            )


def photograph_preprocessor(image_size):
    """Pictures of any size, levels 0 to 255, to the network's size in [-1, 1].

    The official evaluation transform: shorter side to 256, the middle 224 x 224, mean and deviation 0.5;
    other sizes in proportion.
    """
    return keras.Sequential(
        [
            keras.Input((None, None, 3), dtype="uint8", name="pixels"),
            ResizeAndCrop(
                int(image_size * 1.143),
                image_size,
                dtype="float32",
                name="resize_and_crop",
            ),
            keras.layers.Rescaling(1 / 127.5, -1.0, dtype="float32", name="rescale"),
        ],
        name="preprocessor",
    )


for _name, _variant in VARIANTS.items():
    register_model(
        _name,
        HiFuse,
        variant=_variant,
        num_classes=7,
        input_shape=(224, 224, 3),
        preprocessor=photograph_preprocessor,
        modality="photograph",
        layers=ModelLayers(features="feature_map", head="head", normalise="rescale"),
    )
