"""Exporting models as SavedModels that TensorFlow Serving loads without Keras or this package."""

from keras_medformers.serving.export import export_saved_model
from keras_medformers.serving.samples import (
    sample_mammograms,
    sample_photographs,
    sample_slices_hu,
)

__all__ = [
    "export_saved_model",
    "sample_mammograms",
    "sample_photographs",
    "sample_slices_hu",
]
