"""The report's pictures, drawn with matplotlib's objects, without pyplot and its global state."""

from training.figures.areas import area_differences, areas_by_size, areas_by_type
from training.figures.attention import attention_heads
from training.figures.calibration import calibration
from training.figures.canvas import to_png
from training.figures.confusion import confusion_matrix
from training.figures.curves import (
    learning_curves,
    precision_recall_curves,
    roc_curves,
    task_curves,
)
from training.figures.examples import Example, example_sheet
from training.figures.feature_maps import (
    Redundancy,
    feature_map_sheet,
    redundancy_matrices,
)
from training.figures.receptive_fields import (
    receptive_field_maps,
    receptive_field_profiles,
)
from training.figures.similarity import encoder_similarity
from training.figures.slice_attention import slice_attention

__all__ = [
    "Example",
    "Redundancy",
    "area_differences",
    "areas_by_size",
    "areas_by_type",
    "attention_heads",
    "calibration",
    "confusion_matrix",
    "encoder_similarity",
    "example_sheet",
    "feature_map_sheet",
    "learning_curves",
    "precision_recall_curves",
    "receptive_field_maps",
    "receptive_field_profiles",
    "redundancy_matrices",
    "roc_curves",
    "slice_attention",
    "task_curves",
    "to_png",
]
