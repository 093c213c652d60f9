"""The plain vision transformer beside which Scopeformer stands in its paper: no backbones.

Paper: Barhoumi et al., "Efficient Scopeformer", Table 2, first row: ViT on the slice of 256 x 256 x 3. The
paper prints no size; this is ViT-B/16 with Scopeformer's MLP head.
"""

import keras

from keras_medformers.models import vit
from keras_medformers.models.scopeformer import classify, head_ct_preprocessor
from keras_medformers.registry import ModelLayers, register_model

VARIANT = {"patch_size": 16, **vit.BASE, "classifier_dim": 768}


def ScopeformerViT(
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
):
    """A vision transformer on what the Scopeformers see.

    Args:
        num_classes: Number of labels; 0 ends the model at the class token after the last norm.
        input_shape: `(height, width, 3)` of the windowed slice, values in [0, 255].
        classifier_activation: Activation of the last layer; None gives logits.
        patch_size: Side of a patch in pixels; divides height and width.
        num_layers: Number of encoders.
        embed_dim: Channels of a token.
        mlp_dim: Hidden channels of each encoder's MLP.
        num_heads: Attention heads; divides `embed_dim`.
        classifier_dim: Hidden channels of the MLP head; None for a single layer.

    Returns:
        A functional `keras.Model` from `(batch, height, width, 3)` to `(batch, num_classes)`.

    Raises:
        ValueError: If an argument does not fit the others; the message names it.
    """
    image = keras.Input(input_shape, name="image")
    x = keras.layers.Rescaling(1 / 127.5, -1.0, name="input_scaling")(image)
    x = vit.class_features(
        x,
        patch_size=patch_size,
        num_layers=num_layers,
        embed_dim=embed_dim,
        mlp_dim=mlp_dim,
        num_heads=num_heads,
    )
    if num_classes:
        x = classify(x, num_classes, classifier_dim, classifier_activation)
    return keras.Model(image, x, name="scopeformer_vit")


register_model(
    "scopeformer_vit",
    ScopeformerViT,
    variant=VARIANT,
    num_classes=6,
    input_shape=(256, 256, 3),
    preprocessor=head_ct_preprocessor,
    modality="ct",
    layers=ModelLayers(features="class_features", head="head", blocks=("encoder_*",)),
)
