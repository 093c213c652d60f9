"""Scopeformer: several CNN backbones whose joined feature map a vision transformer reads.

Paper: Y. Barhoumi, N. C. Bouaynaya, G. Rasool, "Efficient Scopeformer: Towards Scalable and Rich
Feature Extraction for Intracranial Hemorrhage Detection", sections III.A and III.B, Fig. 3 (right).
No code was published, so the words of the paper are followed; where they leave a choice:

- Position embeddings stay when the class token goes: the text drops "the CLS notion" alone.
- No norm follows the last encoder. Tokens are features and LayerNorm works over their 64 positions,
  so a norm there would take away the very mean that the pooling is to read.
- "A 2D average pooling layer, followed by a flattened layer" is read as pooling over the whole map;
  `pool_size=2`, Keras' default, would leave 4 x 4 x d values for the dense layer.
- Matrices start as in DeepViT's published code (normal, deviation 0.02), the head at zero.
- The width of each head is ceil(width / heads), here 64 / 16 = 4.
"""

import keras

from keras_medformers.layers import AreaResize, HounsfieldWindows, PositionEmbedding, TransformerBlock
from keras_medformers.models.backbones import BACKBONES, build_backbone, imagenet_weights_files
from keras_medformers.registry import register_model

DEFAULT_BACKBONES = ("resnet152v2", "efficientnetb5", "densenet201", "xception")

# Table 1: layers, feature size d, MLP, heads.
VARIANTS = {
    "efficient_scopeformer": {"num_layers": 8, "feature_size": 384, "mlp_dim": 4096, "num_heads": 16},
}


def Scopeformer(
    num_classes,
    input_shape,
    classifier_activation=None,
    *,
    num_layers,
    feature_size,
    mlp_dim,
    num_heads,
    head_dim=None,
    attention="mhra",
    backbones=DEFAULT_BACKBONES,
    backbone_weights=None,
    frozen_fraction=1.0,
    pool_size=None,
):
    """Efficient Scopeformer: features are tokens, encoders mix them, their map is classified.

    Args:
        num_classes: Number of labels; 0 ends the model at the feature map.
        input_shape: `(height, width, 3)` of the windowed slice, values in [0, 255].
        classifier_activation: Activation of the last layer; None gives logits.
        num_layers: Number of encoders.
        feature_size: Channels d of the global feature map, shared evenly by the backbones.
        mlp_dim: Hidden channels of each encoder's MLP.
        num_heads: Attention heads.
        head_dim: Channels per head; `ceil(tokens' width / num_heads)` by default.
        attention: `"mhra"` (eq. 2) or `"mhsa"` (eq. 1).
        backbones: Names from `BACKBONES`, each at most once.
        backbone_weights: None, `"imagenet"`, or one path (or None) per backbone.
        frozen_fraction: Share of each backbone's layers that do not train, from the input up;
            1.0 is Efficient Scopeformer (P).
        pool_size: Side of the average pooling before the classifier; the whole map by default.

    Returns:
        A functional `keras.Model` from `(batch, height, width, 3)` to `(batch, num_classes)`.

    Raises:
        ValueError: If an argument does not fit the others; the message names it.
    """
    weights = _weights_by_backbone(backbones, backbone_weights)
    if feature_size % len(backbones):
        raise ValueError(
            f"Expected `feature_size` to divide by the {len(backbones)} backbones. "
            f"Received: {feature_size=}"
        )
    image = keras.Input(input_shape, name="image")
    maps = [
        build_backbone(name, input_shape, weights[name], frozen_fraction)(image) for name in backbones
    ]
    x = _global_feature_map(maps, backbones, feature_size)
    height, width = x.shape[1:3]

    x = keras.layers.Reshape((height * width, feature_size), name="patches")(x)
    x = keras.layers.Permute((2, 1), name="features_as_tokens")(x)
    x = PositionEmbedding(name="position_embedding")(x)
    for index in range(num_layers):
        x = TransformerBlock(
            num_heads,
            mlp_dim,
            attention=attention,
            attention_config={"head_dim": head_dim},
            name=f"encoder_{index}",
        )(x)
    x = keras.layers.Permute((2, 1), name="tokens_as_features")(x)
    x = keras.layers.Reshape((height, width, feature_size), name="feature_map")(x)

    if num_classes:
        x = keras.layers.AveragePooling2D(pool_size or (height, width), name="pool")(x)
        x = keras.layers.Flatten(name="pooled_features")(x)
        x = keras.layers.Dense(
            num_classes, activation=classifier_activation, kernel_initializer="zeros", name="head"
        )(x)
    return keras.Model(image, x, name="scopeformer")


def _weights_by_backbone(backbones, backbone_weights):
    for name in backbones:
        if name not in BACKBONES:
            raise ValueError(f"Expected backbones of {sorted(BACKBONES)}. Received: {name!r}")
    if not backbones or len(set(backbones)) < len(backbones):
        raise ValueError(f"Expected different backbones, at least one. Received: {backbones=}")
    if backbone_weights == "imagenet":
        return imagenet_weights_files(backbones)
    if backbone_weights is None:
        return dict.fromkeys(backbones)
    if isinstance(backbone_weights, str) or len(backbone_weights) != len(backbones):
        raise ValueError(
            f"Expected `backbone_weights` to be None, 'imagenet' or a list of {len(backbones)} paths, "
            f"in the order {tuple(backbones)}. Received: {backbone_weights=}"
        )
    return dict(zip(backbones, backbone_weights))


def _global_feature_map(maps, backbones, feature_size):
    """Projects each map to d / n channels by a 1 x 1 convolution and joins them (module 1)."""
    sizes = {name: tuple(x.shape[1:3]) for name, x in zip(backbones, maps)}
    if len(set(sizes.values())) > 1:
        raise ValueError(f"Expected feature maps of one height and width. Received: {sizes}")
    projected = [
        keras.layers.Conv2D(feature_size // len(maps), 1, name=f"{name}_projection")(x)
        for name, x in zip(backbones, maps)
    ]
    if len(projected) == 1:
        return projected[0]
    return keras.layers.Concatenate(name="global_feature_map")(projected)


def split_backbones(model, backbones=DEFAULT_BACKBONES):
    """Parts a Scopeformer into its backbones and the rest, which share its variables.

    Frozen backbones see the same slices in every epoch, so their maps can be stored once and the
    rest trained on them.

    Args:
        model: What `Scopeformer` built.
        backbones: The backbones it was built with.

    Returns:
        Two models: image to `{backbone: map}`, and `{backbone: map}` to the model's output.
    """
    maps = {name: model.get_layer(f"{name}_projection").input for name in backbones}
    for name, feature_map in maps.items():
        feature_map.name = name  # what the second model's input is called
    extractor = keras.Model(model.input, maps, name="backbones")
    rest = keras.Model(maps, model.output, name="projections_and_encoders")
    return extractor, rest


def head_ct_preprocessor(image_size):
    """HU slices of any size to the three windows at the network's size, in [0, 255]."""
    return keras.Sequential(
        [
            keras.Input((None, None, 1), dtype="int16", name="pixels"),
            AreaResize(image_size, image_size, name="resize"),
            HounsfieldWindows(name="windows"),
        ],
        name="preprocessor",
    )


for _name, _variant in VARIANTS.items():
    register_model(
        _name,
        Scopeformer,
        variant=_variant,
        num_classes=6,
        input_shape=(256, 256, 3),
        preprocessor=head_ct_preprocessor,
        aliases=("scopeformer",) if _name == "efficient_scopeformer" else (),
    )
