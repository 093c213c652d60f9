"""Calls to TensorFlow Serving's PredictionService over gRPC."""

from pathlib import Path

import grpc
import numpy as np
import tensorflow as tf
from tensorflow.core.framework import types_pb2
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from keras_medformers.serving.client.errors import (
    INTERNAL,
    RESOURCE_EXHAUSTED,
    CallFailed,
)
from keras_medformers.serving.client.signatures import (
    STRING,
    ModelMetadata,
    Signature,
    TensorInfo,
    dtype_name,
    to_shape,
)

RECONNECT_MS = (100, 5000)
"""gRPC's own wait before it connects again, at first and at most; until then calls fail without a try."""


class GrpcTransport:
    """A connection to a model.

    Args:
        server: `host:port`.
        model_name: The model's.
        timeout_s: Seconds that a call may take.
        max_message_bytes: Largest request and answer.
        tls: Whether to encrypt; the file (PEM) of the authorities to trust, if not those known to all.
    """

    def __init__(
        self,
        server: str,
        model_name: str,
        timeout_s: float,
        max_message_bytes: int,
        tls: bool | Path,
    ):
        options = [
            ("grpc.max_send_message_length", max_message_bytes),
            ("grpc.max_receive_message_length", max_message_bytes),
            ("grpc.initial_reconnect_backoff_ms", RECONNECT_MS[0]),
            ("grpc.min_reconnect_backoff_ms", RECONNECT_MS[0]),
            ("grpc.max_reconnect_backoff_ms", RECONNECT_MS[1]),
            # The client tries again itself: it knows which errors are worth it, and says so.
            ("grpc.enable_retries", 0),
        ]
        self._model_name = model_name
        self._timeout_s = timeout_s

        if tls:
            authorities = tls.read_bytes() if isinstance(tls, Path) else None
            credentials = grpc.ssl_channel_credentials(authorities)
            self._channel = grpc.secure_channel(server, credentials, options)
        else:
            self._channel = grpc.insecure_channel(server, options)

        self._stub = prediction_service_pb2_grpc.PredictionServiceStub(self._channel)

    def metadata(self) -> ModelMetadata:
        """Asks what the model takes and gives.

        Raises:
            CallFailed: If it did not say.
        """
        request = get_model_metadata_pb2.GetModelMetadataRequest()
        request.model_spec.name = self._model_name
        request.metadata_field.append("signature_def")
        response = self._call(self._stub.GetModelMetadata, request)
        signatures = get_model_metadata_pb2.SignatureDefMap()
        if not response.metadata["signature_def"].Unpack(signatures):
            raise CallFailed(
                INTERNAL, "the answer does not describe the model's signatures"
            )

        return ModelMetadata(
            name=self._model_name,
            version=response.model_spec.version.value,
            signatures={
                name: Signature(_tensor_infos(one.inputs), _tensor_infos(one.outputs))
                for name, one in signatures.signature_def.items()
                if not name.startswith("__")
            },
        )

    def predict(
        self, signature: str, inputs: dict[str, np.ndarray], outputs
    ) -> dict[str, np.ndarray]:
        """Calls a signature.

        Args:
            signature: Its name.
            inputs: Arrays by name; of strings, dtype object.
            outputs: Its outputs by name; not needed here.

        Raises:
            CallFailed: If it gave no result.
        """
        request = predict_pb2.PredictRequest()
        request.model_spec.name = self._model_name
        request.model_spec.signature_name = signature
        for name, values in inputs.items():
            request.inputs[name].CopyFrom(tf.make_tensor_proto(values))
        response = self._call(self._stub.Predict, request)
        return {name: _to_array(tensor) for name, tensor in response.outputs.items()}

    def close(self) -> None:
        """Ends the connection."""
        self._channel.close()

    def _call(self, method, request):
        try:
            return method(request, timeout=self._timeout_s)
        except grpc.RpcError as error:
            code, details = error.code().name, error.details() or ""
            too_large = code == RESOURCE_EXHAUSTED and "larger than max" in details
            raise CallFailed(code, details, too_large) from error


def _tensor_infos(tensors) -> dict[str, TensorInfo]:
    return {
        name: TensorInfo(
            dtype_name(types_pb2.DataType.Name(one.dtype)),
            None
            if one.tensor_shape.unknown_rank
            else to_shape([size.size for size in one.tensor_shape.dim]),
        )
        for name, one in tensors.items()
    }


def _to_array(tensor) -> np.ndarray:
    try:
        array = tf.make_ndarray(tensor)
    except (TypeError, ValueError) as error:
        raise CallFailed(INTERNAL, f"an output is no whole tensor: {error}") from error
    if dtype_name(types_pb2.DataType.Name(tensor.dtype)) != STRING:
        return array
    texts = [value.decode(errors="replace") for value in array.ravel()]
    return np.array(texts, object).reshape(array.shape)
