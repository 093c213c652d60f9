"""Writes a model and its preprocessing as one SavedModel, from raw pixels to probabilities.

The layout is TensorFlow Serving's: `DIRECTORY/VERSION/`, versions counting up from 1. What is written is
loaded again and compared with the Keras model before it gets its place, so a version that stands there is
whole and right.
"""

import contextlib
import errno
import logging
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from keras_medformers.serving.samples import sample_photographs, sample_slices_hu

logger = logging.getLogger(__name__)

ACTIVATIONS = {"sigmoid": tf.nn.sigmoid, "softmax": tf.nn.softmax, "linear": tf.identity}
"""From the model's outputs to probabilities; `linear` for a model that gives probabilities itself."""

PROBABILITIES = "probabilities"
"""Name of the output of a model that has only one."""

TOLERANCE = 1e-4

FEATURE_SLACK = 100
"""Rounding in the feature maps of very deep networks is that much larger than in their outputs."""


def export_saved_model(
    model: keras.Model,
    preprocessor: Callable,
    label_names: Sequence[str] | Mapping[str, Sequence[str]],
    directory: str | Path,
    feature_layer: str = "feature_map",
    *,
    activation: str = "sigmoid",
    pixel_dtype: str = "int16",
    channels: int = 1,
    encoded: bool = False,
    samples: Sequence[np.ndarray] | None = None,
    tolerance: float = TOLERANCE,
) -> Path:
    """Exports `model` behind `preprocessor` as the next version in `directory`.

    The SavedModel has two signatures with one input, `pixels`, of any batch, height and width, and for
    photographs, if asked for, a third one:

    - `serving_default`: `probabilities`, float32 `(batch, labels)`, and `labels`, the label names as strings
      `(batch, labels)`;
    - `features`: `probabilities`, and `features`, the output of `feature_layer`;
    - `encoded`: as `serving_default`, from the input `encoded`, `(batch,)` strings: JPEG or PNG files, each
      of any size. Grey ones become RGB, transparency is dropped; the orientation in EXIF is not applied.

    Of a model that gives a dict, the signatures have for each task `TASK` and `TASK_labels` in place of
    `probabilities` and `labels`.

    The label names are also the asset `labels.txt`, one a line, those of several tasks one task after the
    other. Each weight is stored once.

    Args:
        model: Model with one input (what `preprocessor` gives) and one output of shape `(batch, labels)`, or
            a dict of such outputs.
        preprocessor: From raw pixels `(batch, height, width, channels)` to the model's input; the one it was
            trained with.
        label_names: Names of the outputs, in order; by task for a model that gives a dict.
        directory: Where the versions are; made if absent.
        feature_layer: Name of the layer whose output is the feature map.
        activation: Key of `ACTIVATIONS`.
        pixel_dtype: Type of the raw pixels: `int16` for HU, `uint8` for photographs.
        channels: Channels of the raw pixels.
        encoded: Whether to add the signature `encoded`; the pixels have to be uint8 RGB for it.
        samples: Batches of raw pixels, each `(batch, height, width, channels)`, on which the SavedModel is
            compared with `model`; if not given, `sample_photographs()` for uint8 RGB, else
            `sample_slices_hu()`.
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
    photographs = (pixel_dtype, channels) == ("uint8", 3)
    if encoded and not photographs:
        raise ValueError(
            "`encoded` needs pixel_dtype='uint8' and channels=3, which is what JPEG and PNG decode to. "
            f"Received: {pixel_dtype=}, {channels=}"
        )
    if samples is None:
        samples = sample_photographs() if photographs else sample_slices_hu()
    if not len(samples):
        raise ValueError("`samples` must hold at least one batch of pixels to compare on. Received: none")

    def network(inputs):
        features, outputs = features_and_outputs(inputs, training=False)
        to_probabilities = ACTIVATIONS[activation]
        return {
            "features": tf.cast(features, tf.float32),
            **{key: to_probabilities(tf.cast(x, tf.float32)) for key, x in _by_name(outputs).items()},
        }

    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=directory))
    try:
        pixels = tf.TensorSpec([None, None, None, channels], pixel_dtype, name="pixels")
        inputs = tf.TensorSpec(model.inputs[0].shape, model.inputs[0].dtype)
        module, signatures = _signatures(network, inputs, preprocessor, pixels, label_names, encoded)
        _save(module, signatures, label_names, partial / "model")
        loaded = tf.saved_model.load(str(partial / "model")).signatures
        for batch in samples:
            batch = tf.constant(np.asarray(batch), pixel_dtype)
            _compare(network(preprocessor(batch)), loaded, batch, tolerance)
        version = _move_to_next_version(partial / "model", directory)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    logger.info("Exported %s", version)
    return version


def _features_and_outputs(model: keras.Model, feature_layer: str) -> keras.Model:
    if len(model.inputs) != 1 or isinstance(model.output, (list, tuple)):
        raise ValueError(
            "`model` must have one input and one output, or a dict of outputs. "
            f"Received: {len(model.inputs)} and {len(model.outputs)}"
        )
    names = [layer.name for layer in model.layers]
    if feature_layer not in names:
        raise ValueError(
            f"`feature_layer` must name a layer of the model. Received: {feature_layer!r}. "
            f"Its last layers: {', '.join(names[-8:])}"
        )
    return keras.Model(model.inputs, [model.get_layer(feature_layer).output, model.output])


def _by_name(outputs):
    """What belongs to each output; a model's only one is `PROBABILITIES`."""
    return outputs if isinstance(outputs, Mapping) else {PROBABILITIES: outputs}


def _checked_labels(model: keras.Model, label_names: Sequence[str] | Mapping) -> dict[str, list[str]]:
    """Names of the labels by the output's name."""
    outputs = _by_name(model.output)
    names = {key: [str(name) for name in of_output] for key, of_output in _by_name(label_names).items()}
    if names.keys() != outputs.keys():
        raise ValueError(
            "`label_names` must be a list for a model with one output, and lists by output for one that "
            f"gives a dict. Received: those of {', '.join(names)} for {', '.join(outputs)}"
        )
    for key, of_output in names.items():
        shape = tuple(outputs[key].shape)
        if shape[1:] != (len(of_output),):
            raise ValueError(
                f"`label_names` must name each of the model's outputs, of shape {shape}. "
                f"Received: {', '.join(of_output)}"
            )
        if any(not name or "\n" in name for name in of_output):
            raise ValueError(f"`label_names` must be single lines, not empty. Received: {of_output}")
    return names


def _signatures(
    network: Callable,
    inputs: tf.TensorSpec,
    preprocessor: Callable,
    pixels: tf.TensorSpec,
    label_names: dict[str, list[str]],
    encoded: bool,
) -> tuple[tf.Module, dict]:
    """The signatures, and a module with their variables. All call one traced network.

    A plain `tf.Module` that holds just the variables of the functions stores each weight once;
    `keras.export.ExportArchive.track` would store it under the layers' names too.
    """
    shared = tf.function(network, input_signature=[inputs], autograph=False)

    def preprocessed(pixels):
        return tf.ensure_shape(tf.cast(preprocessor(pixels), inputs.dtype), inputs.shape)

    def with_labels(outputs):
        answers = {}
        for name, of_output in label_names.items():
            labels = "labels" if name == PROBABILITIES else f"{name}_labels"
            answers[name] = outputs[name]
            answers[labels] = tf.broadcast_to(tf.constant(of_output), tf.shape(outputs[name]))
        return answers

    @tf.function(input_signature=[pixels], autograph=False)
    def serving_default(pixels):
        return with_labels(shared(preprocessed(pixels)))

    @tf.function(input_signature=[pixels], autograph=False)
    def features(pixels):
        return shared(preprocessed(pixels))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="encoded")], autograph=False)
    def from_encoded(encoded):
        one_input = tf.TensorSpec(inputs.shape[1:], inputs.dtype)
        images = tf.map_fn(
            lambda file: preprocessed(_decode(file)[None])[0], encoded, fn_output_signature=one_input
        )
        return with_labels(shared(images))

    signatures = {"serving_default": serving_default, "features": features}
    if encoded:
        signatures["encoded"] = from_encoded
    variables = [v for function in signatures.values() for v in function.get_concrete_function().variables]
    module = tf.Module()
    module.model_variables = list({v.ref(): v for v in variables}.values())
    return module, signatures


def _decode(encoded: tf.Tensor) -> tf.Tensor:
    """The RGB pixels of a JPEG or PNG file, as the input pipeline decodes it: the operation takes both."""
    return tf.io.decode_jpeg(encoded, channels=3, dct_method="INTEGER_ACCURATE")


def _save(module: tf.Module, signatures: dict, label_names: dict[str, list[str]], path: Path) -> None:
    with tempfile.TemporaryDirectory() as folder, _no_talk_of_renamed_inputs():
        asset = Path(folder) / "labels.txt"
        lines = [f"{name}\n" for of_output in label_names.values() for name in of_output]
        asset.write_text("".join(lines), encoding="utf-8")
        module.labels_file = tf.saved_model.Asset(str(asset))
        tf.saved_model.save(module, str(path), signatures=signatures)


@contextlib.contextmanager
def _no_talk_of_renamed_inputs() -> Iterator[None]:
    """TensorFlow lists every captured weight, of a large model for pages, by way of absl's logger."""
    absl = logging.getLogger("absl")
    level = absl.level
    absl.setLevel(logging.ERROR)
    try:
        yield
    finally:
        absl.setLevel(level)


def _compare(expected: dict, signatures: dict, pixels: tf.Tensor, tolerance: float) -> None:
    """Raises `RuntimeError` if a signature's result for the batch `pixels` is too far from `expected`."""
    features = expected["features"]
    answers = {name: values for name, values in expected.items() if name != "features"}
    largest_feature = max(1.0, float(tf.reduce_max(tf.abs(features))))
    default = signatures["serving_default"](pixels=pixels)
    comparisons = [
        *((name, default[name], wanted, tolerance) for name, wanted in answers.items()),
        (
            "features",
            signatures["features"](pixels=pixels)["features"] / largest_feature,
            features / largest_feature,
            FEATURE_SLACK * tolerance,
        ),
    ]
    if "encoded" in signatures:
        files = tf.stack([tf.io.encode_png(image) for image in pixels])
        from_files = signatures["encoded"](encoded=files)
        comparisons += [
            (f"{name} from encoded images", from_files[name], wanted, tolerance)
            for name, wanted in answers.items()
        ]
    for name, received, wanted, allowed in comparisons:
        difference = float(np.max(np.abs(received.numpy() - wanted.numpy())))
        # NaN has to fail too, so the comparison is not turned around.
        if not difference <= allowed:
            raise RuntimeError(
                f"The exported model's {name} differ from the Keras model's by {difference:.3g} on "
                f"images of shape {tuple(pixels.shape)}; expected at most {allowed:g}. "
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
