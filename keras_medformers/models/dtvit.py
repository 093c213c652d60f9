"""DTViT: one vision transformer, two decoders: is there a hemorrhage, and where.

Paper: J. Fan, G. Lu et al., "Dual-Task Vision Transformer for Rapid and Accurate Intracerebral Hemorrhage
Classification on CT Images", section 2.3, Fig. 2 and Table 2 of the later version; the first is named where
it differs. No code was published, so the words of the paper are followed; where they leave a choice:

- Both decoders read the class token after the encoder's last norm.
- The later version's "MLP-based decoders" have one hidden layer of half the encoder's width with GELU;
  `classifier_dim=None` gives the first version's single layer each.
- A slice is shown to the network in the brain window, in all three channels: the paper's "normalized" 8-bit
  pixels leave the range open.
"""

from collections.abc import Mapping

import keras

from keras_medformers.layers import AreaResize, HounsfieldWindows
from keras_medformers.layers.attention import small_normal
from keras_medformers.layers.exact_gelu import exact_gelu
from keras_medformers.models import vit
from keras_medformers.registry import ModelLayers, register_model

CLASSES = {"hemorrhage": 2, "location": 3}
"""Tasks and their numbers of classes: normal, ICH; deep, lobar, subtentorial."""

# Section 2.3.2, Table 2. The small one is ours, for demonstrations and tests; convolutions below its encoders
# let it learn from thousands of slices what the paper's sizes need ImageNet's millions of pictures for.
VARIANTS = {
    "dtvit_small": {
        "patch_size": 16,
        "num_layers": 4,
        "embed_dim": 96,
        "mlp_dim": 384,
        "num_heads": 4,
        "classifier_dim": 48,
        "stem": vit.CONV,
    },
    "dtvit_base": {"patch_size": 16, **vit.BASE, "classifier_dim": 384},
    "dtvit_large": {"patch_size": 16, **vit.LARGE, "classifier_dim": 512},
    "dtvit_huge": {"patch_size": 14, **vit.HUGE, "classifier_dim": 640},
}

BRAIN_WINDOW = (40, 80)
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_DEVIATION = (0.229, 0.224, 0.225)


def DTViT(
    num_classes,
    input_shape,
    classifier_activation=None,
    *,
    patch_size,
    num_layers,
    embed_dim,
    mlp_dim,
    num_heads,
    classifier_dim,
    stem=vit.PATCH,
):
    """A vision transformer with one decoder per task.

    Args:
        num_classes: From each task to its number of classes; 0 ends the model at the class token.
        input_shape: `(height, width, channels)`, normalised by ImageNet's mean and deviation.
        classifier_activation: Activation of the decoders' last layers; None gives logits.
        patch_size: Side of a patch in pixels; divides height and width.
        num_layers: Number of encoders.
        embed_dim: Channels of a token.
        mlp_dim: Hidden channels of each encoder's MLP.
        num_heads: Attention heads; divides `embed_dim`.
        classifier_dim: Hidden channels of the decoders; None for a single layer each.
        stem: What makes tokens of the image: `"patch"` or `"conv"`, see `vit.class_features`.

    Returns:
        A functional `keras.Model` from `(batch, height, width, channels)` to `{task: (batch, classes)}`.

    Raises:
        ValueError: If an argument does not fit the others; the message names it.
    """
    if num_classes and not (
        isinstance(num_classes, Mapping) and all(num_classes.values())
    ):
        raise ValueError(
            f"Expected `num_classes` to be 0 or classes by task, such as {CLASSES}. Received: {num_classes=}"
        )

    image = keras.Input(input_shape, name="image")
    features = vit.class_features(
        image,
        patch_size=patch_size,
        num_layers=num_layers,
        embed_dim=embed_dim,
        mlp_dim=mlp_dim,
        num_heads=num_heads,
        stem=stem,
    )
    if num_classes:
        features = decode(features, num_classes, classifier_dim, classifier_activation)

    return keras.Model(image, features, name="dtvit")


def decode(features, num_classes, classifier_dim, classifier_activation):
    """One decoder per task over the same features, whatever encoder they are from; results by task."""
    outputs = {}
    for task, classes in num_classes.items():
        x = features
        if classifier_dim is not None:
            x = keras.layers.Dense(
                classifier_dim,
                activation=exact_gelu,
                kernel_initializer=small_normal(),
                name=f"{task}_head_hidden",
            )(x)
        outputs[task] = keras.layers.Dense(
            classes,
            activation=classifier_activation,
            kernel_initializer=small_normal(),
            name=f"{task}_head",
        )(x)
    return outputs


def head_ct_preprocessor(image_size):
    """The middle of HU slices of any size: the brain window in three channels, normalised as for ImageNet.

    The side is brought to 256 and the middle 224 x 224 kept (section 2.2.3); other sizes in proportion.
    """
    resize_to = round(image_size * 256 / 224)
    return keras.Sequential(
        [
            keras.Input((None, None, 1), dtype="int16", name="pixels"),
            AreaResize(resize_to, resize_to, name="resize"),
            keras.layers.CenterCrop(
                image_size, image_size, dtype="float32", name="crop"
            ),
            HounsfieldWindows((BRAIN_WINDOW,) * 3, name="windows"),
            keras.layers.Rescaling(
                tuple(1 / (255 * deviation) for deviation in IMAGENET_DEVIATION),
                tuple(
                    -mean / deviation
                    for mean, deviation in zip(IMAGENET_MEAN, IMAGENET_DEVIATION)
                ),
                dtype="float32",
                name="rescale",
            ),
        ],
        name="preprocessor",
    )


for _name, _variant in VARIANTS.items():
    register_model(
        _name,
        DTViT,
        variant=_variant,
        num_classes=CLASSES,
        input_shape=(224, 224, 3),
        preprocessor=head_ct_preprocessor,
        modality="ct",
        layers=ModelLayers(
            features="class_features",
            head="{task}_head",
            normalise="rescale",
            blocks=("encoder_*",),
        ),
        aliases=("dtvit",) if _name == "dtvit_large" else (),
    )
