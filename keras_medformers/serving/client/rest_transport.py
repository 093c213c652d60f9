"""Calls to TensorFlow Serving's REST API.

Reference:
    TensorFlow Serving, "RESTful API": columnar format of Predict, encoding of binary values, model metadata.
"""

import base64
import json
from pathlib import Path

import numpy as np
import requests
from requests.adapters import HTTPAdapter

from keras_medformers.serving.client.errors import (
    DEADLINE_EXCEEDED,
    FAILED_PRECONDITION,
    INTERNAL,
    INVALID_ARGUMENT,
    NOT_FOUND,
    RESOURCE_EXHAUSTED,
    UNAVAILABLE,
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

CODES = {
    400: INVALID_ARGUMENT,
    404: NOT_FOUND,
    408: DEADLINE_EXCEEDED,
    412: FAILED_PRECONDITION,
    413: RESOURCE_EXHAUSTED,
    429: RESOURCE_EXHAUSTED,
    502: UNAVAILABLE,
    503: UNAVAILABLE,
    504: DEADLINE_EXCEEDED,
}
"""HTTP status to gRPC's; others are `INTERNAL`."""

TOO_LARGE = 413

_LONGEST_DETAIL = 1000


class RestTransport:
    """Connections to a model.

    Args:
        server: `host:port`.
        model_name: The model's.
        timeout_s: Seconds that a call may take.
        connections: Kept open at most.
        tls: Whether to encrypt; the file (PEM) of the authorities to trust, if not those known to all.
    """

    def __init__(
        self,
        server: str,
        model_name: str,
        timeout_s: float,
        connections: int,
        tls: bool | Path,
    ):
        scheme = "https://" if tls else "http://"
        self._url = f"{scheme}{server}/v1/models/{model_name}"
        self._model_name = model_name
        self._timeout_s = timeout_s
        self._session = requests.Session()
        # Images go to the server named and to no proxy that the environment names.
        self._session.trust_env = False
        adapter = HTTPAdapter(
            pool_connections=1, pool_maxsize=connections, max_retries=0
        )
        self._session.mount(scheme, adapter)
        if isinstance(tls, Path):
            self._session.verify = str(tls)

    def metadata(self) -> ModelMetadata:
        """Asks what the model takes and gives.

        Raises:
            CallFailed: If it did not say.
        """
        answer = self._call("GET", "/metadata")
        try:
            signatures = answer["metadata"]["signature_def"]["signature_def"]
            return ModelMetadata(
                name=self._model_name,
                version=int(answer["model_spec"]["version"]),
                signatures={
                    name: Signature(
                        _tensor_infos(one["inputs"]), _tensor_infos(one["outputs"])
                    )
                    for name, one in signatures.items()
                    if not name.startswith("__")
                },
            )
        except (KeyError, TypeError, ValueError) as error:
            raise CallFailed(
                INTERNAL, "the answer does not describe the model's signatures"
            ) from error

    def predict(
        self,
        signature: str,
        inputs: dict[str, np.ndarray],
        outputs: dict[str, TensorInfo],
    ) -> dict[str, np.ndarray]:
        """Calls a signature.

        Args:
            signature: Its name.
            inputs: Arrays by name; those of dtype object hold bytes.
            outputs: Its outputs by name.

        Raises:
            CallFailed: If it gave no result.
        """
        body = {
            "signature_name": signature,
            "inputs": {name: _to_json(values) for name, values in inputs.items()},
        }
        answer = self._call("POST", ":predict", json.dumps(body))
        try:
            values = answer["outputs"]
            # Of a signature with one output the API gives the bare value.
            values = (
                values if isinstance(values, dict) else dict.fromkeys(outputs, values)
            )
            return {
                name: _to_array(values[name], one.dtype)
                for name, one in outputs.items()
            }
        except (KeyError, TypeError, ValueError) as error:
            raise CallFailed(
                INTERNAL, f"the answer lacks an output or has ragged ones: {error}"
            ) from error

    def close(self) -> None:
        """Ends the connections."""
        self._session.close()

    def _call(self, method: str, path: str, body: str | None = None) -> dict:
        headers = {"Content-Type": "application/json"}
        try:
            response = self._session.request(
                method,
                self._url + path,
                data=body,
                headers=headers,
                timeout=self._timeout_s,
            )
        except requests.Timeout as error:
            raise CallFailed(DEADLINE_EXCEEDED, str(error)) from error
        except requests.RequestException as error:
            raise CallFailed(UNAVAILABLE, _cause(error)) from error

        try:
            answer = response.json()
        except ValueError:
            answer = None

        if response.status_code != requests.codes.ok:
            text = (
                answer.get("error", "") if isinstance(answer, dict) else response.text
            )
            status = response.status_code
            details = str(text or response.reason)[:_LONGEST_DETAIL]
            if status not in CODES:
                details += f", HTTP status {status}"
            raise CallFailed(CODES.get(status, INTERNAL), details, status == TOO_LARGE)
        if not isinstance(answer, dict):
            raise CallFailed(
                INTERNAL,
                "the answer is no JSON: is this TensorFlow Serving's REST port?",
            )

        return answer


def _cause(error: requests.RequestException) -> str:
    """What is at the bottom of a failed connection, without the layers above it."""
    inner = error.args[0] if error.args else error
    return str(getattr(inner, "reason", inner)).rpartition(": ")[2]


def _to_json(values: np.ndarray) -> list:
    if values.dtype != object:
        return values.tolist()
    return [{"b64": base64.b64encode(value).decode()} for value in values]


def _to_array(values: list, dtype: str) -> np.ndarray:
    return np.array(values, object if dtype == STRING else dtype)


def _tensor_infos(tensors: dict) -> dict[str, TensorInfo]:
    return {
        name: TensorInfo(
            dtype_name(one["dtype"]),
            None
            if one["tensor_shape"].get("unknown_rank")
            else to_shape(
                [size["size"] for size in one["tensor_shape"].get("dim", [])]
            ),
        )
        for name, one in tensors.items()
    }
