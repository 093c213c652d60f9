"""Phantom skin lesions: made here by `data_prep.phantoms.skin`, in the layout of ISIC2018's task 3.

The seven classes and their order are ISIC2018's, and so are the ways to split. The proportions are near
ISIC2018's, save that the rare classes have more images than their share.
Licence: that of this package; no patient is in it.
"""

import dataclasses
import logging
from pathlib import Path

from data_prep.datasets import isic2018
from data_prep.phantoms import skin as phantom_skin

logger = logging.getLogger(__name__)

COMPLETE_NAME = "phantom.json"


def prepare(data_dir: Path) -> None:
    """Makes the phantoms with their default settings, unless a complete set is there."""
    if not (data_dir / COMPLETE_NAME).is_file():
        logger.info("No complete phantom set in %s: making one.", data_dir)
        phantom_skin.make(data_dir, phantom_skin.PhantomSkinConfig())


DATASET = dataclasses.replace(
    isic2018.DATASET, name="phantom_skin", prepare=prepare, is_phantom=True
)
