"""HCT: a ResNet-22 whose last stages attend to the whole mammogram in linear time.

Paper: A. Taha, Y. N. Truong Vu, B. Mombourquette et al., "Deep is a Luxury We Don't Have", section 2,
Fig. 1, Fig. 4 and the appendix's algorithm 1. Written from the paper and from what a port has to match; where
the paper leaves a choice:

- `num_conv_stages` counts the stages that stay convolutional: 3 is the paper's HCT, 5 is GMIC.
- An AC block adds its raw input to the attention's output before the second norm, besides its shortcut; its
  3 x 3 convolution has the stride.
- The ReLU kernel is relu(W x / d^(1/4)) + 1e-3; that of softmax has a small constant of 1e-4. Random
  directions are orthogonal with rows of length sqrt(d), and are drawn once.
- Nystrom attention is the public implementation's: no bias on query, key and value, and a depthwise
  convolution of 33 tokens over the values.
"""

import keras

from keras_medformers.layers import NystromAttention, PerformerAttention
from keras_medformers.models.gmic import (
    BLOCKS_PER_STAGE,
    LAYERS,
    STAGE_FILTERS,
    block_strides,
    classify,
    conv,
    conv_stage,
    mammogram_preprocessor,
    norm_relu,
    stem,
)
from keras_medformers.registry import register_model

ATTENTIONS = ("relu", "softmax", "nystrom")

# Table 3: 1.73 million parameters.
VARIANTS = {
    "hct": {"attention": "relu"},
    "hct_softmax": {"attention": "softmax"},
    "hct_nystrom": {"attention": "nystrom"},
}


def HCT(
    num_classes,
    input_shape,
    classifier_activation=None,
    *,
    attention="relu",
    num_conv_stages=3,
    num_heads=8,
    attention_dropout_rate=0.1,
    first_layer_stride=2,
):
    """HCT: convolutional stages, then stages of attention-convolution (AC) blocks.

    Args:
        num_classes: Number of classes; 0 ends the model at the feature map.
        input_shape: `(height, width, channels)`; height and width may be None.
        classifier_activation: Activation of the last layer; None gives logits.
        attention: `"relu"` or `"softmax"`, Performer with that kernel, or `"nystrom"` with as many landmarks
            as the larger of the map's height and width.
        num_conv_stages: Convolutional stages of the five, 2 to 5.
        num_heads: Heads of each attention layer.
        attention_dropout_rate: Dropout on the output of each attention layer.
        first_layer_stride: Stride of the first stage.

    Returns:
        A functional `keras.Model` from `(batch, height, width, channels)` to `(batch, num_classes)`.

    Raises:
        ValueError: If an argument is out of its range; the message names it.

    Reference:
        Taha et al., Fig. 4 (right), section 3, "Technical Details".
    """
    stages = len(STAGE_FILTERS)
    if num_conv_stages not in range(2, stages + 1):
        raise ValueError(
            f"Expected `num_conv_stages` from 2 to {stages}. Received: num_conv_stages={num_conv_stages}"
        )
    if attention not in ATTENTIONS:
        raise ValueError(
            f"Expected `attention` of {ATTENTIONS}. Received: attention={attention!r}"
        )

    image = keras.Input(input_shape, name="image")
    x = stem(image)
    for stage in range(num_conv_stages):
        x = conv_stage(x, stage, first_layer_stride)
    for stage in range(num_conv_stages, stages):
        for block in range(BLOCKS_PER_STAGE):
            x = ac_block(
                x,
                STAGE_FILTERS[stage],
                attention=attention,
                num_heads=num_heads,
                dropout_rate=attention_dropout_rate,
                strides=block_strides(stage, block, first_layer_stride),
                project=block == 0,
                name=f"ac_stage_{stage - num_conv_stages}_block_{block}",
            )
    return keras.Model(
        image, classify(x, num_classes, classifier_activation), name="hct"
    )


def ac_block(x, filters, *, attention, num_heads, dropout_rate, strides, project, name):
    """Attention at the input's resolution and width, then a convolution that changes both (algorithm 1)."""
    y = norm_relu(x, f"{name}_norm1", f"{name}_relu1")
    shortcut = conv(y, filters, 1, strides, f"{name}_shortcut") if project else x
    y = attention_layer(attention, num_heads, dropout_rate, name=f"{name}_attn")(y)
    y = keras.layers.Add(name=f"{name}_attended")([y, x])
    y = norm_relu(y, f"{name}_norm2", f"{name}_relu2")
    y = conv(y, filters, 3, strides, f"{name}_conv2")
    return keras.layers.Add(name=name)([y, shortcut])


def attention_layer(attention, num_heads, dropout_rate, name):
    """The layer that `attention` names."""
    if attention == "nystrom":
        return NystromAttention(num_heads, dropout_rate=dropout_rate, name=name)
    return PerformerAttention(
        num_heads, kernel=attention, dropout_rate=dropout_rate, name=name
    )


for _name, _variant in VARIANTS.items():
    register_model(
        _name,
        HCT,
        variant=_variant,
        num_classes=2,
        input_shape=(3328, 2560, 1),
        preprocessor=mammogram_preprocessor,
        modality="mammogram",
        layers=LAYERS,
    )
