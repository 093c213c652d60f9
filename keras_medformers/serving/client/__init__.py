"""Images in, results out: a client of TensorFlow Serving, over gRPC or REST. It needs the extra `serving`."""

from keras_medformers.serving.client.answers import heat_maps, probabilities_by_label
from keras_medformers.serving.client.client import ServingClient
from keras_medformers.serving.client.errors import InvalidImageError, ServerError
from keras_medformers.serving.client.model_client import ModelClient
from keras_medformers.serving.client.signatures import (
    ModelMetadata,
    Signature,
    TensorInfo,
)

__all__ = [
    "InvalidImageError",
    "ModelClient",
    "ModelMetadata",
    "ServerError",
    "ServingClient",
    "Signature",
    "TensorInfo",
    "heat_maps",
    "probabilities_by_label",
]
