"""What was found: per slice or picture, and per study."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from training.tasks.words import IMAGES, Words


@dataclass(frozen=True)
class SliceResult:
    """What a model says of one file.

    Attributes:
        path: The file, as the user named it; its headers can be read again from there.
        probabilities: By output (`"probabilities"`, or the tasks of a model of several, such as
            `"hemorrhage"`), the probability of each label in the model's order.
        columns: What else the tables say of it, such as `position_mm` and the likeliest label, but no
            identifiers.
        heat_maps: By output, as in `probabilities`, float32 `(labels, map_height, map_width)` in [0, 1], the
            labels in the same order; None where they were not asked for. A map covers what the model saw.
    """

    path: Path
    probabilities: dict[str, dict[str, float]]
    columns: dict = field(default_factory=dict)
    heat_maps: dict[str, np.ndarray] | None = None


@dataclass(frozen=True)
class StudyResult:
    """What the slices of a study say together.

    Attributes:
        study_id: `"study 1"`, `"study 2"`, ... in the order of the files, not the identifier in the headers.
        slices: Its slices, series by series along the slice normal.
        probabilities: As those of a slice.
        rule: How they became of the slices': `"max"`, `"mean"` or `"topK"`, such as `"top3"`.
        words: What its slices are called.
    """

    study_id: str
    slices: list[SliceResult]
    probabilities: dict[str, dict[str, float]]
    rule: str
    words: Words = IMAGES
