"""The vision transformer: patches of the image and a class token through pre-norm encoders.

Paper: A. Dosovitskiy et al., "An Image is Worth 16x16 Words: Transformers for Image Recognition at Scale",
section 3.1, eqs. (1) to (4), Table 1. Built as timm's `vision_transformer` is, so that its checkpoints give
its numbers: LayerNorm eps 1e-6 also in the last norm, exact GELU, query, key and value with bias, no dropout;
the head reads the class token after the last norm. Initial values are timm's, but for the class token,
which starts at zero as in the paper's code.
"""

import keras

from keras_medformers.layers import ClassToken, PositionEmbedding, ResizeAndCrop, TransformerBlock
from keras_medformers.layers.attention import small_normal
from keras_medformers.layers.initializers import fan_in_uniform
from keras_medformers.registry import register_model

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
    )
    if num_classes:
        x = keras.layers.Dense(
            num_classes, activation=classifier_activation, kernel_initializer=small_normal(), name="head"
        )(x)
    return keras.Model(image, x, name="vit")


def class_features(image, *, patch_size, num_layers, embed_dim, mlp_dim, num_heads):
    """The class token after the last norm, `(batch, embed_dim)`: the encoder of ViT and of what builds on it.

    Raises:
        ValueError: If the patches do not tile the image or the heads do not share the channels evenly.
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
    grid = (height // patch_size, width // patch_size)
    initializer = fan_in_uniform(channels * patch_size**2)
    x = keras.layers.Conv2D(
        embed_dim,
        patch_size,
        strides=patch_size,
        kernel_initializer=initializer,
        bias_initializer=initializer.clone(),
        name="patch_embed",
    )(image)
    x = keras.layers.Reshape((grid[0] * grid[1], embed_dim), name="patches")(x)
    x = ClassToken(name="class_token")(x)
    x = PositionEmbedding(grid, name="position_embedding")(x)
    for index in range(num_layers):
        x = TransformerBlock(num_heads, mlp_dim, name=f"encoder_{index}")(x)
    x = keras.layers.LayerNormalization(epsilon=1e-6, name="norm")(x)
    x = keras.layers.Cropping1D((0, grid[0] * grid[1]), name="class_token_alone")(x)
    return keras.layers.Flatten(name="class_features")(x)


def photograph_preprocessor(image_size):
    """Pictures of any size, levels 0 to 255, to the network's size in [-1, 1].

    As timm evaluates its checkpoints (shorter side to 1 / 0.9 of the size, the middle, mean and deviation
    0.5), but bilinear where timm is bicubic.
    """
    return keras.Sequential(
        [
            keras.Input((None, None, 3), dtype="uint8", name="pixels"),
            ResizeAndCrop(int(image_size / 0.9), image_size, dtype="float32", name="resize_and_crop"),
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
    )
