"""What a phantom head CT set is made of: its settings, and the plan of patients that follows from them."""

import dataclasses
import math
from dataclasses import dataclass, field

import numpy as np

from data_prep.labels import HEMORRHAGE_LABELS
from keras_medformers.support.errors import UserError, check_setting

KINDS = HEMORRHAGE_LABELS[1:]
DEFAULT_PREVALENCE = {
    "any": 0.70,
    "epidural": 0.22,
    "intraparenchymal": 0.34,
    "intraventricular": 0.24,
    "subarachnoid": 0.22,
    "subdural": 0.20,
}


@dataclass(frozen=True)
class PhantomConfig:
    """Settings of a set; equal settings make equal bytes.

    Attributes:
        patients: How many.
        slices_per_series: Slices from the base of the skull to the vertex.
        second_series: Share of the patients that were scanned a second time, as another study.
        image_size_px: Rows and columns.
        seed: Of everything random.
        prevalence: Share of the patients that have any bleeding, and each kind of bleeding.
        with_truth: Also write a map of the true tissues per slice.
        least_clot_mm: Smallest radius of a bleeding within the brain.
        median_clot_mm: Median radius of those; the place of a bleeding limits it, too.
    """

    patients: int = 110
    slices_per_series: int = 6
    second_series: float = 0.1
    image_size_px: int = 512
    seed: int = 0
    prevalence: dict = field(default_factory=lambda: dict(DEFAULT_PREVALENCE))
    with_truth: bool = False
    least_clot_mm: float = 2.5
    median_clot_mm: float = 17.0

    def __post_init__(self) -> None:
        check_setting("patients", self.patients, self.patients >= 1, "at least 1")
        check_setting(
            "slices_per_series",
            self.slices_per_series,
            self.slices_per_series >= 2,
            "at least 2",
        )
        check_setting(
            "second_series",
            self.second_series,
            0.0 <= self.second_series <= 1.0,
            "from 0 to 1",
        )
        size = self.image_size_px
        fits = 64 <= size <= 1024 and size % 2 == 0
        check_setting("image_size_px", size, fits, "an even number from 64 to 1024")
        check_setting("seed", self.seed, self.seed >= 0, "0 or more")

        for name in ("least_clot_mm", "median_clot_mm"):
            check_setting(
                name,
                getattr(self, name),
                1.0 <= getattr(self, name) <= 40.0,
                "from 1 to 40",
            )

        self._check_prevalence()

    def _check_prevalence(self) -> None:
        shares = self.prevalence
        if sorted(shares) != sorted(HEMORRHAGE_LABELS):
            names = ", ".join(HEMORRHAGE_LABELS)
            raise UserError(
                f"prevalence needs a share for each of {names}. Received: {sorted(shares)}"
            )

        for name, share in shares.items():
            check_setting(
                f"prevalence of {name}", share, 0.0 <= share <= 1.0, "from 0 to 1"
            )

        kinds = [shares[kind] for kind in KINDS]
        if not max(kinds) <= shares["any"] <= sum(kinds) + 1e-9:
            raise UserError(
                "the prevalence of any must lie between the largest of the five kinds and their sum "
                f"({max(kinds):g} to {min(sum(kinds), 1.0):g}). Received: any={shares['any']:g}"
            )

    def as_dict(self) -> dict:
        """The settings as JSON holds them."""
        return dataclasses.asdict(self)


@dataclass(frozen=True)
class PatientPlan:
    """What one patient gets."""

    number: int
    kinds: tuple
    series: int


def plan_patients(config: PhantomConfig) -> list[PatientPlan]:
    """Deals the bleedings to the patients so that the asked shares are met as exactly as counts allow.

    Returns:
        A list of `PatientPlan`, one per patient.
    """
    rng = np.random.default_rng([config.seed, 0])
    ill = rng.permutation(config.patients)[: _count(config.prevalence["any"], config)]
    kinds = {int(patient): set() for patient in ill}
    # Rare kinds choose first, and patients without a kind first, so that nobody who is ill is left out.
    for kind in sorted(KINDS, key=lambda name: config.prevalence[name]):
        wanted = min(_count(config.prevalence[kind], config), len(ill))
        order = sorted(
            ill, key=lambda patient: (min(len(kinds[int(patient)]), 1), rng.random())
        )
        for patient in order[:wanted]:
            kinds[int(patient)].add(kind)

    twice = set(
        rng.permutation(config.patients)[
            : _count(config.second_series, config)
        ].tolist()
    )
    return [
        PatientPlan(
            number, tuple(sorted(kinds.get(number, ()))), 2 if number in twice else 1
        )
        for number in range(config.patients)
    ]


def _count(share: float, config: PhantomConfig) -> int:
    return math.floor(share * config.patients + 0.5)
