"""Weights files of backbones: ImageNet's in Keras' cache, and whatever file a path names.

Files are opened with h5py, which Keras itself needs, only to say which variable does not fit.
"""

import hashlib
import io
import itertools
import os
import re
import zipfile
from pathlib import Path

import h5py
import keras

from keras_medformers.models.applications import BACKBONES


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
            _verify(path, BACKBONES[name].digest)

    missing = [name for name, path in files.items() if not path.is_file()]
    for name in missing:
        try:
            getattr(keras.applications, BACKBONES[name].constructor)(
                include_top=False, weights="imagenet"
            )
        except Exception as error:
            if not str(error).startswith("URL fetch failure"):
                raise
            raise FileNotFoundError(_missing_files_message(missing, files)) from error

    return files


def _cache_folder():
    home = os.environ.get("KERAS_HOME") or Path.home() / ".keras"
    return Path(home) / "models"


def _verify(path, digest):
    if digest is None:
        return
    kind = _digest_kind(digest)
    with open(path, "rb") as file:
        found = hashlib.file_digest(
            file, lambda: hashlib.new(kind, usedforsecurity=False)
        ).hexdigest()
    if found != digest:
        raise ValueError(
            f"{path} is not the released weights file: expected {kind} {digest}, found {found}. "
            "Replace it, or move it elsewhere and give its path as the backbone's weights."
        )


def _digest_kind(digest):
    return "md5" if len(digest) == 32 else "sha256"


def _missing_files_message(missing, files):
    lines = {}
    for name in missing:
        digest = BACKBONES[name].digest
        lines[files[name]] = f"  {files[name]}" + (
            f"  ({_digest_kind(digest)} {digest})" if digest else ""
        )
    return (
        "ImageNet weights are not in the cache and could not be downloaded. Put these files of "
        "keras.applications there:\n" + "\n".join(lines.values())
    )


def is_legacy_file(path):
    """Whether it is HDF5 in the layout before Keras 3, as the released files are."""
    return not str(path).endswith((".weights.h5", ".keras"))


def load_backbone_weights(model, name, path):
    """Loads a file of this application without top into `model`.

    Args:
        model: The application with its own layer names.
        name: The backbone's name, for the message.
        path: A `.h5`, `.weights.h5` or `.keras` file.

    Raises:
        ValueError: If the file holds other weights; the message names the first variable that does not fit.
    """
    unreadable = (KeyError, OSError, zipfile.BadZipFile)
    try:
        model.load_weights(path)
    except (ValueError, *unreadable) as error:
        try:
            reason = _first_misfit(model, path) or error
        except unreadable:
            reason = error
        raise ValueError(
            f"{path} does not hold weights of {name!r} without top: {reason}"
        ) from error


def _first_misfit(model, path):
    """What is wrong with the first variable for which the file has another shape or none; None if all fit."""
    with _open_weights(path) as file:
        if is_legacy_file(path):
            pairs = itertools.zip_longest(
                _by_layer(model), _legacy_shapes(file), fillvalue=(None, None)
            )
        else:
            pairs = (
                ((variable, shape), (key, file[key].shape if key in file else None))
                for variable, shape, key in _stored_variables(model)
            )
        for (variable, expected), (key, found) in pairs:
            if expected != found:
                return _misfit(variable, expected, key, found)
    return None


def _misfit(variable, expected, key, found):
    there = "has none for it" if found is None else f"has {key} of shape {found}"
    if variable is None:
        return f"the model has no more variables, and the file {there}"
    return (
        f"variable {variable!r} has shape {expected} in the model, and the file {there}"
    )


def _by_layer(model):
    """Names and shapes in the order of legacy files."""
    for layer in model.layers:
        for variable in [*layer.trainable_weights, *layer.non_trainable_weights]:
            yield variable.path, tuple(variable.shape)


def _legacy_shapes(file):
    group = file if "layer_names" in file.attrs else file["model_weights"]
    for layer in group.attrs["layer_names"]:
        for weight in group[layer].attrs["weight_names"]:
            yield _text(weight), group[layer][weight].shape


def _text(name):
    return name.decode() if isinstance(name, bytes) else name


def _open_weights(path):
    if str(path).endswith(".keras"):
        with zipfile.ZipFile(path) as archive:
            return h5py.File(io.BytesIO(archive.read("model.weights.h5")))
    return h5py.File(path)


def _stored_variables(model, prefix=""):
    """Each variable's name, shape and key in Keras 3's files, where layers count by class."""
    counts = {}
    for layer in model.layers:
        kind = snake_case(layer.__class__.__name__)
        count = counts[kind] = counts.get(kind, -1) + 1
        group = f"{prefix}layers/{kind}_{count}" if count else f"{prefix}layers/{kind}"
        if isinstance(layer, keras.Model):
            yield from _stored_variables(layer, f"{group}/")
            continue
        own = {}
        layer.save_own_variables(own)
        for index, (key, value) in enumerate(own.items()):
            yield layer.variables[index].path, tuple(value.shape), f"{group}/vars/{key}"


def snake_case(class_name):
    """As Keras names layers by their class."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", class_name).lower()
