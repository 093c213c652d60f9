"""Phantom mammograms: drawn screening exams of four views as DICOM files, with findings in a manifest.

`make(output_dir, PhantomMammographyConfig(...))` writes a set; so does
`python -m data_prep.phantom_mammography`.
"""

from data_prep.phantoms.mammography.config import PhantomMammographyConfig
from data_prep.phantoms.mammography.phantom_set import make

__all__ = ["PhantomMammographyConfig", "make"]
