"""Writes a model and its preprocessing as one SavedModel, from raw pixels to probabilities.

The layout is TensorFlow Serving's: `DIRECTORY/VERSION/`, versions counting up from 1. What is written is
loaded again and compared with the Keras model before it gets its place, so a version that stands there is
whole and right.
"""

import errno
import logging
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

logger = logging.getLogger(__name__)

ACTIVATIONS = {"sigmoid": tf.nn.sigmoid, "softmax": tf.nn.softmax, "linear": tf.identity}
"""From the model's outputs to probabilities; `linear` for a model that gives probabilities itself."""

TOLERANCE = 1e-4

FEATURE_SLACK = 100
"""Rounding in the feature maps of very deep networks is that much larger than in their outputs."""


def export_saved_model(
    model: keras.Model,
    preprocessor: Callable,
    label_names: Sequence[str],
    directory: str | Path,
    feature_layer: str = "feature_map",
    *,
    activation: str = "sigmoid",
    pixel_dtype: str = "int16",
    channels: int = 1,
    samples: Sequence[np.ndarray] | None = None,
    tolerance: float = TOLERANCE,
) -> Path:
    """Exports `model` behind `preprocessor` as the next version in `directory`.

    The SavedModel has two signatures, both with one input, `pixels`, of any batch, height and width:

    - `serving_default`: `probabilities`, float32 `(batch, labels)`, and `labels`, the label names as strings
      `(batch, labels)`;
    - `features`: `probabilities`, and `features`, the output of `feature_layer`.

    The label names are also the asset `labels.txt`, one a line. Each weight is stored once.

    Args:
        model: Model with one input (what `preprocessor` gives) and one output of shape `(batch, labels)`.
        preprocessor: From raw pixels `(batch, height, width, channels)` to the model's input; the one it was
            trained with.
        label_names: Names of the outputs, in order.
        directory: Where the versions are; made if absent.
        feature_layer: Name of the layer whose output is the feature map.
        activation: Key of `ACTIVATIONS`.
        pixel_dtype: Type of the raw pixels: `int16` for HU.
        channels: Channels of the raw pixels.
        samples: Batches of raw pixels, each `(batch, height, width, channels)`, on which the SavedModel is
            compared with `model`; `sample_slices_hu()` if not given.
        tolerance: Largest absolute difference allowed for probabilities; for features it is relative to
            the largest value and `FEATURE_SLACK` times as much.

    Returns:
        The version's folder.

    Raises:
        ValueError: If arguments do not fit the model.
        RuntimeError: If the SavedModel does not agree with the model; nothing is left behind.
    """
    features_and_outputs = _features_and_outputs(model, feature_layer)
    label_names = _checked_labels(model, label_names)
    if activation not in ACTIVATIONS:
        raise ValueError(f"`activation` must be one of {', '.join(ACTIVATIONS)}. Received: {activation!r}")
    samples = sample_slices_hu() if samples is None else samples
    if not len(samples):
        raise ValueError("`samples` must hold at least one batch of pixels to compare on. Received: none")

    def apply(pixels):
        features, outputs = features_and_outputs(preprocessor(pixels), training=False)
        probabilities = ACTIVATIONS[activation](tf.cast(outputs, tf.float32))
        return {"features": tf.cast(features, tf.float32), "probabilities": probabilities}

    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=directory))
    try:
        pixels = tf.TensorSpec([None, None, None, channels], pixel_dtype, name="pixels")
        _save(apply, pixels, label_names, partial / "model")
        _compare(apply, partial / "model", samples, pixel_dtype, tolerance)
        version = _move_to_next_version(partial / "model", directory)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    logger.info("Exported %s", version)
    return version


def sample_slices_hu(sizes_px: Sequence[int] = (512, 256), seed: int = 0) -> list[np.ndarray]:
    """Head-like slices to compare models on: air, a ring of bone, noisy brain with a bright spot.

    Args:
        sizes_px: Side of each batch's slices.
        seed: Seed of the noise.

    Returns:
        One int16 batch of HU per size, of shape `(batch, size, size, 1)`; the first has one slice, the next
        two, ...
    """
    generator = np.random.default_rng(seed)
    batches = []
    for count, size in enumerate(sizes_px, start=1):
        y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
        radius = np.hypot(x / 0.75, y / 0.9)
        head = np.where(radius > 1, -1000, np.where(radius > 0.92, 1200, 35))
        head = np.where(np.hypot(x - 0.2, y) < 0.12, 70, head)
        noisy = head + generator.normal(0, 5, (count, size, size))
        batches.append(np.rint(noisy).astype("int16")[..., None])
    return batches


def _features_and_outputs(model: keras.Model, feature_layer: str) -> keras.Model:
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise ValueError(
            "`model` must have one input and one output. "
            f"Received: {len(model.inputs)} and {len(model.outputs)}"
        )
    names = [layer.name for layer in model.layers]
    if feature_layer not in names:
        raise ValueError(
            f"`feature_layer` must name a layer of the model. Received: {feature_layer!r}. "
            f"Its last layers: {', '.join(names[-8:])}"
        )
    return keras.Model(model.inputs, [model.get_layer(feature_layer).output, model.outputs[0]])


def _checked_labels(model: keras.Model, label_names: Sequence[str]) -> list[str]:
    label_names = [str(name) for name in label_names]
    if tuple(model.outputs[0].shape[1:]) != (len(label_names),):
        raise ValueError(
            f"`label_names` must name each of the model's outputs, of shape {tuple(model.outputs[0].shape)}. "
            f"Received: {', '.join(label_names)}"
        )
    if any(not name or "\n" in name for name in label_names):
        raise ValueError(f"`label_names` must be single lines of text, not empty. Received: {label_names}")
    return label_names


def _save(apply: Callable, pixels: tf.TensorSpec, label_names: list[str], path: Path) -> None:
    """Writes the SavedModel. Both signatures call one traced function.

    A plain `tf.Module` that holds just the variables of that function stores each weight once;
    `keras.export.ExportArchive.track` would store it under the layers' names too.
    """
    shared = tf.function(apply, input_signature=[pixels], autograph=False)
    module = tf.Module()
    module.model_variables = list(shared.get_concrete_function().variables)

    @tf.function(input_signature=[pixels], autograph=False)
    def serving_default(pixels):
        probabilities = shared(pixels)["probabilities"]
        labels = tf.broadcast_to(tf.constant(label_names), tf.shape(probabilities))
        return {"probabilities": probabilities, "labels": labels}

    @tf.function(input_signature=[pixels], autograph=False)
    def features(pixels):
        return shared(pixels)

    with tempfile.TemporaryDirectory() as folder:
        asset = Path(folder) / "labels.txt"
        asset.write_text("".join(f"{name}\n" for name in label_names), encoding="utf-8")
        module.labels_file = tf.saved_model.Asset(str(asset))
        signatures = {"serving_default": serving_default, "features": features}
        tf.saved_model.save(module, str(path), signatures=signatures)


def _compare(apply: Callable, path: Path, samples, pixel_dtype: str, tolerance: float) -> None:
    loaded = tf.saved_model.load(str(path))
    for batch in samples:
        pixels = tf.constant(np.asarray(batch), pixel_dtype)
        expected = apply(pixels)
        served = loaded.signatures["features"](pixels=pixels)
        default = loaded.signatures["serving_default"](pixels=pixels)
        pairs = {
            "probabilities": (default["probabilities"], expected["probabilities"], 1.0),
            "features": (
                served["features"],
                expected["features"],
                max(1.0, float(tf.reduce_max(tf.abs(expected["features"])))),
            ),
        }
        for name, (received, wanted, scale) in pairs.items():
            difference = float(np.max(np.abs(received.numpy() - wanted.numpy()))) / scale
            # NaN has to fail too, so the comparison is not turned around.
            allowed = tolerance if name == "probabilities" else FEATURE_SLACK * tolerance
            if not difference <= allowed:
                raise RuntimeError(
                    f"The exported model's {name} differ from the Keras model's by {difference:.3g} on "
                    f"slices of shape {tuple(pixels.shape)}; expected at most {allowed:g}. "
                    "Nothing was exported."
                )


def _move_to_next_version(path: Path, directory: Path) -> Path:
    """Renames `path` to the next version number; takes a later one if another export is faster."""
    while True:
        version = directory / str(
            1 + max((int(p.name) for p in directory.iterdir() if p.name.isdecimal()), default=0)
        )
        try:
            return path.rename(version)
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise
