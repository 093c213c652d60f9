"""Patches of mammograms, for the first of HCT's two stages of training: the files of `mammography`.

Positive patches are centred on the boxes of malignant findings, and moved to lie inside the image; negative
ones lie at random inside the breast of non-malignant images, at the same places under the same seed. A patch
covers 512 x 512 pixels at full resolution (3328 pixels high) and is stored at the scale of --image-size.
Malignant images without a box have no patches. Splits are those of `mammography` with the same files,
fractions and seed, so that no patient whose patches are trained on is tested on.

`finding_type` and `finding_size` of a positive patch are those of its finding.

Reference:
    HCT (Taha et al.), section 3, technical details.
"""

import dataclasses
import hashlib

from data_prep.datasets import mammography
from data_prep.datasets.base import Listing, Part
from data_prep.datasets.mammography_manifest import MALIGNANT, ManifestImage
from data_prep.modalities.mammogram.records import PATCHES, Region
from data_prep.records.build_config import BuildConfig

NEGATIVES_PER_IMAGE = 1
"""HCT does not say. OPTIMAM has five to six non-malignant images for a malignant one: more would outweigh."""


def patches(listing: Listing, config: BuildConfig) -> list[list[Part]]:
    """The patches of every file."""
    return [
        positives(image, config)
        if image.label == MALIGNANT
        else negatives(file, image, config)
        for file, image in zip(listing.files, listing.findings, strict=True)
    ]


def positives(image: ManifestImage, config: BuildConfig) -> list[Part]:
    """A patch around each malignant box of an image."""
    boxes = tuple(finding.box for finding in image.findings if finding.box)
    parts = []
    for finding in image.findings:
        if not finding.malignant or finding.box is None:
            continue
        x, y, width, height = finding.box
        region = Region(image.laterality, boxes, centre=(x + width / 2, y + height / 2))
        parts.append(
            Part(
                f"finding-{len(parts)}", mammography.labels_of(finding, config), region
            )
        )
    return parts


def negatives(file: str, image: ManifestImage, config: BuildConfig) -> list[Part]:
    """Patches at random places of an image."""
    boxes = tuple(finding.box for finding in image.findings if finding.box)
    name = int.from_bytes(hashlib.blake2b(file.encode(), digest_size=8).digest(), "big")
    return [
        Part(
            f"random-{number}",
            mammography.labels_of(None, config),
            Region(image.laterality, boxes, draw=(config.seed, name, number)),
        )
        for number in range(config.settings.negatives_per_image)
    ]


DATASET = dataclasses.replace(
    mammography.DATASET,
    name="mammography_patches",
    reader=PATCHES,
    parts=patches,
    data_folder=mammography.DATASET.name,
    patches_of=mammography.DATASET.name,
    settings={"negatives_per_image": NEGATIVES_PER_IMAGE},
)
