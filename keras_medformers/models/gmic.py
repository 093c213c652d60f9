"""GMIC's global module, a ResNet-22 for mammograms, and Def-GMIC with deformable convolutions.

Paper: A. Taha, Y. N. Truong Vu, B. Mombourquette et al., "Deep is a Luxury We Don't Have", section 3
("Baselines") and Fig. 4; the network is the first module of Y. Shen, N. Wu, J. Phang et al.,
"Globally-Aware Multiple Instance Classifier for Breast Cancer Screening". Written from the papers and from
what a port has to match; where the papers leave a choice:

- Every stage has stride 2, the first one, too; `first_layer_stride=1` is Shen et al.'s own network.
- The first block of every stage has a 1 x 1 convolution on its shortcut, whether or not sizes change; it
  reads the normalised input.
- Def-GMIC bends the first convolution of each block of the last two stages ("the last two layers, similar to
  HCT with AC blocks"), which gives Table 3's 2.89 million parameters.
- The paper names no scaling of grey values; each image is brought to mean 0 and deviation 1.

`hct.py` builds on the functions here.
"""

import keras

from keras_medformers.layers import (
    AreaResize,
    DeformableConv2D,
    ImageStandardization,
    StridedConv2D,
    UnbiasedBatchNormalization,
)
from keras_medformers.registry import ModelLayers, register_model

STAGE_FILTERS = (16, 32, 64, 128, 256)
BLOCKS_PER_STAGE = 2

# Table 3: 2.80 and 2.89 million parameters.
VARIANTS = {
    "gmic": {"num_deformable_stages": 0},
    "def_gmic": {"num_deformable_stages": 2},
}

LAYERS = ModelLayers(
    features="feature_map",
    head="head",
    normalise="standardize",
    blocks=("stem_pool", "*_stage_?_block_?"),
)
"""Of HCT, too, which is this network with attention in its last stages."""


def GMIC(
    num_classes,
    input_shape,
    classifier_activation=None,
    *,
    num_deformable_stages=0,
    first_layer_stride=2,
):
    """ResNet-22: five stages of two pre-activation blocks, each halving the map.

    Args:
        num_classes: Number of classes; 0 ends the model at the feature map.
        input_shape: `(height, width, channels)`; height and width may be None.
        classifier_activation: Activation of the last layer; None gives logits.
        num_deformable_stages: Stages, counted from the last, whose blocks begin with a deformable
            convolution; 2 is Def-GMIC.
        first_layer_stride: Stride of the first stage.

    Returns:
        A functional `keras.Model` from `(batch, height, width, channels)` to `(batch, num_classes)`.

    Raises:
        ValueError: If an argument is out of its range; the message names it.

    Reference:
        Taha et al., Fig. 4 (left).
    """
    stages = len(STAGE_FILTERS)
    if not 0 <= num_deformable_stages <= stages:
        raise ValueError(
            f"Expected `num_deformable_stages` from 0 to {stages}. "
            f"Received: num_deformable_stages={num_deformable_stages}"
        )

    image = keras.Input(input_shape, name="image")
    x = stem(image)
    for stage in range(stages):
        deformable = stage >= stages - num_deformable_stages
        x = conv_stage(x, stage, first_layer_stride, deformable)

    return keras.Model(
        image, classify(x, num_classes, classifier_activation), name="gmic"
    )


def stem(image):
    """A 7 x 7 convolution of stride 2 and a max pool without padding."""
    x = conv(image, STAGE_FILTERS[0], 7, strides=2, name="stem_conv")
    return keras.layers.MaxPooling2D(3, strides=2, name="stem_pool")(x)


def conv_stage(x, stage, first_layer_stride=2, deformable=False):
    """Stage number `stage`, from 0, of convolutional blocks."""
    for block in range(BLOCKS_PER_STAGE):
        x = conv_block(
            x,
            STAGE_FILTERS[stage],
            strides=block_strides(stage, block, first_layer_stride),
            project=block == 0,
            deformable=deformable,
            name=f"conv_stage_{stage}_block_{block}",
        )
    return x


def block_strides(stage, block, first_layer_stride):
    """The stride of a block: that of its stage in the first one."""
    if block > 0:
        return 1
    return first_layer_stride if stage == 0 else 2


def conv_block(x, filters, *, strides, project, deformable=False, name):
    """Norm, ReLU, convolution, twice; the shortcut is the input, or a projection after the first ReLU."""
    y = norm_relu(x, f"{name}_norm1", f"{name}_relu1")
    shortcut = conv(y, filters, 1, strides, f"{name}_shortcut") if project else x
    y = (deformable_conv if deformable else conv)(
        y, filters, 3, strides, f"{name}_conv1"
    )
    y = norm_relu(y, f"{name}_norm2", f"{name}_relu2")
    y = conv(y, filters, 3, 1, f"{name}_conv2")
    return keras.layers.Add(name=name)([y, shortcut])


def classify(x, num_classes, classifier_activation):
    """The last norm, the map it gives, and the classifier on the map's mean."""
    x = norm_relu(x, "final_norm", "feature_map")
    if not num_classes:
        return x
    x = keras.layers.GlobalAveragePooling2D(name="pooled_features")(x)
    return keras.layers.Dense(
        num_classes, activation=classifier_activation, name="head"
    )(x)


def norm_relu(x, norm_name, relu_name):
    """Batch normalisation, then ReLU."""
    x = UnbiasedBatchNormalization(name=norm_name)(x)
    return keras.layers.ReLU(name=relu_name)(x)


def conv(x, filters, kernel_size, strides, name):
    """A convolution without bias, padded alike on all sides, which "same" is not at stride 2."""
    if kernel_size > 1:
        x = keras.layers.ZeroPadding2D(kernel_size // 2, name=f"{name}_padding")(x)
    # A window of one pixel is right at any stride.
    layer = StridedConv2D if strides > 1 and kernel_size > 1 else keras.layers.Conv2D
    return layer(
        filters,
        kernel_size,
        strides,
        use_bias=False,
        kernel_initializer="he_normal",
        name=name,
    )(x)


def deformable_conv(x, filters, kernel_size, strides, name):
    """A deformable convolution in place of `conv`."""
    return DeformableConv2D(
        filters,
        kernel_size,
        strides,
        use_bias=False,
        kernel_initializer="he_normal",
        name=name,
    )(x)


def mammogram_preprocessor(image_size=None):
    """Stored grey values to mean 0 and deviation 1 per image, at their own size or resized.

    Args:
        image_size: Side of the square that images are resized to; None leaves them as they are, which
            networks for any size are made for.
    """
    layers = [keras.Input((None, None, 1), dtype="uint16", name="pixels")]
    if image_size is not None:
        layers.append(
            AreaResize(
                image_size,
                image_size,
                round_values=False,
                dtype="float32",
                name="resize",
            )
        )
    layers.append(ImageStandardization(dtype="float32", name="standardize"))
    return keras.Sequential(layers, name="preprocessor")


for _name, _variant in VARIANTS.items():
    register_model(
        _name,
        GMIC,
        variant=_variant,
        num_classes=2,
        input_shape=(3328, 2560, 1),
        preprocessor=mammogram_preprocessor,
        modality="mammogram",
        layers=LAYERS,
    )
