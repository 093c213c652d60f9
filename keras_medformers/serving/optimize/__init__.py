"""Smaller and faster forms of an exported model, each checked against the export that it was made from."""

from keras_medformers.serving.optimize.variants import VARIANTS, optimize_saved_model

__all__ = ["VARIANTS", "optimize_saved_model"]
