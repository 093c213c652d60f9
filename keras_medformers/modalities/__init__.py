"""The kinds of pictures: what each is, in one place, for records, networks and exports.

Neither Keras nor a backend is imported. A new modality is a module here, a line below, and a
folder of the same name in `data_prep.modalities` with the reader of its files.
"""

import difflib

from keras_medformers.modalities.head_ct import HEAD_CT
from keras_medformers.modalities.mammogram import MAMMOGRAM
from keras_medformers.modalities.modality import Modality
from keras_medformers.modalities.photograph import PHOTOGRAPH
from keras_medformers.modalities.radiograph import RADIOGRAPH

__all__ = [
    "HEAD_CT",
    "MAMMOGRAM",
    "PHOTOGRAPH",
    "RADIOGRAPH",
    "Modality",
    "get_modality",
    "list_modalities",
    "modality_of_old_export",
    "register_modality",
]

_MODALITIES: dict[str, Modality] = {}


def register_modality(modality: Modality) -> Modality:
    """Makes a modality known under its name; one of the same name is replaced."""
    _MODALITIES[modality.name] = modality
    return modality


def list_modalities() -> list[str]:
    """Names that `get_modality` takes, in the order in which they were registered."""
    return list(_MODALITIES)


def get_modality(name: "str | Modality") -> Modality:
    """The modality of this name; one that is given itself is given back.

    Raises:
        ValueError: If there is no such modality; the message has those that there are.
    """
    if isinstance(name, Modality):
        return name
    if name not in _MODALITIES:
        near = difflib.get_close_matches(str(name), _MODALITIES, n=3) or _MODALITIES
        raise ValueError(
            f"Unknown modality. Received: modality={name!r}. Expected: "
            f"{' or '.join(map(repr, near))}"
        )
    return _MODALITIES[name]


def modality_of_old_export(dtype: str, channels: int) -> Modality | None:
    """The modality of an export that was made before exports named it, by its raw pixels.

    Only for those: since there are radiographs, pixels no longer tell modalities apart.

    Args:
        dtype: Type of the raw pixels.
        channels: Their channels.

    Returns:
        One of the three modalities that there were; None if it takes something else.
    """
    known = (HEAD_CT, PHOTOGRAPH, MAMMOGRAM)
    return next((one for one in known if one.takes(dtype, channels)), None)


for _modality in (HEAD_CT, PHOTOGRAPH, MAMMOGRAM, RADIOGRAPH):
    register_modality(_modality)
