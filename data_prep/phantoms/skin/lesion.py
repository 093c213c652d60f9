"""Draws one lesion, photographs it as often as planned and writes the pictures."""

from pathlib import Path

import cv2
import numpy as np

from data_prep.phantoms.skin.artefacts import add_artefacts
from data_prep.phantoms.skin.camera import expose, view
from data_prep.phantoms.skin.canvas import Canvas
from data_prep.phantoms.skin.config import LesionPlan
from data_prep.phantoms.skin.dermal import draw_dermatofibroma, draw_vascular_lesion
from data_prep.phantoms.skin.keratinocytic import (
    draw_actinic_keratosis,
    draw_basal_cell_carcinoma,
    draw_benign_keratosis,
)
from data_prep.phantoms.skin.melanocytic import draw_melanoma, draw_nevus
from data_prep.phantoms.skin.skin import draw_skin
from data_prep.phantoms.skin.texture import sway
from keras_medformers.support.whole_files import write_bytes

DRAW = {
    "MEL": draw_melanoma,
    "NV": draw_nevus,
    "BCC": draw_basal_cell_carcinoma,
    "AKIEC": draw_actinic_keratosis,
    "BKL": draw_benign_keratosis,
    "DF": draw_dermatofibroma,
    "VASC": draw_vascular_lesion,
}
_PATCH, _VIEW = 1, 2


def draw_patch(label: str, seed: int, number: int) -> np.ndarray:
    """A lesion and the skin around it.

    Args:
        label: Class of the lesion.
        seed: The set's.
        number: The lesion's.

    Returns:
        uint8 RGB of shape `(canvas.SIZE_PX, canvas.SIZE_PX, 3)`.
    """
    rng = np.random.default_rng([seed, _PATCH, number])
    canvas = Canvas()
    draw_skin(rng, canvas)
    DRAW[label](rng, canvas)
    return sway(rng, canvas.render())


def photograph(
    patch: np.ndarray,
    size_px: tuple[int, int],
    seed: int,
    number: int,
    view_number: int,
) -> np.ndarray:
    """One picture of a lesion, as uint8 RGB of shape `(height, width, 3)`."""
    rng = np.random.default_rng([seed, _VIEW, number, view_number])
    picture, px_per_mm = view(rng, patch, size_px)
    return expose(rng, add_artefacts(rng, picture, px_per_mm))


def encode(picture: np.ndarray, suffix: str, quality: int) -> bytes:
    """The bytes of a picture: PNG, or JPEG of the given quality."""
    options = (
        [cv2.IMWRITE_JPEG_QUALITY, quality]
        if suffix == ".jpg"
        else [cv2.IMWRITE_PNG_COMPRESSION, 3]
    )
    return cv2.imencode(suffix, picture[..., ::-1], options)[1].tobytes()


def write_lesion(job: tuple[str, int, LesionPlan]) -> int:
    """Writes the pictures of a lesion that are not there yet.

    Args:
        job: Folder, the set's seed and the `LesionPlan`.

    Returns:
        Number of the lesion's pictures.
    """
    folder, seed, plan = job
    missing = [
        k for k, name in enumerate(plan.files) if not (Path(folder) / name).exists()
    ]
    if missing:
        patch = draw_patch(plan.label, seed, plan.number)
    for k in missing:
        path = Path(folder) / plan.files[k]
        picture = photograph(patch, plan.sizes_px[k], seed, plan.number, k)
        quality = int(np.random.default_rng([seed, plan.number, k]).integers(85, 96))
        write_bytes(path, encode(picture, path.suffix, quality))
    return len(plan.files)
