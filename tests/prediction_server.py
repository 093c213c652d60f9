"""Servers that speak TensorFlow Serving's protocols about exported models, with faults at will.

The binary of TensorFlow Serving is not among the packages of a test machine. These speak PredictionService
over gRPC (tensorflow-serving-api's own messages) and the REST API, and run the exported signatures.
"""

import base64
import concurrent.futures
import contextlib
import http.server
import json
import ssl
import threading
from pathlib import Path

import grpc
import numpy as np
import tensorflow as tf
from google.protobuf import json_format
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    predict_pb2,
    prediction_service_pb2_grpc,
)

HTTP_STATUS = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "NOT_FOUND": 404,
    "RESOURCE_EXHAUSTED": 429,
    "UNAVAILABLE": 503,
    "INTERNAL": 500,
}
"""As in TensorFlow Serving's http_server."""


class Refused(Exception):
    """A call that a server answers with an error."""

    def __init__(self, code, text):
        super().__init__(code, text)
        self.code, self.text = code, text


class Served:
    """Exported models by the name under which they are served, and what goes wrong with them.

    Attributes:
        requests: Signature and number of images of each call of Predict.
        faults: Of the next calls, in order, what happens first: an exception is raised, anything else is
            called and may give a function that changes the outputs.
    """

    def __init__(self, **versions):
        self._versions = {name: Path(path) for name, path in versions.items()}
        self._models = {
            name: tf.saved_model.load(str(path))
            for name, path in self._versions.items()
        }
        self._lock = threading.Lock()
        self.requests, self.faults = [], []

    def version(self, name):
        if name not in self._versions:
            raise Refused(
                "NOT_FOUND", f"Servable not found for request: Latest({name})"
            )
        return int(self._versions[name].name)

    def signatures(self, name):
        """SignatureDefs by name."""
        self.version(name)
        model = saved_model_pb2.SavedModel()
        model.ParseFromString((self._versions[name] / "saved_model.pb").read_bytes())
        return model.meta_graphs[0].signature_def

    def predict(self, name, signature, inputs):
        """Runs a signature on arrays by name and gives arrays by name."""
        self.version(name)
        signature = signature or "serving_default"
        with self._lock:
            self.requests.append((signature, len(next(iter(inputs.values())))))
            fault = self.faults.pop(0) if self.faults else lambda: None
        if isinstance(fault, Exception):
            raise fault
        change = fault() or (lambda outputs: outputs)
        if signature not in self._models[name].signatures:
            raise Refused(
                "FAILED_PRECONDITION", f'Serving signature key "{signature}" not found.'
            )
        tensors = {key: tf.constant(values) for key, values in inputs.items()}
        try:
            outputs = self._models[name].signatures[signature](**tensors)
        except tf.errors.InvalidArgumentError as error:
            raise Refused("INVALID_ARGUMENT", error.message) from error
        return change({key: values.numpy() for key, values in outputs.items()})


class _PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
    def __init__(self, served):
        self._served = served

    def GetModelMetadata(self, request, context):
        with _grpc_errors(context):
            name = request.model_spec.name
            signatures = get_model_metadata_pb2.SignatureDefMap(
                signature_def=self._served.signatures(name)
            )
            response = get_model_metadata_pb2.GetModelMetadataResponse()
            response.model_spec.name = name
            response.model_spec.version.value = self._served.version(name)
            response.metadata["signature_def"].Pack(signatures)
            return response

    def Predict(self, request, context):
        with _grpc_errors(context):
            inputs = {
                name: tf.make_ndarray(tensor) for name, tensor in request.inputs.items()
            }
            spec = request.model_spec
            outputs = self._served.predict(spec.name, spec.signature_name, inputs)
            response = predict_pb2.PredictResponse()
            for name, values in outputs.items():
                response.outputs[name].CopyFrom(tf.make_tensor_proto(values))
            return response


@contextlib.contextmanager
def _grpc_errors(context):
    try:
        yield
    except Refused as refused:
        context.abort(grpc.StatusCode[refused.code], refused.text)


@contextlib.contextmanager
def grpc_server(served, port=0, certificate=None):
    """Yields `host:port` of a server, and a function that ends it at once.

    It speaks TLS if it has a certificate, a `trustme.LeafCert`.
    """
    server = grpc.server(
        concurrent.futures.ThreadPoolExecutor(8),
        options=[
            ("grpc.max_receive_message_length", -1),
            ("grpc.max_send_message_length", -1),
        ],
    )
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
        _PredictionService(served), server
    )
    if certificate:
        key_and_chain = (
            certificate.private_key_pem.bytes(),
            certificate.cert_chain_pems[0].bytes(),
        )
        port = server.add_secure_port(
            f"localhost:{port}", grpc.ssl_server_credentials([key_and_chain])
        )
    else:
        port = server.add_insecure_port(f"localhost:{port}")
    server.start()
    try:
        yield f"localhost:{port}", lambda: server.stop(None)
    finally:
        server.stop(None).wait()


@contextlib.contextmanager
def rest_server(served, certificate=None):
    """The like over REST."""
    dead = threading.Event()
    server = http.server.ThreadingHTTPServer(("localhost", 0), _handler(served, dead))
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.02}
    )
    thread.start()
    try:
        yield f"localhost:{server.server_port}", dead.set
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(served, dead):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            with self._errors():
                name = self.path.removeprefix("/v1/models/").removesuffix("/metadata")
                signatures = get_model_metadata_pb2.SignatureDefMap(
                    signature_def=served.signatures(name)
                )
                self._send(
                    200,
                    {
                        "model_spec": {
                            "name": name,
                            "signature_name": "",
                            "version": str(served.version(name)),
                        },
                        "metadata": {
                            "signature_def": json_format.MessageToDict(
                                signatures,
                                preserving_proto_field_name=True,
                                always_print_fields_with_no_presence=True,
                            )
                        },
                    },
                )

        def do_POST(self):
            with self._errors():
                name = self.path.removeprefix("/v1/models/").removesuffix(":predict")
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                signature = served.signatures(name).get(body["signature_name"])
                if signature is None:
                    raise Refused(
                        "INVALID_ARGUMENT",
                        "Serving signature name not found in signature def",
                    )
                inputs = {
                    key: _from_json(values, tf.as_dtype(signature.inputs[key].dtype))
                    for key, values in body["inputs"].items()
                }
                outputs = served.predict(name, body["signature_name"], inputs)
                values = {key: _to_json(one) for key, one in outputs.items()}
                self._send(
                    200,
                    {
                        "outputs": values
                        if len(values) > 1
                        else next(iter(values.values()))
                    },
                )

        @contextlib.contextmanager
        def _errors(self):
            try:
                yield
            except Refused as refused:
                self._send(HTTP_STATUS.get(refused.code, 500), {"error": refused.text})

        def _send(self, status, content):
            if dead.is_set():
                self.close_connection = True
                return
            data = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_):
            pass

    return Handler


def _from_json(values, dtype):
    if dtype != tf.string:
        return np.array(values, dtype.as_numpy_dtype)
    return np.array(
        [base64.b64decode(value["b64"], validate=True) for value in values], object
    )


def _to_json(values):
    if values.dtype == object:
        return (
            np.array([value.decode() for value in values.ravel()])
            .reshape(values.shape)
            .tolist()
        )
    return values.tolist()
