"""The readers of files: a folder per modality, with its settings and its `READER`.

Nothing lists them: `get_reader` and `list_readers` look into this folder for packages whose
module `records` has a `READER`.
"""

import importlib
import pkgutil

from data_prep.modalities.reader import Reader
from keras_medformers.support.errors import UserError


def list_readers() -> list[Reader]:
    """The readers of all modalities, in the order of their folders' names."""
    packages = [one.name for one in pkgutil.iter_modules(__path__) if one.ispkg]
    return [
        importlib.import_module(f"{__name__}.{name}.records").READER
        for name in packages
    ]


def get_reader(modality: str) -> Reader:
    """The reader of a modality's files.

    Raises:
        UserError: If there is none for a modality of that name.
    """
    readers = {one.modality.name: one for one in list_readers()}
    if modality not in readers:
        raise UserError(
            f"no reader for files of modality {modality!r}; expected one of "
            f"{', '.join(readers)}"
        )
    return readers[modality]
