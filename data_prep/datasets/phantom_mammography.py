"""Phantom mammograms: made here by `data_prep.phantoms.mammography`, with a manifest as `mammography` has it.

By default they are made 832 pixels high and stored 416 high, so that small networks train on them within
minutes: their pixels stand for four times those of full resolution, and so do patches.
Licence: that of this package; no patient is in it.
"""

import dataclasses
import json
import logging
from pathlib import Path

from data_prep.datasets import mammography
from data_prep.phantoms import mammography as phantom_mammography
from data_prep.phantoms.folder import DONE_FILE
from keras_medformers.support.errors import UserError

logger = logging.getLogger(__name__)

IMAGE_SIZE_PX = 416
CONFIG = phantom_mammography.PhantomMammographyConfig(finding_scale=2.0)


def prepare(data_dir: Path) -> None:
    """Makes the phantoms, with large findings, unless a complete set is there."""
    if not (data_dir / DONE_FILE).is_file():
        logger.info("No complete phantom set in %s: making one.", data_dir)
        phantom_mammography.make(data_dir, CONFIG)


def settings_of_folder(data_dir: Path) -> dict[str, int]:
    """Height of the phantoms in the folder."""
    path = data_dir / DONE_FILE
    try:
        height = json.loads(path.read_text())["config"]["image_height_px"]
        return {"source_height": int(height)}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{path} does not say how high its mammograms are; remove {data_dir} and make the set again"
        ) from error


DATASET = dataclasses.replace(
    mammography.DATASET,
    name="phantom_mammography",
    prepare=prepare,
    settings={"image_size": IMAGE_SIZE_PX},
    settings_of_folder=settings_of_folder,
    is_phantom=True,
)
