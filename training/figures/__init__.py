"""The report's pictures, drawn with matplotlib's objects, without pyplot and its global state."""

from training.figures.calibration import calibration
from training.figures.canvas import to_png
from training.figures.confusion import confusion_matrix
from training.figures.curves import learning_curves, precision_recall_curves, roc_curves
from training.figures.examples import Example, example_sheet

__all__ = [
    "Example",
    "calibration",
    "confusion_matrix",
    "example_sheet",
    "learning_curves",
    "precision_recall_curves",
    "roc_curves",
    "to_png",
]
