"""The vision transformer: patches of the image and a class token through pre-norm encoders.

Paper: A. Dosovitskiy et al., "An Image is Worth 16x16 Words: Transformers for Image Recognition at Scale",
section 3.1, eqs. (1) to (4), Table 1. Built as timm's `vision_transformer` is, so that its checkpoints give
its numbers: LayerNorm eps 1e-6 also in the last norm, exact GELU, query, key and value with bias, no dropout;
the head reads the class token after the last norm. Initial values are timm's, but for the class token,
which starts at zero as in the paper's code.

Besides the patches that the paper cuts, tokens can be read from a stack of small convolutions (section 3.1,
"Hybrid Architecture"), which learns from little data what a transformer alone does not. It is that of T. Xiao
et al., "Early Convolutions Help Transformers See Better", section 4.
"""

import math

import keras

from keras_medformers.layers import (
    ClassToken,
    PositionEmbedding,
    ResizeAndCrop,
    StridedConv2D,
    TransformerBlock,
)
from keras_medformers.layers.attention import small_normal
from keras_medformers.layers.initializers import fan_in_uniform
from keras_medformers.registry import ModelLayers, register_model

# Table 1.
BASE = {"num_layers": 12, "embed_dim": 768, "mlp_dim": 3072, "num_heads": 12}
LARGE = {"num_layers": 24, "embed_dim": 1024, "mlp_dim": 4096, "num_heads": 16}
HUGE = {"num_layers": 32, "embed_dim": 1280, "mlp_dim": 5120, "num_heads": 16}

VARIANTS = {
    "vit_base": {"patch_size": 16, **BASE},
    "vit_base_patch32": {"patch_size": 32, **BASE},
    "vit_large": {"patch_size": 16, **LARGE},
    "vit_huge": {"patch_size": 14, **HUGE},
}

PATCH, CONV = "patch", "conv"


def VisionTransformer(
    num_classes,
    input_shape,
    classifier_activation=None,
    *,
    patch_size,
    num_layers,
    embed_dim,
    mlp_dim,
    num_heads,
    stem=PATCH,
):
    """A vision transformer that classifies by its class token.

    Args:
        num_classes: Number of labels; 0 ends the model at the class token after the last norm.
        input_shape: `(height, width, channels)`, values in [-1, 1].
        classifier_activation: Activation of the last layer; None gives logits.
        patch_size: Side of a patch in pixels; divides height and width.
        num_layers: Number of encoders.
        embed_dim: Channels of a token.
        mlp_dim: Hidden channels of each encoder's MLP.
        num_heads: Attention heads; divides `embed_dim`.
        stem: What makes tokens of the image: `"patch"` or `"conv"`, see `class_features`.

    Returns:
        A functional `keras.Model` from `(batch, height, width, channels)` to `(batch, num_classes)`.

    Raises:
        ValueError: If an argument does not fit the others; the message names it.
    """
    image = keras.Input(input_shape, name="image")
    x = class_features(
        image,
        patch_size=patch_size,
        num_layers=num_layers,
        embed_dim=embed_dim,
        mlp_dim=mlp_dim,
        num_heads=num_heads,
        stem=stem,
    )

    if num_classes:
        x = keras.layers.Dense(
            num_classes,
            activation=classifier_activation,
            kernel_initializer=small_normal(),
            name="head",
        )(x)

    return keras.Model(image, x, name="vit")


def class_features(
    image, *, patch_size, num_layers, embed_dim, mlp_dim, num_heads, stem=PATCH
):
    """The class token after the last norm, `(batch, embed_dim)`: the encoder of ViT and of what builds on it.

    Args:
        image: The image, `(batch, height, width, channels)`.
        patch_size: Side of a patch in pixels; divides height and width.
        num_layers: Number of encoders.
        embed_dim: Channels of a token.
        mlp_dim: Hidden channels of each encoder's MLP.
        num_heads: Attention heads; divides `embed_dim`.
        stem: `"patch"`: tokens are linear maps of patches; timm's checkpoints fit. `"conv"`: they are what
            convolutions of stride 2 make of the image, as many tokens as there would be patches.

    Raises:
        ValueError: If an argument does not fit the others; the message names it.
    """
    height, width, channels = image.shape[1:]
    if any(side is None or side < 1 or side % patch_size for side in (height, width)):
        raise ValueError(
            "Expected `input_shape` to have a height and width that divide by `patch_size`. "
            f"Received: input_shape={(height, width, channels)}, {patch_size=}"
        )
    if embed_dim % num_heads:
        raise ValueError(
            f"Expected `embed_dim` to divide by `num_heads`. Received: {embed_dim=}, {num_heads=}"
        )
    if stem not in STEMS:
        raise ValueError(f"Expected `stem` in {sorted(STEMS)}. Received: {stem=}")

    grid = (height // patch_size, width // patch_size)
    x = STEMS[stem](image, patch_size, embed_dim)
    # (batch, rows, columns, embed_dim) to (batch, tokens, embed_dim), the class token first.
    x = keras.layers.Reshape((grid[0] * grid[1], embed_dim), name="patches")(x)
    x = ClassToken(name="class_token")(x)
    x = PositionEmbedding(grid, name="position_embedding")(x)
    for index in range(num_layers):
        x = TransformerBlock(num_heads, mlp_dim, name=f"encoder_{index}")(x)
    x = keras.layers.LayerNormalization(epsilon=1e-6, name="norm")(x)
    # (batch, embed_dim)
    x = keras.layers.Cropping1D((0, grid[0] * grid[1]), name="class_token_alone")(x)

    return keras.layers.Flatten(name="class_features")(x)


def patch_stem(image, patch_size, embed_dim):
    """A linear map of each patch: eq. (1)."""
    initializer = fan_in_uniform(image.shape[-1] * patch_size**2)
    return StridedConv2D(
        embed_dim,
        patch_size,
        strides=patch_size,
        kernel_initializer=initializer,
        bias_initializer=initializer.clone(),
        name="patch_embed",
    )(image)


def conv_stem(image, patch_size, embed_dim):
    """3 x 3 convolutions of stride 2 whose channels double up to `embed_dim`, then a 1 x 1 convolution.

    Raises:
        ValueError: If `patch_size` is no power of two or `embed_dim` cannot be halved so often.

    Reference:
        Xiao et al., Early Convolutions Help Transformers See Better, section 4, Fig. 1 (`ViT_C`).
    """
    halvings = int(math.log2(patch_size))
    if patch_size < 2 or 2**halvings != patch_size:
        raise ValueError(
            f"Expected `patch_size` to be a power of two with stem='conv'. Received: {patch_size=}"
        )

    narrowing = 2 ** (halvings - 1)
    if embed_dim % narrowing:
        raise ValueError(
            f"Expected `embed_dim` to divide by {narrowing} with stem='conv'. Received: {embed_dim=}"
        )

    x = image
    for index in range(halvings):
        last = index == halvings - 1
        if last:
            # "same" pads below and on the right alone. Padding on the other sides for once centres what a
            # token sees on the patch in whose place it stands, so that attention is drawn where it belongs.
            x = keras.layers.ZeroPadding2D(((1, 0), (1, 0)), name="stem_padding")(x)
        # Only the last one's result can be one column wide.
        layer = StridedConv2D if last else keras.layers.Conv2D
        x = layer(
            embed_dim * 2**index // narrowing,
            3,
            strides=2,
            padding="valid" if last else "same",
            use_bias=False,
            kernel_initializer="he_normal",
            name=f"stem_conv_{index}",
        )(x)
        x = keras.layers.BatchNormalization(
            momentum=0.9, epsilon=1e-5, name=f"stem_norm_{index}"
        )(x)
        x = keras.layers.ReLU(name=f"stem_relu_{index}")(x)

    return keras.layers.Conv2D(embed_dim, 1, name="patch_embed")(x)


STEMS = {PATCH: patch_stem, CONV: conv_stem}


def photograph_preprocessor(image_size):
    """Pictures of any size, levels 0 to 255, to the network's size in [-1, 1].

    As timm evaluates its checkpoints (shorter side to 1 / 0.9 of the size, the middle, mean and deviation
    0.5), but bilinear where timm is bicubic.
    """
    return keras.Sequential(
        [
            keras.Input((None, None, 3), dtype="uint8", name="pixels"),
            ResizeAndCrop(
                int(image_size / 0.9),
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
        VisionTransformer,
        variant=_variant,
        num_classes=1000,
        input_shape=(224, 224, 3),
        preprocessor=photograph_preprocessor,
        modality="photograph",
        layers=ModelLayers(
            features="class_features",
            head="head",
            normalise="rescale",
            blocks=("encoder_*",),
        ),
    )
