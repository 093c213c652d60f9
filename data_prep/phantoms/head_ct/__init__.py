"""Phantom head CT: made-up heads with bleedings, as DICOM files in the layout of RSNA's 2019 challenge.

`make(output_dir, PhantomConfig(...))` writes a set; so does `python -m data_prep.phantom_head_ct`.
"""

from data_prep.phantoms.head_ct.config import PhantomConfig
from data_prep.phantoms.head_ct.phantom_set import make

__all__ = ["PhantomConfig", "make"]
