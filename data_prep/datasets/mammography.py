"""Mammograms by a manifest: DICOM or 16-bit PNG files, and what was found in them.

Where from: HCT's data are those of the OPTIMAM Mammography Image Database (148,448 images of 17,322
patients), which its owners give out on application (https://medphys.royalsurrey.nhs.uk/omidb/). CBIS-DDSM and
VinDr-Mammo, or any collection of one's own, go as well once a manifest is written for them.
Licence: that of the collection.

Images keep the size of their pixels: a record is 3328 x 2560 pixels of the file from the chest wall outwards,
padded, or cropped where the breast is larger, and made smaller by --image-size. Where pixels are much smaller
than the 0.07 mm of usual detectors, as of CBIS-DDSM's scanned films, give the height of 23 cm in pixels as
--source-height.

Layout: `manifest.csv` and, anywhere below the data folder, the files it names. One row per finding, and one
row for an image without findings; columns in any order, others are passed over::

    file          path below the data folder, ending in .png, or DICOM under any name
    patient       whoever has one name is in one split
    exam          name of the exam, within the patient
    view          such as CC, MLO, LCC, R-MLO
    label         malignant or non_malignant, of the image: HCT, section 3, says when an image is which
    finding_type  mass, calcifications, architectural_distortion, focal_asymmetry; empty without a finding
    box_x, box_y, box_width, box_height
                  around the finding, in pixels of the file from its upper left corner; empty without a box
    finding_label malignant or benign, of the finding; optional: where it is missing or empty, the image's
    laterality    L or R; optional: where it is missing or empty, the view's first letter
    split         train, validation or test; optional: images without are divided by patient

Extra labels: `finding_type`, an index into `labels.FINDING_TYPES`, and `finding_size`, the square root of the
box's width times height in pixels at full resolution (3328 pixels high), rounded (HCT, Fig. A2). Both are of
the image's largest malignant finding, of the largest of all in a non-malignant image; -1 without.
`laterality` is an index into `labels.LATERALITIES`, -1 where the manifest does not say.

Set aside, each file with its reason: rows that contradict each other or hold unknown words, boxes beyond the
image, files that are missing, no mammograms, shown the wrong way round or smaller than a patch.

Reference:
    HCT (Taha et al.), sections 3 and 6.
"""

import numpy as np

from data_prep.datasets.base import Dataset, Listing, Part
from data_prep.datasets.lists import folder_from
from data_prep.datasets.mammography_manifest import (
    FINDING_SIZE,
    FINDING_TYPE,
    MANIFEST_NAME,
    Finding,
    ManifestImage,
    list_mammograms,
)
from data_prep.labels import FINDING_TYPES, MAMMOGRAM_LABELS
from data_prep.modalities.mammogram.frame import Box
from data_prep.modalities.mammogram.records import READER, Region
from data_prep.modalities.mammogram.scale import FULL_HEIGHT_PX
from data_prep.modalities.reader import Header
from data_prep.records.build_config import BuildConfig
from data_prep.records.split_rules import BY_PATIENT_OR_LIST

WHERE_FROM = f"expected {MANIFEST_NAME} and the files it names; see data_prep/datasets/mammography.py"


def whole_images(listing: Listing, config: BuildConfig) -> list[list[Part]]:
    """One record of every file."""
    parts = []
    for image in listing.findings:
        boxes = tuple(finding.box for finding in image.findings if finding.box)
        finding = image.largest_finding()
        labels = labels_of(finding, config)
        parts.append([Part("", labels, Region(image.laterality, boxes))])
    return parts


def labels_of(finding: Finding | None, config: BuildConfig) -> dict[str, int]:
    """The extra labels of a finding, or of none."""
    if finding is None:
        return {FINDING_TYPE: -1, FINDING_SIZE: -1}
    finding_type = FINDING_TYPES.index(finding.type) if finding.type else -1
    return {
        FINDING_TYPE: finding_type,
        FINDING_SIZE: finding_size_px(finding.box, config.settings.source_height_px),
    }


def finding_size_px(box: Box | None, source_height: int) -> int:
    """Size of a finding in pixels at full resolution: the root of its box's area (Fig. A2); -1 without."""
    if box is None:
        return -1
    return round(np.sqrt(box.width * box.height) * FULL_HEIGHT_PX / source_height)


def boxes_lie_inside(
    listing: Listing, headers: dict[int, Header]
) -> tuple[dict[int, Header], dict[int, str]]:
    """Finds the images with a box beyond their edges."""
    reasons = {}
    for index, header in headers.items():
        image: ManifestImage = listing.findings[index]
        for box in (finding.box for finding in image.findings if finding.box):
            beyond = box.x < 0 or box.y < 0
            if (
                beyond
                or box.x + box.width > header.width
                or box.y + box.height > header.height
            ):
                reasons[index] = (
                    f"its box x={box.x} y={box.y} width={box.width} height={box.height} reaches beyond the "
                    f"image of {header.width} x {header.height} pixels"
                )
    return headers, reasons


DATASET = Dataset(
    name="mammography",
    label_names=MAMMOGRAM_LABELS,
    fractions=(0.8, 0.1, 0.1),
    prepare=folder_from(WHERE_FROM),
    list_images=list_mammograms,
    reader=READER,
    exclusive_labels=True,
    split_rules=(BY_PATIENT_OR_LIST,),
    settle_headers=boxes_lie_inside,
    parts=whole_images,
)
