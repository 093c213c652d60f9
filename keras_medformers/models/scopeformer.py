"""Scopeformer: several CNN backbones whose joined feature map a vision transformer reads.

Paper: Y. Barhoumi, N. C. Bouaynaya, G. Rasool, "Efficient Scopeformer: Towards Scalable and Rich
Feature Extraction for Intracranial Hemorrhage Detection", sections III.A and III.B, Fig. 3, Tables 1 and 2.
No code was published, so the words of the paper are followed; where they leave a choice:

- Positions are embedded before the class token joins, as the text has it for the transpose; a class token is
  learned, so it needs none of its own.
- "Joined as a 65th column" (Y_T is d x (N + 1)): the class token is one more position of all features, whose
  column the classifier reads.
- The class token passes ViT's last norm. None follows where features are tokens: LayerNorm would work over
  their 64 positions, so it would take away the very mean that the pooling is to read.
- Efficient Scopeformer keeps its position embedding: the text drops "the CLS notion" alone.
- "A 2D average pooling layer, followed by a flattened layer" is read as pooling over the whole map;
  `pool_size=2`, Keras' default, would leave 4 x 4 x d values for the dense layer.
- The MLP head's hidden layer is as wide as the feature map, with GELU.
- Matrices start as in DeepViT's published code (normal, deviation 0.02), the head at zero.
- The width of each head is ceil(width / heads): 64 / 16 = 4 without a class column, 5 with it.
- Table 1 prints 43 M for Medium and 755 M for Scopeformer 3; its own settings give 51.5 M and 680 M.
"""

import keras

from keras_medformers.layers import (
    AreaResize,
    ClassToken,
    HounsfieldWindows,
    PositionEmbedding,
    TransformerBlock,
)
from keras_medformers.layers.attention import small_normal
from keras_medformers.layers.exact_gelu import exact_gelu
from keras_medformers.models.backbones import (
    backbone_instances,
    backbone_maps,
    instance_names,
)
from keras_medformers.registry import ModelLayers, register_model

DEFAULT_BACKBONES = ("resnet152v2", "efficientnetb5", "densenet201", "xception")

_LARGE = {"feature_size": 1024, "mlp_dim": 4096, "num_heads": 16}
_FEATURES = {
    "num_layers": 8,
    "feature_size": 384,
    "mlp_dim": 4096,
    "num_heads": 16,
    "attention": "mhra",
    "tokens": "features",
}
_FIRST_VERSION = {
    "num_layers": 12,
    "feature_size": None,
    "mlp_dim": 3072,
    "num_heads": 8,
}

# Table 1: layers, feature size d, MLP, heads; Table 2: the first version, stacks of Xception.
VARIANTS = {
    "scopeformer_small": {
        "num_layers": 8,
        "feature_size": 516,
        "mlp_dim": 3072,
        "num_heads": 12,
    },
    "scopeformer_base": {
        "num_layers": 8,
        "feature_size": 512,
        "mlp_dim": 4096,
        "num_heads": 16,
    },
    "scopeformer_medium": {
        "num_layers": 8,
        "feature_size": 512,
        "mlp_dim": 5120,
        "num_heads": 16,
    },
    "scopeformer_large_4": {"num_layers": 4, **_LARGE},
    "scopeformer_large_8": {"num_layers": 8, **_LARGE},
    "scopeformer_large_16": {"num_layers": 16, **_LARGE},
    "deep_scopeformer": {"num_layers": 8, **_LARGE, "attention": "mhra"},
    "deep_scopeformer_tr": _FEATURES,
    "efficient_scopeformer": {**_FEATURES, "class_token": False},
    "scopeformer_1cnn": {**_FIRST_VERSION, "backbones": ("xception_block13",)},
    "scopeformer_2cnn": {**_FIRST_VERSION, "backbones": ("xception_block13",) * 2},
    "scopeformer_3cnn": {**_FIRST_VERSION, "backbones": ("xception_block13",) * 3},
    "scopeformer_scaled": {
        "num_layers": 8,
        "feature_size": 4096,
        "mlp_dim": 4096,
        "num_heads": 16,
    },
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
    attention="mhsa",
    tokens="positions",
    class_token=True,
    classifier_dim=None,
    pool_size=None,
    backbones=DEFAULT_BACKBONES,
    backbone_weights=None,
    frozen_fraction=1.0,
):
    """Backbones' maps joined to one, whose positions or features are an encoder's tokens.

    Args:
        num_classes: Number of labels; 0 ends the model at the class token, or without one at the feature map.
        input_shape: `(height, width, 3)` of the windowed slice, values in [0, 255].
        classifier_activation: Activation of the last layer; None gives logits.
        num_layers: Number of encoders.
        feature_size: Channels d of the global feature map, shared evenly by the backbones through a 1 x 1
            convolution each; None joins their maps as they are.
        mlp_dim: Hidden channels of each encoder's MLP.
        num_heads: Attention heads.
        head_dim: Channels per head; `ceil(tokens' width / num_heads)` by default, where features are
            tokens. Where positions are, the heads must share d evenly by default.
        attention: `"mhsa"` (eq. 1) or `"mhra"` (eq. 2).
        tokens: `"positions"`, each of d features (baseline and Deep Scopeformer), or `"features"`, each with
            its value at every position (Deep Scopeformer TR, Efficient Scopeformer).
        class_token: Whether a class token is classified; otherwise the pooled map after the encoders is
            (Efficient Scopeformer).
        classifier_dim: Hidden channels of the MLP head; d by default with a class token. Without one there is
            no hidden layer by default.
        pool_size: Side of the average pooling before the classifier where there is no class token; the
            whole map by default.
        backbones: Names from `keras_medformers.models.backbones.BACKBONES`; a name may come several times.
        backbone_weights: None, `"imagenet"`, or a list with None, `"imagenet"` or a path for each backbone.
        frozen_fraction: Share of each backbone's layers that do not train, from the input up;
            1.0 is Efficient Scopeformer (P).

    Returns:
        A functional `keras.Model` from `(batch, height, width, 3)` to `(batch, num_classes)`.

    Raises:
        FileNotFoundError: If a weights file is not there and cannot be downloaded.
        ValueError: If an argument does not fit the others; the message names it.

    Reference:
        Barhoumi et al., Efficient Scopeformer, Figs. 1 and 3, section III.B, Table 1.
    """
    _check_choices(input_shape, tokens, class_token, pool_size)
    _check_feature_size(feature_size, len(instance_names(backbones)))

    image = keras.Input(input_shape, name="image")
    maps = backbone_maps(image, backbones, backbone_weights, frozen_fraction)
    x = _global_feature_map(maps, feature_size)
    height, width, channels = x.shape[1:]
    _check_heads(num_heads, head_dim, tokens, channels)
    if class_token:
        x = keras.layers.Identity(name="feature_map")(x)

    # (batch, height, width, d) to (batch, positions, d); with a class token one position more.
    x = keras.layers.Reshape((height * width, channels), name="patches")(x)
    x = PositionEmbedding(name="position_embedding")(x)
    if class_token:
        x = ClassToken(name="class_token")(x)
    if tokens == "features":
        # (batch, d, positions): each feature is a token, its values at all positions its width.
        x = keras.layers.Permute((2, 1), name="features_as_tokens")(x)
    for index in range(num_layers):
        x = TransformerBlock(
            num_heads,
            mlp_dim,
            attention=attention,
            attention_config={"head_dim": head_dim},
            name=f"encoder_{index}",
        )(x)
    if tokens == "features":
        # Back to (batch, positions, d).
        x = keras.layers.Permute((2, 1), name="tokens_as_features")(x)
    elif class_token:
        x = keras.layers.LayerNormalization(epsilon=1e-6, name="norm")(x)

    if class_token:
        x = keras.layers.Cropping1D((0, height * width), name="class_token_alone")(x)
        x = keras.layers.Flatten(name="class_features")(x)
        classifier_dim = classifier_dim or channels
    else:
        x = keras.layers.Reshape((height, width, channels), name="feature_map")(x)
    if num_classes:
        if not class_token:
            x = keras.layers.AveragePooling2D(
                pool_size or (height, width), name="pool"
            )(x)
            x = keras.layers.Flatten(name="pooled_features")(x)
        x = classify(x, num_classes, classifier_dim, classifier_activation)
    return keras.Model(image, x, name="scopeformer")


def classify(features, num_classes, hidden_dim, activation):
    """A dense layer that starts at zero; before it, unless `hidden_dim` is None, one with GELU."""
    if hidden_dim is not None:
        features = keras.layers.Dense(
            hidden_dim,
            activation=exact_gelu,
            kernel_initializer=small_normal(),
            name="head_hidden",
        )(features)
    return keras.layers.Dense(
        num_classes, activation=activation, kernel_initializer="zeros", name="head"
    )(features)


def _check_choices(input_shape, tokens, class_token, pool_size):
    if tokens not in ("positions", "features"):
        raise ValueError(
            f"Expected `tokens` to be 'positions' or 'features'. Received: {tokens=}"
        )
    if class_token and pool_size is not None:
        raise ValueError(
            "Expected `pool_size` to be None where a class token is classified (`class_token=True`). "
            f"Received: {pool_size=}"
        )
    if None in input_shape:
        raise ValueError(
            f"Expected `input_shape` of a known height and width. Received: {input_shape=}"
        )


def _check_feature_size(feature_size, count):
    if feature_size is not None and (feature_size < 1 or feature_size % count):
        raise ValueError(
            f"Expected `feature_size` to divide by the {count} backbones. Received: {feature_size=}"
        )


def _check_heads(num_heads, head_dim, tokens, channels):
    if (
        tokens == "positions"
        and head_dim is None
        and (num_heads < 1 or channels % num_heads)
    ):
        raise ValueError(
            f"Expected `num_heads` to divide the global feature map's {channels} channels, or `head_dim`. "
            f"Received: {num_heads=}, {head_dim=}"
        )


def _global_feature_map(maps, feature_size):
    """Projects each map to d / n channels by a 1 x 1 convolution and joins them (module 1)."""
    if feature_size is not None:
        maps = {
            instance: keras.layers.Conv2D(
                feature_size // len(maps), 1, name=f"{instance}_projection"
            )(x)
            for instance, x in maps.items()
        }
    if len(maps) == 1:
        return keras.layers.Identity(name="global_feature_map")(*maps.values())
    return keras.layers.Concatenate(name="global_feature_map")(list(maps.values()))


def split_backbones(model):
    """Parts a model into the backbones it was built on and the rest, which share its variables.

    Frozen backbones see the same slices in every epoch, so their maps can be stored once and the
    rest trained on them.

    Args:
        model: A Scopeformer, or another model that reads the maps of `backbones.backbone_maps`.

    Returns:
        Two models: image to `{instance: map}`, and `{instance: map}` to the model's output.

    Raises:
        ValueError: If the model has no backbones.
    """
    maps = {
        name: model.get_layer(f"{name}_map").output
        for name in backbone_instances(model)
    }
    if not maps:
        raise ValueError(
            f"Expected `model` to be built on backbones. Received: {model.name!r}, without any"
        )
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
    _size = 224 if _name.endswith("cnn") else 256
    register_model(
        _name,
        Scopeformer,
        variant=_variant,
        num_classes=6,
        input_shape=(_size, _size, 3),
        preprocessor=head_ct_preprocessor,
        modality="ct",
        layers=ModelLayers(features="feature_map", head="head", blocks=("encoder_*",)),
        freezing="frozen_fraction",
        aliases=("scopeformer",) if _name == "efficient_scopeformer" else (),
    )
