"""An exported model in this process, asked as one on a server is."""

from pathlib import Path

import numpy as np
import tensorflow as tf

from keras_medformers.serving.client.errors import INVALID_ARGUMENT, CallFailed
from keras_medformers.serving.client.model_client import ModelClient
from keras_medformers.serving.client.signatures import (
    ModelMetadata,
    Signature,
    TensorInfo,
)
from keras_medformers.support.errors import UserError

_LONGEST_DETAIL = 1000


def load_local(version_dir: Path, signature: str, batch_size: int) -> ModelClient:
    """Loads a SavedModel.

    Args:
        version_dir: Folder of the version.
        signature: The signature whose outputs are wanted.
        batch_size: Images run at a time at most.

    Raises:
        UserError: If it cannot be loaded.
    """
    transport = _LocalTransport(Path(version_dir))
    return ModelClient(transport, signature, batch_size, concurrency=1, as_bytes=False)


class _LocalTransport:
    def __init__(self, version_dir: Path):
        try:
            # Kept whole: without the model the signatures' variables would be gone.
            self._model = tf.saved_model.load(str(version_dir))
        except (OSError, ValueError, tf.errors.OpError) as error:
            raise UserError(
                f"{version_dir} cannot be loaded as a SavedModel: {error}"
            ) from error
        self._version_dir = version_dir.resolve()

    def metadata(self) -> ModelMetadata:
        version = self._version_dir.name
        return ModelMetadata(
            name=self._version_dir.parent.name,
            version=int(version) if version.isdecimal() else 0,
            signatures={
                name: Signature(
                    _tensor_infos(signature.structured_input_signature[1]),
                    _tensor_infos(signature.structured_outputs),
                )
                for name, signature in self._model.signatures.items()
            },
        )

    def predict(
        self, signature: str, inputs: dict, outputs: dict
    ) -> dict[str, np.ndarray]:
        tensors = {name: tf.constant(values) for name, values in inputs.items()}
        try:
            found = self._model.signatures[signature](**tensors)
        except tf.errors.OpError as error:
            invalid = isinstance(error, tf.errors.InvalidArgumentError)
            code = INVALID_ARGUMENT if invalid else type(error).__name__
            raise CallFailed(code, str(error.message)[:_LONGEST_DETAIL]) from error
        return {name: _to_numpy(values) for name, values in found.items()}

    def close(self) -> None:
        pass


def _tensor_infos(specs: dict) -> dict[str, TensorInfo]:
    return {
        name: TensorInfo(
            one.dtype.name,
            None if one.shape.rank is None else tuple(one.shape.as_list()),
        )
        for name, one in specs.items()
    }


def _to_numpy(tensor) -> np.ndarray:
    array = tensor.numpy()
    if array.dtype != object:
        return array
    return np.array([text.decode() for text in array.ravel()], object).reshape(
        array.shape
    )
