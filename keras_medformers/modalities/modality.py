"""What a kind of picture is: its raw pixels, its words, and how it looks to the eye."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Modality:
    """A kind of picture, as records, networks, exports and answers all see it.

    Attributes:
        name: How files name it: records, `config.json`, model cards.
        dtype: Type of a raw pixel's values.
        channels: Values of a raw pixel.
        unit: What a value is.
        noun: What one picture is called.
        one: What one is called where nothing else has said of which kind.
        several: What several are called, where another plural than the noun with an "s".
        group_noun: What the pictures that must not be divided among splits are of.
        in_series: Whether pictures are parts of a series, so that each belongs to a study.
        pictures: What a model card calls them.
        dicom_modalities: Modality (0008,0060) of its files; none where they are no DICOM.
        procedure: Concept ID of CID 100 for the procedure in a report.
        record_format: Image format of records that hold bare pixels; "" where they hold
            files.
        is_file: Whether pixels are what JPEG and PNG files decode to.
        keeps_size: Whether a network takes pictures at the size that records hold.
        background: The value of what is beside the patient.
        a_value_below: Every picture has a value below this; None where that need not be.
        varies: Whether a picture of a single value is none.
        refusal: What is said of pictures that break one of these two rules: what was
            expected, and what these are instead.
        augmentations: Names of what may be done to pictures in training, "none" first.
        few_positive: Whether so few pictures have the finding that epochs are compared by
            how well they rank pictures.
        has_receptive_fields: Whether the effective receptive field is looked at.
        to_grey: From raw pixels of one channel to uint8 grey values of the same height and
            width; None for RGB, which is a picture as it is.
        picture_words: How the picture was made, for captions; "" where there is no choice.
        draw_samples: Draws batches of raw pixels, no patient's, to compare exports on.
    """

    name: str
    dtype: str
    channels: int
    unit: str = "values"
    noun: str = "image"
    one: str = "image"
    several: str = ""
    group_noun: str = "group"
    in_series: bool = False
    pictures: str = "images"
    dicom_modalities: tuple[str, ...] = ()
    procedure: str = "ImagingProcedure"
    record_format: str = ""
    is_file: bool = False
    keeps_size: bool = False
    background: int = 0
    a_value_below: int | None = None
    varies: bool = False
    refusal: str = ""
    augmentations: tuple[str, ...] = ("none",)
    few_positive: bool = False
    has_receptive_fields: bool = False
    to_grey: Callable[[np.ndarray], np.ndarray] | None = None
    picture_words: str = ""
    draw_samples: Callable[[], list[np.ndarray]] | None = None

    @property
    def nouns(self) -> str:
        """What several pictures are called."""
        return self.several or f"{self.noun}s"

    def to_picture(self, image: np.ndarray) -> np.ndarray:
        """Raw pixels as a picture for the eye.

        Args:
            image: Of shape `(height, width, channels)`, or `(height, width)`.

        Returns:
            uint8 RGB of shape `(height, width, 3)`.
        """
        image = np.asarray(image)
        if self.to_grey is None:
            return image
        grey = self.to_grey(image.reshape(image.shape[:2]))
        return np.repeat(grey[..., np.newaxis], 3, axis=2)

    def takes(self, dtype: str, channels: int) -> bool:
        """Whether raw pixels are of this type and have so many channels."""
        return (self.dtype, self.channels) == (dtype, channels)


def level_and_width(image: np.ndarray, level: float, width: float) -> np.ndarray:
    """A window over values as uint8: black at its lower end, white at its upper one."""
    level_of_grey = (image.astype("float32") - level) / width + 0.5
    return np.rint(255 * np.clip(level_of_grey, 0, 1)).astype(np.uint8)
