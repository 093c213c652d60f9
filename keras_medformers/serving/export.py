"""Writes a model and its preprocessing as one SavedModel, from raw pixels to probabilities.

The layout is TensorFlow Serving's: `DIRECTORY/VERSION/`, versions counting up from 1. What is written is
loaded again and compared with the Keras model before it gets its place, so a version that stands there is
whole and right.
"""

import contextlib
import logging
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_medformers.modalities import Modality, get_modality
from keras_medformers.serving import model_card as card
from keras_medformers.serving.comparison import compare_with_model
from keras_medformers.serving.pixels import Pixels
from keras_medformers.serving.signatures import Network, by_name, make_signatures
from keras_medformers.serving.versions import new_version
from keras_medformers.serving.warm_up import (
    SIDE_PX,
    replay,
    warm_up_requests,
    write_warm_up,
)

logger = logging.getLogger(__name__)

LABELS_FILE = "labels.txt"

TOLERANCE = 1e-4


def export_saved_model(
    model: keras.Model,
    preprocessor: Callable,
    label_names: Sequence[str] | Mapping[str, Sequence[str]],
    directory: str | Path,
    feature_layer: str = "feature_map",
    *,
    modality: Modality | str,
    activation: str = "sigmoid",
    encoded: bool = False,
    samples: Sequence[np.ndarray] | None = None,
    tolerance: float = TOLERANCE,
    model_card: Mapping[str, Any] | None = None,
) -> Path:
    """Exports `model` behind `preprocessor` as the next version in `directory`.

    The first three signatures take `pixels`, of any batch, height and width:

    - `serving_default`: `probabilities`, float32 `(batch, labels)`, and `labels`, the label names as strings
      `(batch, labels)`;
    - `features`: `probabilities`, and `features`, the output of `feature_layer`;
    - `explain`: as `serving_default`, and `heat_maps`, float32 `(batch, labels, height, width)` in [0, 1]:
      Grad-CAM of each label at the size of the feature map, or for vision transformers attention weighted by
      its gradients, a value per patch;
    - `raw`: as `serving_default`, from the inputs `raw`, `(batch,)` strings: the bytes of the same pixels,
      little-endian; and `shape`, int32 `(batch, 2)`: their height and width, one for the whole batch;
    - `explain_raw`: as `explain`, from the inputs of `raw`;
    - `encoded`, for photographs if asked for: as `serving_default`, from the input `encoded`, `(batch,)`
      strings: JPEG or PNG files, each of any size. Grey ones become RGB, transparency is dropped; the
      orientation in EXIF is not applied.

    Of a model that gives a dict, the signatures have for each task `TASK`, `TASK_labels` and `TASK_heat_maps`
    in place of `probabilities`, `labels` and `heat_maps`.

    Wrong shapes, empty batches and values that no image of the modality can have are refused inside the
    graph; see `Pixels.checked`.

    The label names are also the asset `labels.txt`, one a line, those of several tasks one task after the
    other; `model_card.json` is another asset. `assets.extra/` has a request per signature that TensorFlow
    Serving replays when it loads the version. Each weight is stored once.

    Args:
        model: Model with one input (what `preprocessor` gives) and one output of shape `(batch, labels)`, or
            a dict of such outputs.
        preprocessor: From raw pixels `(batch, height, width, channels)` to the model's input; the one it was
            trained with.
        label_names: Names of the outputs, in order; by task for a model that gives a dict.
        directory: Where the versions are; made if absent. Its name is the model's.
        feature_layer: Name of the layer whose output is the feature map.
        modality: What the raw pixels are: a name of `list_modalities`, or a `Modality` of
            one's own. The model card says it.
        activation: Key of `ACTIVATIONS`.
        encoded: Whether to add the signature `encoded`, for modalities whose pixels are what
            JPEG and PNG files decode to.
        samples: Batches of raw pixels, each `(batch, height, width, channels)`, on which the SavedModel is
            compared with `model`; if not given, drawn ones of the modality.
        tolerance: Largest absolute difference allowed for probabilities; for features it is relative to
            the largest value and `FEATURE_SLACK` times as much, for heat maps `FEATURE_SLACK` times as much.
        model_card: What is known about the model's training and use, for `model_card.json`; the export adds
            its own facts. Must be of what JSON takes.

    Returns:
        The version's folder.

    Raises:
        ValueError: If arguments do not fit the model.
        RuntimeError: If the SavedModel does not agree with the model; nothing is left behind.
    """
    network = Network.of(model, feature_layer, activation)
    label_names = _checked_labels(model, label_names)
    modality = get_modality(modality)
    kind = Pixels(modality)
    if encoded and not modality.is_file:
        raise ValueError(
            "`encoded` is for a modality that is what JPEG and PNG files decode to, such as "
            f"'photograph'. Received: modality={modality.name!r}"
        )

    if samples is None:
        samples = samples_of(modality)
    if not len(samples):
        raise ValueError(
            "`samples` must hold at least one batch of pixels to compare on. Received: none"
        )

    directory = Path(directory)
    input_shape = network.input_spec.shape[1:]
    assets = {
        LABELS_FILE: "".join(
            f"{name}\n" for of_output in label_names.values() for name in of_output
        ),
        card.FILE: card.model_card_text(
            model_card, directory.name, kind, label_names, input_shape
        ),
    }

    with new_version(directory) as version:
        module, signatures = make_signatures(
            network, preprocessor, kind, label_names, encoded
        )
        save(module, signatures, assets, version.path)
        requests = warm_up_requests(kind, signatures, _warm_up_size(input_shape))
        write_warm_up(requests, directory.name, version.path)
        loaded = tf.saved_model.load(str(version.path)).signatures
        replay(requests, loaded)
        difference = compare_with_model(
            network, preprocessor, kind, loaded, samples, tolerance
        )
        path = version.publish()

    logger.info(
        "Exported %s: signatures %s; probabilities within %.1g of the Keras model's on %d images",
        path, ", ".join(signatures), difference, sum(len(batch) for batch in samples),
    )  # fmt: skip
    return path


def samples_of(modality: Modality) -> list[np.ndarray]:
    """Drawn batches of raw pixels of a modality.

    Raises:
        ValueError: If the modality does not say how to draw them.
    """
    if modality.draw_samples is None:
        raise ValueError(
            f"Modality {modality.name!r} has no `draw_samples`; expected `samples` to "
            "compare on. Received: samples=None"
        )
    return modality.draw_samples()


def _checked_labels(
    model: keras.Model, label_names: Sequence[str] | Mapping
) -> dict[str, list[str]]:
    """Names of the labels by the output's name."""
    outputs = by_name(model.output)
    names = {
        key: [str(name) for name in of_output]
        for key, of_output in by_name(label_names).items()
    }
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
            raise ValueError(
                f"`label_names` must be single lines, not empty. Received: {of_output}"
            )

    return names


def _warm_up_size(input_shape: Sequence[int | None]) -> tuple[int, int]:
    """The network's own size, which suits it also where its preprocessing does not resize."""
    return tuple(SIDE_PX if side is None else side for side in input_shape[:2])


def save(
    module: tf.Module,
    signatures: Mapping[str, Callable],
    assets: Mapping[str, str],
    path: Path,
) -> None:
    """Writes a SavedModel.

    Args:
        module: Holds the signatures' variables.
        signatures: Functions by name.
        assets: Contents of further files by name.
        path: The folder; must not be there yet.
    """
    with tempfile.TemporaryDirectory() as folder, _no_talk_of_renamed_inputs():
        for name, content in assets.items():
            (Path(folder) / name).write_text(content, encoding="utf-8")
        module.assets = [
            tf.saved_model.Asset(str(Path(folder) / name)) for name in assets
        ]
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
