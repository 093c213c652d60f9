"""Variants of an exported model: what they are called, how they are made, and how near they have to be."""

import dataclasses
import logging
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from keras_medformers.serving.comparison import FEATURE_SLACK
from keras_medformers.serving.export import samples_of
from keras_medformers.serving.optimize.agreement import (
    answers,
    check_agreement,
    modality_of,
)
from keras_medformers.serving.optimize.writers import (
    SAVED_MODEL,
    write_bfloat16,
    write_frozen,
    write_xla,
)
from keras_medformers.serving.versions import new_version

logger = logging.getLogger(__name__)

BESIDE_THE_GRAPH = ("assets", "assets.extra")
"""Folders of a version that every variant has as well: label names, model card, warm-up requests."""


@dataclasses.dataclass(frozen=True)
class Variant:
    """A way to write an exported model anew.

    Attributes:
        write: Writes a version, given as folder, as another folder.
        tolerance: Largest difference from the plain export's probabilities.
        tolerance_inside: Largest difference of heat maps, and of features in relation to the largest.
    """

    write: Callable[[Path, Path], None]
    tolerance: float = 1e-4
    tolerance_inside: float = FEATURE_SLACK * 1e-4


VARIANTS = {
    "frozen": Variant(write_frozen),
    # A weight's rounding is up to 2 ** -9 = 0.2% of it.
    "bfloat16": Variant(write_bfloat16, tolerance=1e-2, tolerance_inside=1e-1),
    "xla": Variant(write_xla),
}
"""By name: `frozen`, folded and flat; `bfloat16`, the same in half the size, cast when loaded; `xla`, the
network compiled at the first call."""


def optimize_saved_model(
    version: str | Path,
    variant: str,
    directory: str | Path | None = None,
    *,
    samples: Sequence[np.ndarray] | None = None,
) -> Path:
    """Writes a variant of an exported model as the next version in a folder of its own.

    It has the same signatures, label names, model card and warm-up requests, and loads like the plain one.

    Args:
        version: Folder of the plain export, what `export_saved_model` gave.
        variant: Key of `VARIANTS`.
        directory: Where the variant's versions are; `MODEL_VARIANT` beside the plain export's `MODEL` if not
            given. Made if absent. Its name is the model's for a server.
        samples: Batches of raw pixels, each `(batch, height, width, channels)`, on which the two are
            compared; drawn ones of its modality if not given.

    Returns:
        The variant's version.

    Raises:
        ValueError: If there is no such export or variant, or the model cannot be written this way.
        RuntimeError: If the variant's answers differ from the plain export's by more than the variant's
            tolerance, or it does not run; nothing is left behind.
    """
    version = Path(version)
    if variant not in VARIANTS:
        raise ValueError(
            f"`variant` must be one of {', '.join(VARIANTS)}. Received: {variant!r}"
        )
    if not (version / SAVED_MODEL).is_file():
        raise ValueError(
            f"Expected `version` to be the folder of a SavedModel, MODEL/VERSION. Received: {version}"
        )

    of_variant = VARIANTS[variant]
    model = version.resolve().parent
    directory = (
        Path(directory) if directory else model.with_name(f"{model.name}_{variant}")
    )
    if directory.resolve() == model:
        raise ValueError(
            f"Expected another `directory` than that of the plain export. Received: {directory}"
        )

    if samples is None:
        samples = samples_of(modality_of(version))
    expected = answers(version, samples)
    with new_version(directory) as new:
        of_variant.write(version, new.path)
        for name in BESIDE_THE_GRAPH:
            if (version / name).is_dir():
                shutil.copytree(version / name, new.path / name, dirs_exist_ok=True)
        try:
            received = answers(new.path, samples)
        except tf.errors.OpError as error:
            raise RuntimeError(
                f"The variant {variant} does not run: {error.message}"
            ) from error
        check_agreement(
            variant,
            expected,
            received,
            of_variant.tolerance,
            of_variant.tolerance_inside,
        )
        path = new.publish()

    logger.info("Wrote %s, the variant %s of %s", path, variant, version)
    return path
