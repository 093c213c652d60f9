"""CNN feature extractors from `keras.applications`, each with its own input scaling inside.

Every backbone takes pixels in [0, 255], whatever scaling its pretrained weights expect, and is a
nested model whose layers carry the backbone's name as prefix, so that several live in one graph.
"""

import dataclasses
import hashlib
import os
import pathlib
import re

import keras
import numpy as np

_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclasses.dataclass(frozen=True)
class BackboneSpec:
    """How to build a backbone and which file holds its ImageNet weights without top.

    `scale` and `offset` take pixels in [0, 255] to the backbone's input; None where the
    application scales inside.
    """

    constructor: str
    weights_file: str
    md5: str
    scale: float | tuple[float, ...] | None = 1 / 127.5
    offset: float | tuple[float, ...] = -1.0


BACKBONES = {
    "xception": BackboneSpec(
        "Xception",
        "xception_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "b0042744bf5b25fce3cb969f33bebb97",
    ),
    "resnet152v2": BackboneSpec(
        "ResNet152V2",
        "resnet152v2_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "ed17cf2e0169df9d443503ef94b23b33",
    ),
    "efficientnetb5": BackboneSpec(
        "EfficientNetB5", "efficientnetb5_notop.h5", "38879255a25d3c92d5e44e04ae6cec6f", scale=None
    ),
    "densenet201": BackboneSpec(
        "DenseNet201",
        "densenet201_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "c13680b51ded0fb44dff2d8f86ac8bb1",
        scale=tuple(1 / (255 * std) for std in _IMAGENET_STD),
        offset=tuple(-mean / std for mean, std in zip(_IMAGENET_MEAN, _IMAGENET_STD)),
    ),
}


def build_backbone(name, input_shape, weights=None, frozen_fraction=1.0):
    """Builds a backbone as a nested functional model.

    Args:
        name: A key of `BACKBONES`.
        input_shape: `(height, width, 3)`.
        weights: None (random), `"imagenet"`, or the path of a weights file of this application
            without top (`.h5`, `.weights.h5` or `.keras`).
        frozen_fraction: Share of the layers, from the input up, that do not train. Frozen
            BatchNorm layers run in inference mode.

    Returns:
        A `keras.Model` from pixels in [0, 255] to the last feature map.

    Raises:
        FileNotFoundError: If a weights file is not there and cannot be downloaded.
        ValueError: If the name is unknown, the fraction is not within [0, 1] or the file holds
            other weights.
    """
    if name not in BACKBONES:
        raise ValueError(f"Expected a backbone of {sorted(BACKBONES)}. Received: {name!r}")
    if not 0.0 <= frozen_fraction <= 1.0:
        raise ValueError(f"Expected `frozen_fraction` within [0, 1]. Received: {frozen_fraction=}")
    path = imagenet_weights_files([name])[name] if weights == "imagenet" else weights
    model = _with_prefix(_application(name, input_shape, path), name)
    frozen_layers = round(frozen_fraction * len(model.layers))
    if frozen_layers == len(model.layers):
        model.trainable = False
    for layer in model.layers[:frozen_layers]:
        layer.trainable = False
    return model


def imagenet_weights_files(names):
    """Paths of the ImageNet weights of several backbones, downloaded by Keras where missing.

    Files already in Keras' cache (`$KERAS_HOME/models`, else `~/.keras/models`) are verified
    before Keras sees them, since it deletes a file whose hash is wrong.

    Returns:
        A dict from name to path.

    Raises:
        FileNotFoundError: If files are missing and the download fails; the message lists every
            one that is to be put there, with its hash.
        ValueError: If a file in the cache is not the released one.
    """
    files = {name: _cache_folder() / BACKBONES[name].weights_file for name in names}
    for name, path in files.items():
        if path.is_file():
            _verify(path, BACKBONES[name].md5)
    missing = [name for name, path in files.items() if not path.is_file()]
    for name in missing:
        try:
            _constructor(name)(include_top=False, weights="imagenet")
        except Exception as error:
            if not str(error).startswith("URL fetch failure"):
                raise
            raise FileNotFoundError(_missing_files_message(missing, files)) from error
    return files


def _constructor(name):
    return getattr(keras.applications, BACKBONES[name].constructor)


def _cache_folder():
    home = os.environ.get("KERAS_HOME") or pathlib.Path.home() / ".keras"
    return pathlib.Path(home) / "models"


def _verify(path, md5):
    with open(path, "rb") as file:
        found = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if found != md5:
        raise ValueError(
            f"{path} is not the released weights file: expected md5 {md5}, found {found}. "
            "Replace it, or move it elsewhere and give its path as the backbone's weights."
        )


def _missing_files_message(missing, files):
    lines = [f"  {files[name]}  (md5 {BACKBONES[name].md5})" for name in missing]
    return (
        "ImageNet weights are not in the cache and could not be downloaded. Put these files of "
        "keras.applications there:\n" + "\n".join(lines)
    )


def _application(name, input_shape, path):
    """The application on pixels in [0, 255], with the file's weights."""
    if path is not None and not pathlib.Path(path).is_file():
        raise FileNotFoundError(f"No weights file for backbone {name!r} at {path}.")
    spec = BACKBONES[name]
    pixels = keras.Input(input_shape, name=f"{name}_pixels")
    x = pixels
    if spec.scale is not None:
        x = keras.layers.Rescaling(spec.scale, spec.offset, name="input_scaling")(pixels)
    try:
        model = _constructor(name)(
            include_top=False, weights=None if path is None else str(path), input_tensor=x
        )
    except ValueError as error:
        if path is None:
            raise
        raise ValueError(f"{path} does not hold weights of {name!r} without top: {error}") from error
    for layer in model.layers:
        if isinstance(layer, keras.layers.Normalization):
            _repair_normalization(layer, from_file=path is not None)
    return model


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
        return layer.__class__.from_config({**layer.get_config(), "name": new_names[layer.name]})

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
    for layer in application.layers:
        class_name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", layer.__class__.__name__).lower()
        if re.sub(r"_\d+$", "", layer.name) == class_name:
            counts[class_name] = counts.get(class_name, 0) + 1
            names[layer.name] = f"{prefix}_{class_name}_{counts[class_name]}"
        else:
            names[layer.name] = f"{prefix}_{layer.name}"
    return names
