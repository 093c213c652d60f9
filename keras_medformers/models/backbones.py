"""CNN feature extractors from `keras.applications`, each with its own input scaling inside.

Every backbone takes pixels in [0, 255], whatever scaling its pretrained weights expect, and is a
nested model whose layers carry the instance's name as prefix, so that several live in one graph, also
of one application. A model built on backbones has each one's map as the output of the layer
`{instance}_map`.
"""

import difflib
import os
import re
from pathlib import Path

import keras
import numpy as np

from keras_medformers.layers import CaffePixels
from keras_medformers.models.applications import BACKBONES
from keras_medformers.models.backbone_files import (
    imagenet_weights_files,
    is_legacy_file,
    load_backbone_weights,
    snake_case,
)

_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)


def instance_names(backbones):
    """A name for each backbone, in order: `xception`, `xception_2`, `resnet50`, `xception_3`.

    Raises:
        ValueError: If there is none, or one is not known; the message has near matches.
    """
    if isinstance(backbones, str) or not backbones:
        raise ValueError(
            f"Expected `backbones` to be a list of at least one name. Received: {backbones=}"
        )
    names = []
    for index, name in enumerate(backbones):
        _check_name(name)
        copy = tuple(backbones[: index + 1]).count(name)
        names.append(name if copy == 1 else f"{name}_{copy}")
    return tuple(names)


def _check_name(name):
    if name not in BACKBONES:
        near = difflib.get_close_matches(str(name).lower(), BACKBONES, n=3, cutoff=0.6)
        hint = (
            f"Did you mean {' or '.join(map(repr, near))}?"
            if near
            else f"Known: {', '.join(BACKBONES)}."
        )
        raise ValueError(
            f"Expected a backbone's name, as in keras.applications in lower case. Received: {name!r}. {hint}"
        )


def backbone_maps(image, backbones, backbone_weights=None, frozen_fraction=1.0):
    """Runs backbones on one image.

    Args:
        image: Tensor `(batch, height, width, 3)`, values in [0, 255].
        backbones: Names from `BACKBONES`; a name may come several times.
        backbone_weights: None, `"imagenet"`, or a list with None, `"imagenet"` or a path for each instance.
        frozen_fraction: Share of each backbone's layers that do not train, from the input up.

    Returns:
        A dict from instance to its map, the output of the layer `{instance}_map`.

    Raises:
        FileNotFoundError: If a weights file is not there and cannot be downloaded.
        ValueError: If an argument is not known or does not fit, or the maps differ in height or width.
    """
    weights = _weights_by_instance(backbones, backbone_weights)
    maps = {}
    for name, instance in zip(backbones, weights):
        model = build_backbone(
            name, image.shape[1:], weights[instance], frozen_fraction, instance
        )
        maps[instance] = keras.layers.Identity(name=f"{instance}_map")(model(image))

    sizes = {instance: tuple(x.shape[1:3]) for instance, x in maps.items()}
    if len(set(sizes.values())) > 1:
        listed = ", ".join(
            f"{instance} {height} x {width}"
            for instance, (height, width) in sizes.items()
        )
        raise ValueError(
            f"Expected `backbones` whose maps are of one size. Received: {listed}"
        )

    return maps


def _weights_by_instance(backbones, backbone_weights):
    instances = instance_names(backbones)
    if backbone_weights is None or backbone_weights == "imagenet":
        backbone_weights = [backbone_weights] * len(instances)
    if isinstance(backbone_weights, (str, os.PathLike)) or len(backbone_weights) != len(
        instances
    ):
        raise ValueError(
            f"Expected `backbone_weights` to be None, 'imagenet' or a list of {len(instances)}, each None, "
            f"'imagenet' or a path, for {', '.join(instances)}. Received: {backbone_weights=}"
        )

    released = imagenet_weights_files(
        [
            name
            for name, of_one in zip(backbones, backbone_weights)
            if of_one == "imagenet"
        ]
    )
    return {
        instance: released[name] if of_one == "imagenet" else of_one
        for instance, name, of_one in zip(instances, backbones, backbone_weights)
    }


def build_backbone(name, input_shape, weights=None, frozen_fraction=1.0, instance=None):
    """Builds a backbone as a nested functional model.

    Args:
        name: A key of `BACKBONES`: a CNN of `keras.applications` in lower case, or `"xception_block13"`.
        input_shape: `(height, width, 3)`.
        weights: None (random), `"imagenet"`, or the path of a weights file of this application
            without top (`.h5`, `.weights.h5` or `.keras`).
        frozen_fraction: Share of the layers, from the input up, that do not train. Frozen
            BatchNorm layers run in inference mode.
        instance: The model's name and its layers' prefix; `name` by default.

    Returns:
        A `keras.Model` from pixels in [0, 255] to the last feature map.

    Raises:
        FileNotFoundError: If a weights file is not there and cannot be downloaded.
        ValueError: If the name is unknown, the fraction is not within [0, 1] or the file holds
            other weights; the message names the first variable that does not fit.
    """
    _check_name(name)
    if not 0.0 <= frozen_fraction <= 1.0:
        raise ValueError(
            f"Expected `frozen_fraction` within [0, 1]. Received: {frozen_fraction=}"
        )

    path = imagenet_weights_files([name])[name] if weights == "imagenet" else weights
    instance = instance or name
    pixels = keras.Input(input_shape, name=f"{instance}_pixels")
    model = _with_prefix(_application(name, pixels, path), instance)
    frozen_layers = round(frozen_fraction * len(model.layers))
    if frozen_layers == len(model.layers):
        model.trainable = False
    for layer in model.layers[:frozen_layers]:
        layer.trainable = False
    return model


def backbone_instances(model):
    """Names of the backbones that `model` was built on, in the order of the layers; they may be none."""
    names = {layer.name for layer in model.layers}
    mapped = (name.removesuffix("_map") for name in names if name.endswith("_map"))
    with_map = {name for name in mapped if name in names}
    return tuple(layer.name for layer in model.layers if layer.name in with_map)


def save_backbone_weights(model, path):
    """Writes the weights of the one backbone that `model` was built on.

    The file is one that `backbone_weights` takes: for this backbone, and from `"xception"` also for
    `"xception_block13"`.

    Args:
        model: A model with one backbone.
        path: The file; its name ends in `.weights.h5`.

    Raises:
        ValueError: If the model has no backbone or several, or the name ends otherwise.
    """
    instances = backbone_instances(model)
    if len(instances) != 1:
        raise ValueError(
            f"Expected `model` with one backbone. Received: {model.name!r} with {instances}"
        )
    if not str(path).endswith(".weights.h5"):
        raise ValueError(
            f"Expected `path` to end in .weights.h5. Received: path={str(path)!r}"
        )
    model.get_layer(instances[0]).save_weights(path)


def _application(name, pixels, path):
    """The application on pixels in [0, 255], with the file's weights."""
    if path is not None and not Path(path).is_file():
        raise FileNotFoundError(f"No weights file for backbone {name!r} at {path}.")

    spec = BACKBONES[name]
    constructor = getattr(keras.applications, spec.constructor)
    model = whole = constructor(
        include_top=False, weights=None, input_tensor=_scaled(pixels, spec.scaling)
    )
    if spec.ends_before is not None:
        model = keras.Model(pixels, whole.get_layer(spec.ends_before).input)
    if path is not None:
        # Legacy files are read by the order of layers, all of which must be there.
        load_backbone_weights(whole if is_legacy_file(path) else model, name, path)

    for layer in model.layers:
        if isinstance(layer, keras.layers.Normalization) and layer.variables:
            _repair_normalization(layer, from_file=path is not None)
    return model


def _scaled(pixels, scaling):
    if scaling == "tf":
        return keras.layers.Rescaling(1 / 127.5, -1.0, name="input_scaling")(pixels)
    if scaling == "torch":
        scale = tuple(1 / (255 * std) for std in _IMAGENET_STD)
        offset = tuple(-mean / std for mean, std in zip(_IMAGENET_MEAN, _IMAGENET_STD))
        return keras.layers.Rescaling(scale, offset, name="input_scaling")(pixels)
    if scaling == "caffe":
        return CaffePixels(name="input_scaling")(pixels)
    return pixels


def _repair_normalization(layer, from_file):
    """Makes EfficientNet's inner normalisation divide by ImageNet's deviation.

    Released files store the deviation where the layer expects the variance. Keras makes up for
    it by one more layer when it is asked for "imagenet", not when it is given the same file.
    """
    mean, variance, count = layer.get_weights()
    if not from_file:
        mean, variance = np.array(_IMAGENET_MEAN), np.array(_IMAGENET_STD) ** 2
    elif np.allclose(variance, _IMAGENET_STD, atol=1e-3):
        variance = variance**2
    layer.set_weights([mean.reshape(-1), variance.reshape(-1), count])
    layer.finalize_state()


def _with_prefix(application, name):
    """A copy whose layers carry the backbone's name."""
    new_names = _stable_names(application, name)

    def rename(layer):
        return layer.__class__.from_config(
            {**layer.get_config(), "name": new_names[layer.name]}
        )

    model = keras.models.clone_model(application, clone_function=rename)
    model.set_weights(application.get_weights())
    model.name = name
    for layer in model.layers:
        if isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()
    return model


def _stable_names(application, prefix):
    """Prefixed names by old name; those that Keras counts up per process are counted anew."""
    names, counts = {}, {}
    for layer in (
        application.operations
    ):  # the layers, and what MobileNetV3 computes without any
        class_name = snake_case(layer.__class__.__name__)
        if re.sub(r"_\d+$", "", layer.name) == class_name:
            counts[class_name] = counts.get(class_name, 0) + 1
            names[layer.name] = f"{prefix}_{class_name}_{counts[class_name]}"
        else:
            names[layer.name] = f"{prefix}_{layer.name}"
    return names
