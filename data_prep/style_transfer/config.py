"""The settings of a style transfer."""

from dataclasses import dataclass

from keras_medformers.support.errors import check_setting

POOLINGS = ("average", "max")
SMALLEST_PX = 32


@dataclass(frozen=True)
class StyleTransferConfig:
    """What decides on the look of redrawn pictures, given pictures, style and weights.

    Attributes:
        size: Height and width of the redrawn pictures, in pixels.
        steps: Steps of the optimiser.
        content_weight: alpha of eq. (7) of Gatys et al.
        style_weight: beta of eq. (7); only its ratio to alpha matters.
        step_size: Learning rate of Adam, in levels of 0 to 255.
        pooling: "average", which Gatys et al. found more pleasing, or "max" as VGG was trained.
    """

    size: int = 224
    steps: int = 200
    content_weight: float = 1.0
    style_weight: float = 100.0
    step_size: float = 5.0
    pooling: str = "average"

    def __post_init__(self):
        check_setting(
            "size",
            self.size,
            self.size >= SMALLEST_PX,
            f"at least {SMALLEST_PX} pixels",
        )
        check_setting("steps", self.steps, self.steps >= 1, "at least 1")
        check_setting(
            "content_weight", self.content_weight, self.content_weight >= 0, "0 or more"
        )
        check_setting(
            "style_weight", self.style_weight, self.style_weight > 0, "more than 0"
        )
        check_setting(
            "step_size",
            self.step_size,
            0 < self.step_size <= 255,
            "above 0 and at most 255",
        )
        check_setting(
            "pooling", self.pooling, self.pooling in POOLINGS, " or ".join(POOLINGS)
        )
