"""Exporting models as SavedModels that TensorFlow Serving loads without Keras or this package."""

from keras_medformers.modalities.head_ct import sample_slices_hu
from keras_medformers.modalities.mammogram import sample_mammograms
from keras_medformers.modalities.photograph import sample_photographs
from keras_medformers.serving.export import export_saved_model

__all__ = [
    "export_saved_model",
    "sample_mammograms",
    "sample_photographs",
    "sample_slices_hu",
]
