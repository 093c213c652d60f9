"""Phantom skin lesions: drawn dermoscopic pictures of seven classes in the layout of ISIC2018's task 3.

`make(output_dir, PhantomSkinConfig(...))` writes a set; so does `python -m data_prep.phantom_skin`.
"""

from data_prep.phantoms.skin.config import PhantomSkinConfig
from data_prep.phantoms.skin.phantom_set import make

__all__ = ["PhantomSkinConfig", "make"]
