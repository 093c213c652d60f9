"""What a set of phantom mammograms is made of: its settings, and the plan of exams that follows from them."""

import dataclasses
from dataclasses import dataclass

import numpy as np

from data_prep.labels import FINDING_TYPES
from data_prep.modalities.mammogram.scale import FULL_HEIGHT_PX, shape_of_images
from keras_medformers.support.errors import check_setting

FULL_SPACING_MM = 0.07
"""Distance of pixels at full resolution, as of the common detectors."""

VIEWS = (("left", "CC"), ("right", "CC"), ("left", "MLO"), ("right", "MLO"))

TYPES_OF_MALIGNANT = (0.5, 0.22, 0.14, 0.14)
TYPES_OF_BENIGN = (0.55, 0.33, 0.0, 0.12)
"""Shares of `labels.FINDING_TYPES`."""


@dataclass(frozen=True)
class PhantomMammographyConfig:
    """Settings of a set; equal settings make equal bytes.

    Attributes:
        patients: How many, each with one exam of four views.
        image_height_px: Height of the images, a multiple of 13; their width is 10/13 of it. 3328 is full
            resolution. The breasts have the same size in mm at every height.
        malignant: Share of the breasts with a malignant finding. Many more than in screening, so that a small
            set holds enough of them.
        benign: Share of the breasts with a benign finding only.
        finding_scale: How many times as large as in life findings are, so that small sets show them, too.
        monochrome1: Share of the exams stored with dark tissue.
        seed: Of everything random.
    """

    patients: int = 300
    image_height_px: int = 832
    malignant: float = 0.4
    benign: float = 0.25
    finding_scale: float = 1.0
    monochrome1: float = 0.2
    seed: int = 0

    def __post_init__(self) -> None:
        height = self.image_height_px
        check_setting("patients", self.patients, self.patients >= 1, "at least 1")
        check_setting(
            "image_height_px",
            height,
            208 <= height <= FULL_HEIGHT_PX and height % 13 == 0,
            f"a multiple of 13 from 208 to {FULL_HEIGHT_PX}",
        )
        for name in ("malignant", "benign", "monochrome1"):
            share = getattr(self, name)
            check_setting(name, share, 0.0 <= share <= 1.0, "from 0 to 1")

        both = self.malignant + self.benign
        check_setting("malignant + benign", both, both <= 1.0, "at most 1")
        check_setting(
            "finding_scale",
            self.finding_scale,
            0.5 <= self.finding_scale <= 3.0,
            "from 0.5 to 3",
        )
        check_setting("seed", self.seed, self.seed >= 0, "0 or more")

    @property
    def shape_px(self) -> tuple[int, int]:
        """Height and width of the images."""
        return shape_of_images(self.image_height_px)

    @property
    def spacing_mm(self) -> float:
        """Distance of neighbouring pixels."""
        return FULL_SPACING_MM * FULL_HEIGHT_PX / self.image_height_px

    def as_dict(self) -> dict[str, float]:
        """The settings as JSON holds them."""
        return dataclasses.asdict(self)


@dataclass(frozen=True)
class BreastPlan:
    """What is in one breast.

    Attributes:
        laterality: "left" or "right".
        finding_type: Of `labels.FINDING_TYPES`; "" where there is none.
        malignant: Whether the finding is.
    """

    laterality: str
    finding_type: str
    malignant: bool


@dataclass(frozen=True)
class PatientPlan:
    """One patient; what is random about her follows from the number and the set's seed.

    Attributes:
        number: Counts patients from 1.
        breasts: Her left and right `BreastPlan`.
    """

    number: int
    breasts: tuple

    @property
    def name(self) -> str:
        """The patient's number, with a letter before it."""
        return f"P{self.number:05d}"


def plan_patients(config: PhantomMammographyConfig) -> list[PatientPlan]:
    """Deals the findings to breasts, in the settings' shares, and the types to findings.

    Returns:
        A list of `PatientPlan`.
    """
    rng = np.random.default_rng([config.seed, 0])
    breasts = 2 * config.patients
    malignant, benign = (
        round(config.malignant * breasts),
        round(config.benign * breasts),
    )
    types = [(True, name) for name in _dealt(TYPES_OF_MALIGNANT, malignant)]
    types += [(False, name) for name in _dealt(TYPES_OF_BENIGN, benign)]
    types += [(False, "")] * (breasts - len(types))
    types = [types[place] for place in rng.permutation(len(types))]

    return [
        PatientPlan(
            number + 1,
            tuple(
                BreastPlan(side, name, malignant)
                for side, (malignant, name) in zip(
                    ("left", "right"), types[2 * number : 2 * number + 2]
                )
            ),
        )
        for number in range(config.patients)
    ]


def _dealt(shares: tuple[float, ...], count: int) -> list[str]:
    """Types in these shares, to the nearest one."""
    ends = np.rint(np.cumsum(shares) * count).astype(int)
    return [
        FINDING_TYPES[int(np.searchsorted(ends, place, side="right"))]
        for place in range(count)
    ]
