"""One file per architecture; importing this package registers them all."""

from keras_medformers.models import scopeformer

__all__ = ["scopeformer"]
