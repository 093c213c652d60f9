"""Patches of the phantom mammograms, as `mammography_patches` cuts them.

They are of the same set as `phantom_mammography`: --data-dir is `data/phantom_mammography` if not given.
Licence: that of this package; no patient is in it.
"""

import dataclasses

from data_prep.datasets import mammography_patches, phantom_mammography

DATASET = dataclasses.replace(
    mammography_patches.DATASET,
    name="phantom_mammography_patches",
    prepare=phantom_mammography.prepare,
    settings={
        **mammography_patches.DATASET.settings,
        "image_size": phantom_mammography.IMAGE_SIZE_PX,
    },
    settings_of_folder=phantom_mammography.settings_of_folder,
    data_folder=phantom_mammography.DATASET.name,
    is_phantom=True,
    patches_of=phantom_mammography.DATASET.name,
)
