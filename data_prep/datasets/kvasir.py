"""Kvasir: endoscopic photographs of the gastrointestinal tract in eight classes.

Where from: https://datasets.simula.no/kvasir, `kvasir-dataset.zip` (version 1: 500 JPEG files per class,
1.2 GB) or `kvasir-dataset-v2.zip` (version 2: 1,000 per class, 2.3 GB); 720 x 576 to 1920 x 1072 pixels.
HiFuse's paper uses version 1.
Licence: research and education, with the paper cited; other use by the authors' permission.

Layout, directly in the data folder or in `kvasir-dataset/` or `kvasir-dataset-v2/` below it::

    dyed-lifted-polyps/0a7bdce4-ac0d-44ef-93ee-92dfc8fe0b81.jpg
    dyed-resection-margins/ esophagitis/ normal-cecum/ normal-pylorus/ normal-z-line/ polyps/
    ulcerative-colitis/

The split has two folds: half of each class is tested, the other half trains, less a tenth for validation.
Which pictures show one patient is not published: each is a group of its own.

Reference:
    Pogorelov et al., KVASIR: A Multi-Class Image Dataset for Computer Aided Gastrointestinal Disease
    Detection, MMSys 2017.
"""

import logging
from pathlib import Path

import numpy as np

from data_prep.datasets.base import Dataset, Listing, fingerprint
from data_prep.datasets.lists import folder_from, picture_sizes
from data_prep.labels import KVASIR_LABELS
from data_prep.modalities.photograph.records import READER
from data_prep.records.split_rules import TWO_FOLD
from keras_medformers.support.errors import UserError

logger = logging.getLogger(__name__)

FOLDER_NAMES = ("kvasir-dataset", "kvasir-dataset-v2")
WHERE_FROM = (
    f"expected the eight folders {KVASIR_LABELS[0]}/ to {KVASIR_LABELS[-1]}/ of kvasir-dataset.zip or "
    "kvasir-dataset-v2.zip (https://datasets.simula.no/kvasir)"
)


def list_images(data_dir: Path) -> Listing:
    """Lists the pictures in the class folders.

    Raises:
        UserError: If a class folder is missing or empty, or there are two versions of the data set.
    """
    prefix = _version_folder(data_dir)
    root = data_dir / prefix
    missing = [name for name in KVASIR_LABELS if not (root / name).is_dir()]
    if missing:
        raise UserError(f"{root} has no folder {', '.join(missing)}; {WHERE_FROM}")

    other = sorted(
        path.name
        for path in root.iterdir()
        if path.is_dir() and path.name not in KVASIR_LABELS
    )

    if other:
        logger.warning(
            "%s: passed over %s, which is no class of Kvasir.", root, ", ".join(other)
        )

    source_ids, labels, sizes = [], [], {}
    for label, name in enumerate(KVASIR_LABELS):
        of_class = picture_sizes(root / name)
        if not of_class:
            raise UserError(f"folder {root / name} has no picture; {WHERE_FROM}")
        sizes |= {f"{name}/{file}": size for file, size in of_class.items()}
        source_ids += [f"{name}/{file}" for file in sorted(of_class)]
        labels += [label] * len(of_class)

    return Listing(
        root=data_dir,
        files=[f"{prefix}{source_id}" for source_id in source_ids],
        source_ids=source_ids,
        labels=np.eye(len(KVASIR_LABELS), dtype=np.int8)[labels],
        group_ids=source_ids,
        fingerprint=fingerprint([], list(sizes.items())),
    )


def _version_folder(data_dir: Path) -> str:
    """The folder with the class folders, relative to the data folder: "" or a name with a slash behind it."""
    if any((data_dir / name).is_dir() for name in KVASIR_LABELS):
        return ""
    found = [name for name in FOLDER_NAMES if (data_dir / name).is_dir()]
    if len(found) > 1:
        raise UserError(
            f"{data_dir} has {' and '.join(found)}, expected one version of Kvasir; "
            f"give one of them, such as --data-dir {data_dir / found[0]}"
        )
    return f"{found[0]}/" if found else ""


DATASET = Dataset(
    name="kvasir",
    label_names=KVASIR_LABELS,
    fractions=(0.45, 0.05, 0.5),
    prepare=folder_from(WHERE_FROM),
    list_images=list_images,
    reader=READER,
    exclusive_labels=True,
    split_rules=(TWO_FOLD,),
)
