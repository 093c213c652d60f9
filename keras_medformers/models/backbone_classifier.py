"""One backbone as a classifier, by which Scopeformer's backbones are pre-trained.

Paper: Barhoumi et al., "Efficient Scopeformer", sections III.A (pre-training on restyled ImageNet and on
RSNA) and III.F (the backbones of Efficient Scopeformer (P), 150 epochs on RSNA). The paper does not describe
the classifier; here the last map is averaged over its positions and read by one dense layer, as in the
CNNs themselves.
"""

import os

import keras

from keras_medformers.layers import AreaResize, GreyToRGB, ResizeAndCrop
from keras_medformers.models.backbones import backbone_maps
from keras_medformers.models.scopeformer import classify, head_ct_preprocessor
from keras_medformers.registry import ModelLayers, register_model


def BackboneClassifier(
    num_classes,
    input_shape,
    classifier_activation=None,
    *,
    backbone="xception",
    backbone_weights=None,
    frozen_fraction=0.0,
):
    """A backbone, global average pooling and a dense layer.

    `keras_medformers.models.backbones.save_backbone_weights` writes what it has learned, for the
    `backbone_weights` of other models.

    Args:
        num_classes: Number of labels; 0 ends the model at the feature map.
        input_shape: `(height, width, 3)`, values in [0, 255].
        classifier_activation: Activation of the last layer; None gives logits.
        backbone: Name from `keras_medformers.models.backbones.BACKBONES`.
        backbone_weights: None, `"imagenet"` or a path, alone or in a list.
        frozen_fraction: Share of the backbone's layers that do not train, from the input up.

    Returns:
        A functional `keras.Model` from `(batch, height, width, 3)` to `(batch, num_classes)`.

    Raises:
        FileNotFoundError: If a weights file is not there and cannot be downloaded.
        ValueError: If an argument is not known or does not fit; the message names it.
    """
    if isinstance(backbone_weights, (str, os.PathLike)):
        backbone_weights = [backbone_weights]
    image = keras.Input(input_shape, name="image")
    (x,) = backbone_maps(image, [backbone], backbone_weights, frozen_fraction).values()
    x = keras.layers.Identity(name="feature_map")(x)
    if num_classes:
        x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
        x = classify(x, num_classes, None, classifier_activation)
    return keras.Model(image, x, name="backbone_classifier")


def photograph_preprocessor(image_size):
    """Pictures of any size, levels 0 to 255, to the network's size: shorter side, centre crop, no scaling."""
    return keras.Sequential(
        [
            keras.Input((None, None, 3), dtype="uint8", name="pixels"),
            ResizeAndCrop(
                int(image_size * 1.143),
                image_size,
                dtype="float32",
                name="resize_and_crop",
            ),
            keras.layers.Rescaling(1.0, dtype="float32", name="rescale"),
        ],
        name="preprocessor",
    )


def radiograph_preprocessor(image_size):
    """Radiographs of any size to the network's size, whatever their proportions, and to [0, 255]."""
    return keras.Sequential(
        [
            keras.Input((None, None, 1), dtype="uint16", name="pixels"),
            AreaResize(image_size, image_size, round_values=False, name="resize"),
            GreyToRGB(name="grey_to_rgb"),
            keras.layers.Rescaling(1.0, dtype="float32", name="rescale"),
        ],
        name="preprocessor",
    )


register_model(
    "scopeformer_backbone",
    BackboneClassifier,
    num_classes=6,
    input_shape=(256, 256, 3),
    preprocessor=head_ct_preprocessor,
    modality="ct",
    layers=ModelLayers(features="feature_map", head="head"),
    freezing="frozen_fraction",
)
register_model(
    "imagenet_backbone",
    BackboneClassifier,
    num_classes=1000,
    input_shape=(224, 224, 3),
    preprocessor=photograph_preprocessor,
    modality="photograph",
    layers=ModelLayers(features="feature_map", head="head", normalise="rescale"),
    freezing="frozen_fraction",
)
register_model(
    "radiograph_backbone",
    BackboneClassifier,
    variant={"backbone": "densenet121"},
    num_classes=14,
    input_shape=(224, 224, 3),
    preprocessor=radiograph_preprocessor,
    modality="radiograph",
    layers=ModelLayers(features="feature_map", head="head", normalise="rescale"),
    freezing="frozen_fraction",
)
