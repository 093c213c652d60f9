"""Whether an exported model answers as the Keras model does."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import tensorflow as tf

from keras_medformers.serving.pixels import Pixels
from keras_medformers.serving.signatures import FEATURES, Network, heat_maps_name

FEATURE_SLACK = 10
"""Rounding in feature and heat maps is that much larger than in probabilities: encoders magnify it."""


def compare_with_model(
    network: Network,
    preprocessor: Callable,
    kind: Pixels,
    signatures: Mapping[str, Callable],
    batches: Sequence[np.ndarray],
    tolerance: float,
) -> float:
    """Compares every signature with the network for batches of raw pixels.

    Args:
        network: The network as it is in Keras.
        preprocessor: From raw pixels to the network's input.
        kind: What stands in the raw pixels.
        signatures: Those of the loaded SavedModel.
        batches: Raw pixels, each `(batch, height, width, channels)`.
        tolerance: Largest absolute difference allowed for probabilities; for features it is relative to the
            largest value and `FEATURE_SLACK` times as much, for heat maps `FEATURE_SLACK` times as much.

    Returns:
        The largest difference of a probability.

    Raises:
        RuntimeError: If a signature's answer differs by more, or a signature refuses an image.
    """
    largest = 0.0
    for batch in batches:
        batch = np.ascontiguousarray(batch, kind.dtype)
        inputs = tf.cast(preprocessor(tf.constant(batch)), network.input_spec.dtype)
        probabilities = {
            name: x for name, x in network(inputs).items() if name != FEATURES
        }
        # TensorFlow rewrites graphs, also those of `predict`, which changes the rounding inside the network:
        # by 1e-4 of the largest feature behind eight encoders, where probabilities change by 1e-6.
        maps = network.explaining_graph(inputs)
        features = maps[FEATURES]
        for signature, request in signature_requests(
            batch, "encoded" in signatures
        ).items():
            answer = _answer(signatures, signature, request, batch)
            for name, wanted in probabilities.items():
                difference = _expect_close(
                    f"{name} of {signature}", answer[name], wanted, tolerance, batch
                )
                largest = max(largest, difference)
            if signature == "features":
                scale = max(1.0, float(tf.reduce_max(tf.abs(features))))
                allowed = FEATURE_SLACK * tolerance * scale
                _expect_close("features", answer[FEATURES], features, allowed, batch)
            if signature.startswith("explain"):
                for name in map(heat_maps_name, probabilities):
                    _expect_close(
                        name, answer[name], maps[name], FEATURE_SLACK * tolerance, batch
                    )
    return largest


def signature_requests(
    batch: np.ndarray, encoded: bool
) -> dict[str, dict[str, tf.Tensor]]:
    """The batch as each signature takes it."""
    pixels = tf.constant(batch)
    requests = {
        name: {"pixels": pixels} for name in ("serving_default", "features", "explain")
    }
    little_endian = batch.astype(batch.dtype.newbyteorder("<"))
    requests["raw"] = requests["explain_raw"] = {
        "raw": tf.constant([image.tobytes() for image in little_endian]),
        "shape": tf.constant([image.shape[:2] for image in batch], tf.int32),
    }

    if encoded:
        requests["encoded"] = {
            "encoded": tf.stack([tf.io.encode_png(image) for image in pixels])
        }
    return requests


def _answer(
    signatures: Mapping, signature: str, request: Mapping, batch: np.ndarray
) -> dict:
    try:
        return signatures[signature](**request)
    except tf.errors.InvalidArgumentError as error:
        lines = error.message.splitlines()
        reason = next((line for line in lines if "assertion failed" in line), lines[0])
        raise RuntimeError(
            f"The exported model's {signature} refuses images of shape {batch.shape}: {reason}. Nothing was "
            "exported."
        ) from error


def _expect_close(
    name: str, received: tf.Tensor, wanted: tf.Tensor, allowed: float, batch: np.ndarray
) -> float:
    """The largest difference."""
    difference = float(np.max(np.abs(received.numpy() - wanted.numpy())))
    # NaN has to fail too, so the comparison is not turned around.
    if not difference <= allowed:
        raise RuntimeError(
            f"The exported model's {name} differ from the Keras model's by {difference:.3g} on "
            f"images of shape {batch.shape}; expected at most {allowed:g}. Nothing was exported."
        )
    return difference
