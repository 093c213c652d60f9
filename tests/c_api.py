"""SavedModels through TensorFlow's C API, the loader that TF Serving uses, from the pip wheel's libraries.

    python tests/c_api.py EXPORT REQUESTS RESULTS

replays the requests in `REQUESTS`, an npz file with arrays named `NUMBER/SIGNATURE/INPUT`, and writes what
came out under `NUMBER/OUTPUT`, errors as text under `NUMBER/error`.
"""

import ctypes
import functools
import os
import sys

import numpy as np

SERVE_TAG = b"serve"


class TensorFlowError(Exception):
    """What TensorFlow answers to a bad call.

    Attributes:
        code: Number of the status; 3 is INVALID_ARGUMENT.
    """

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


class _Buffer(ctypes.Structure):
    _fields_ = [
        ("data", ctypes.c_void_p),
        ("length", ctypes.c_size_t),
        ("deallocator", ctypes.c_void_p),
    ]


class _Output(ctypes.Structure):
    _fields_ = [("operation", ctypes.c_void_p), ("index", ctypes.c_int)]


_FUNCTIONS = {
    "TF_NewStatus": (ctypes.c_void_p, []),
    "TF_GetCode": (ctypes.c_int, [ctypes.c_void_p]),
    "TF_Message": (ctypes.c_char_p, [ctypes.c_void_p]),
    "TF_NewGraph": (ctypes.c_void_p, []),
    "TF_NewSessionOptions": (ctypes.c_void_p, []),
    "TF_NewBuffer": (ctypes.POINTER(_Buffer), []),
    "TF_LoadSessionFromSavedModel": (
        ctypes.c_void_p,
        [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p, ctypes.POINTER(ctypes.c_char_p), ctypes.c_int,
         ctypes.c_void_p, ctypes.POINTER(_Buffer), ctypes.c_void_p],
    ),
    "TF_GraphOperationByName": (ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_char_p]),
    "TF_AllocateTensor": (
        ctypes.c_void_p, [ctypes.c_int, ctypes.POINTER(ctypes.c_int64), ctypes.c_int, ctypes.c_size_t],
    ),
    "TF_TensorData": (ctypes.c_void_p, [ctypes.c_void_p]),
    "TF_TensorByteSize": (ctypes.c_size_t, [ctypes.c_void_p]),
    "TF_TensorType": (ctypes.c_int, [ctypes.c_void_p]),
    "TF_NumDims": (ctypes.c_int, [ctypes.c_void_p]),
    "TF_Dim": (ctypes.c_int64, [ctypes.c_void_p, ctypes.c_int]),
    "TF_DeleteTensor": (None, [ctypes.c_void_p]),
    "TF_StringInit": (None, [ctypes.c_void_p]),
    "TF_StringCopy": (None, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t]),
    "TF_StringGetDataPointer": (ctypes.c_void_p, [ctypes.c_void_p]),
    "TF_StringGetSize": (ctypes.c_size_t, [ctypes.c_void_p]),
    "TF_SessionRun": (
        None,
        [ctypes.c_void_p, ctypes.c_void_p, ctypes.POINTER(_Output), ctypes.POINTER(ctypes.c_void_p),
         ctypes.c_int, ctypes.POINTER(_Output), ctypes.POINTER(ctypes.c_void_p), ctypes.c_int,
         ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p],
    ),
    "TF_CloseSession": (None, [ctypes.c_void_p, ctypes.c_void_p]),
    "TF_DeleteSession": (None, [ctypes.c_void_p, ctypes.c_void_p]),
}  # fmt: skip

STRING, STRING_SIZE = 7, 24  # TF_STRING; the size of a TF_TString


@functools.cache
def _library():
    # Keras is not to be found; TensorFlow itself is imported for its messages and data types.
    for name in ("keras", "keras_medformers"):
        sys.modules.setdefault(name, None)
    import tensorflow

    folder = os.path.dirname(tensorflow.__file__)
    ctypes.CDLL(
        os.path.join(folder, "libtensorflow_framework.so.2"), mode=ctypes.RTLD_GLOBAL
    )
    library = ctypes.CDLL(
        os.path.join(folder, "libtensorflow_cc.so.2"), mode=ctypes.RTLD_GLOBAL
    )
    for name, (result, arguments) in _FUNCTIONS.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


class Session:
    """A SavedModel in a session, with its signatures.

    Args:
        path: The version's folder.

    Attributes:
        signatures: SignatureDef messages by name.

    Raises:
        TensorFlowError: If it cannot be loaded.
    """

    def __init__(self, path):
        self._tf = _library()
        from tensorflow.core.protobuf.meta_graph_pb2 import MetaGraphDef

        self._graph = self._tf.TF_NewGraph()
        meta_graph, status = self._tf.TF_NewBuffer(), self._tf.TF_NewStatus()
        tags = (ctypes.c_char_p * 1)(SERVE_TAG)
        self._session = self._tf.TF_LoadSessionFromSavedModel(
            self._tf.TF_NewSessionOptions(),
            None,
            os.fsencode(path),
            tags,
            1,
            self._graph,
            meta_graph,
            status,
        )
        self._check(status)
        content = ctypes.string_at(meta_graph.contents.data, meta_graph.contents.length)
        self.signatures = dict(MetaGraphDef.FromString(content).signature_def)

    def run(self, signature, inputs):
        """Answers a request.

        Args:
            signature: Name of the signature.
            inputs: Arrays by name.

        Returns:
            Arrays by name.

        Raises:
            TensorFlowError: If TensorFlow refuses the request.
        """
        definition = self.signatures[signature]
        if inputs.keys() != definition.inputs.keys():
            raise ValueError(
                f"expected inputs {sorted(definition.inputs)}, received {sorted(inputs)}"
            )
        names = sorted(definition.outputs)
        sources = [self._output(definition.inputs[name].name) for name in inputs]
        fetches = [self._output(definition.outputs[name].name) for name in names]
        tensors = [self._tensor(array) for array in inputs.values()]
        results = (ctypes.c_void_p * len(fetches))()
        status = self._tf.TF_NewStatus()
        self._tf.TF_SessionRun(
            self._session, None, (_Output * len(sources))(*sources),
            (ctypes.c_void_p * len(tensors))(*tensors), len(tensors),
            (_Output * len(fetches))(*fetches), results, len(fetches), None, 0, None, status,
        )  # fmt: skip
        for tensor in tensors:
            self._tf.TF_DeleteTensor(tensor)
        self._check(status)
        return {
            name: self._array(tensor)
            for name, tensor in zip(names, results, strict=True)
        }

    def close(self):
        """Gives the session's memory back."""
        status = self._tf.TF_NewStatus()
        self._tf.TF_CloseSession(self._session, status)
        self._tf.TF_DeleteSession(self._session, status)

    def _check(self, status):
        code = self._tf.TF_GetCode(status)
        if code:
            raise TensorFlowError(code, self._tf.TF_Message(status).decode())

    def _output(self, tensor_name):
        operation, _, index = tensor_name.partition(":")
        return _Output(
            self._tf.TF_GraphOperationByName(self._graph, operation.encode()),
            int(index),
        )

    def _tensor(self, array):
        import tensorflow as tf

        array = np.asarray(array, order="C")
        dims = (ctypes.c_int64 * array.ndim)(*array.shape)
        if array.dtype.kind not in "SO":
            number = tf.as_dtype(array.dtype).as_datatype_enum
            tensor = self._tf.TF_AllocateTensor(number, dims, array.ndim, array.nbytes)
            ctypes.memmove(
                self._tf.TF_TensorData(tensor), array.ctypes.data, array.nbytes
            )
            return tensor
        tensor = self._tf.TF_AllocateTensor(
            STRING, dims, array.ndim, STRING_SIZE * array.size
        )
        place = self._tf.TF_TensorData(tensor)
        for index, text in enumerate(array.reshape(-1).tolist()):
            self._tf.TF_StringInit(place + STRING_SIZE * index)
            self._tf.TF_StringCopy(place + STRING_SIZE * index, text, len(text))
        return tensor

    def _array(self, tensor):
        import tensorflow as tf

        shape = [
            self._tf.TF_Dim(tensor, axis) for axis in range(self._tf.TF_NumDims(tensor))
        ]
        place, number = self._tf.TF_TensorData(tensor), self._tf.TF_TensorType(tensor)
        if number == STRING:
            count = int(np.prod(shape))
            texts = [self._text(place + STRING_SIZE * index) for index in range(count)]
            array = np.array(texts, object).reshape(shape)
        else:
            content = ctypes.string_at(place, self._tf.TF_TensorByteSize(tensor))
            array = np.frombuffer(content, tf.as_dtype(number).as_numpy_dtype).reshape(
                shape
            )
        self._tf.TF_DeleteTensor(tensor)
        return array

    def _text(self, place):
        return ctypes.string_at(
            self._tf.TF_StringGetDataPointer(place), self._tf.TF_StringGetSize(place)
        )
