"""Requests that TensorFlow Serving replays when it loads a version: no client waits for the first calls.

`assets.extra/tf_serving_warmup_requests` is a TFRecord file of `PredictionLog` messages
(tensorflow_serving/apis/prediction_log.proto, predict.proto and model.proto). The few fields needed are
written here, so that exporting does not need tensorflow-serving-api:

    PredictionLog   { PredictLog predict_log = 6; }
    PredictLog      { PredictRequest request = 1; }
    PredictRequest  { ModelSpec model_spec = 1; map<string, tensorflow.TensorProto> inputs = 2; }
    ModelSpec       { string name = 1; string signature_name = 3; }
"""

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import tensorflow as tf

from keras_medformers.serving.pixels import Pixels

FILE = Path("assets.extra") / "tf_serving_warmup_requests"

SIDE_PX = 64
"""Side of the images in the requests for networks that take any size."""


def warm_up_requests(
    kind: Pixels, signatures: Iterable[str], size: tuple[int, int]
) -> dict[str, dict[str, np.ndarray]]:
    """One image of no patient for each signature.

    Args:
        kind: What stands in the raw pixels.
        signatures: Names of the signatures.
        size: Height and width of the image.

    Returns:
        Arrays by signature and input.
    """
    image = np.full((1, *size, kind.channels), 1, kind.dtype)
    # Only the first value differs: such a tensor takes a few bytes, whatever its size.
    image[0, 0, 0] = kind.modality.background
    raw = image.astype(image.dtype.newbyteorder("<")).tobytes()
    as_bytes = {"raw": np.array([raw], object), "shape": np.array([size], "int32")}
    requests = {
        "raw": as_bytes,
        "explain_raw": as_bytes,
        "encoded": {"encoded": np.array([_png(image[0])], object)}
        if kind.modality.is_file
        else {},
    }
    return {name: requests.get(name, {"pixels": image}) for name in signatures}


def replay(
    requests: Mapping[str, Mapping[str, np.ndarray]], signatures: Mapping[str, Callable]
) -> None:
    """Calls all signatures at the same time, since TensorFlow prepares a graph at its first call on one core.

    Args:
        requests: Arrays by signature and input.
        signatures: Those of the loaded SavedModel.
    """

    def call(signature: str) -> None:
        signatures[signature](
            **{name: tf.constant(array) for name, array in requests[signature].items()}
        )

    with ThreadPoolExecutor() as threads:
        for _ in threads.map(call, requests):
            pass


def write_warm_up(
    requests: Mapping[str, Mapping[str, np.ndarray]], model_name: str, version: Path
) -> None:
    """Writes the requests into a SavedModel.

    Args:
        requests: Arrays by signature and input.
        model_name: What the model is called; the server does not look at it.
        version: Folder of the SavedModel.
    """
    path = version / FILE
    path.parent.mkdir()
    with tf.io.TFRecordWriter(str(path)) as writer:
        for signature, inputs in requests.items():
            writer.write(_prediction_log(model_name, signature, inputs))


def _prediction_log(
    model_name: str, signature: str, inputs: Mapping[str, np.ndarray]
) -> bytes:
    """A serialized `PredictionLog` with one request."""
    request = _field(1, _field(1, model_name.encode()) + _field(3, signature.encode()))
    for name, array in inputs.items():
        request += _field(
            2, _field(1, name.encode()) + _field(2, _tensor(array).SerializeToString())
        )
    return _field(6, _field(1, request))


def _field(number: int, content: bytes) -> bytes:
    """A string or message of the Protocol Buffers' wire format: key, length, content."""
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    """A whole number, seven bits a byte, the lowest first; all bytes but the last have their top bit set."""
    content = bytearray()
    while value > 0x7F:
        content.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*content, value])


def _tensor(array: np.ndarray):
    """A `TensorProto`, without the values at its end that repeat the last one, which readers fill in."""
    tensor = tf.make_tensor_proto(array)
    if array.dtype.kind not in "iu":
        return tensor
    values = array.reshape(-1)
    changes = np.flatnonzero(values != values[-1])
    length = 1 + (changes[-1] + 1 if len(changes) else 0)
    tensor.ClearField("tensor_content")
    tensor.ClearField("int_val")
    tensor.int_val.extend(values[:length].tolist())
    return tensor


def _png(picture: np.ndarray) -> bytes:
    return tf.io.encode_png(picture).numpy()
