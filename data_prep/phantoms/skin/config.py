"""What a phantom skin lesion set is made of: its settings, and the plan of lesions that follows from them."""

import dataclasses
from dataclasses import dataclass

import numpy as np

from data_prep.labels import SKIN_LESION_LABELS
from keras_medformers.support.errors import check_setting

SHARES = {
    "NV": 0.67,
    "MEL": 0.11,
    "BKL": 0.11,
    "BCC": 0.05,
    "AKIEC": 0.033,
    "VASC": 0.014,
    "DF": 0.011,
}
"""Shares of the classes among the images of ISIC2018's task 3, rounded."""

SIZES_PX = (
    (300, 225),
    (400, 300),
    (450, 338),
    (512, 384),
    (600, 450),
    (640, 480),
    (480, 480),
    (225, 300),
    (384, 512),
    (480, 640),
)
"""Widths and heights that the pictures have."""

PNG_SHARE = 0.2
MOST_VIEWS = 4


@dataclass(frozen=True)
class PhantomSkinConfig:
    """Settings of a set; equal settings make equal bytes.

    Attributes:
        images: How many, of all classes together.
        least_share: Every class has at least this share of the images, which the commonest class gives up.
            The rarest classes of ISIC2018 are near 0.011: With some hundreds of images nothing could be
            learnt of them, nor measured. 0 keeps ISIC2018's proportions.
        several_views: Share of the lesions that were photographed two to four times.
        seed: Of everything random.
    """

    images: int = 1400
    least_share: float = 0.03
    several_views: float = 0.25
    seed: int = 0

    def __post_init__(self) -> None:
        fewest = 2 * len(SKIN_LESION_LABELS)
        check_setting(
            "images",
            self.images,
            self.images >= fewest,
            f"at least {fewest}, two per class",
        )
        check_setting(
            "least_share",
            self.least_share,
            0.0 <= self.least_share <= 0.1,
            "from 0 to 0.1",
        )
        check_setting(
            "several_views",
            self.several_views,
            0.0 <= self.several_views <= 1.0,
            "from 0 to 1",
        )
        check_setting("seed", self.seed, self.seed >= 0, "0 or more")

    def as_dict(self) -> dict[str, float]:
        """The settings as JSON holds them."""
        return dataclasses.asdict(self)


@dataclass(frozen=True)
class LesionPlan:
    """One lesion and the pictures taken of it.

    Attributes:
        number: Counts lesions; what is random about the lesion follows from it and the set's seed.
        label: Its class.
        files: Name of each picture's file.
        sizes_px: Width and height of each picture.
    """

    number: int
    label: str
    files: tuple
    sizes_px: tuple

    @property
    def lesion_id(self) -> str:
        """The lesion's name, in the form of the HAM10000 data."""
        return f"HAM_{self.number:07d}"

    @property
    def image_ids(self) -> tuple[str, ...]:
        """Names of the pictures: those of their files without the suffix."""
        return tuple(name.rpartition(".")[0] for name in self.files)


def count_images(config: PhantomSkinConfig) -> dict[str, int]:
    """Number of images of each class, as a dict in the order of the labels."""
    counts = {
        label: max(1, round(config.images * max(share, config.least_share)))
        for label, share in SHARES.items()
        if label != "NV"
    }
    counts["NV"] = config.images - sum(counts.values())
    return {label: counts[label] for label in SKIN_LESION_LABELS}


def plan_lesions(config: PhantomSkinConfig) -> list[LesionPlan]:
    """Deals the images to lesions, and names, sizes and formats to the images.

    Returns:
        A list of `LesionPlan`. Classes are mixed; the names of a lesion's images do not follow each other.
    """
    rng = np.random.default_rng([config.seed, 0])
    lesions = []
    for label, count in count_images(config).items():
        while count:
            views = (
                rng.integers(2, MOST_VIEWS + 1)
                if rng.random() < config.several_views
                else 1
            )
            views = min(int(views), count)
            lesions.append((label, views))
            count -= views

    lesions = [lesions[k] for k in rng.permutation(len(lesions))]
    numbers = iter((rng.permutation(config.images) + 1).tolist())
    plans = []
    for number, (label, views) in enumerate(lesions, start=1):
        files = tuple(
            f"ISIC_{next(numbers):07d}.{'png' if rng.random() < PNG_SHARE else 'jpg'}"
            for _ in range(views)
        )
        sizes = tuple(SIZES_PX[k] for k in rng.integers(len(SIZES_PX), size=views))
        plans.append(LesionPlan(number, label, files, sizes))

    return plans
