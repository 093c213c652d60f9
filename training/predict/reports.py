"""Reports of studies, as DICOM objects."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from keras_medformers.support.errors import UserError
from training.predict.findings import StudyResult
from training.predict.secondary_capture import write_secondary_captures
from training.predict.structured_report import write_structured_report

logger = logging.getLogger(__name__)

STRUCTURED_REPORT, SECONDARY_CAPTURE = "sr", "sc"


def write_reports(
    studies: Sequence[StudyResult],
    folder: Path,
    kinds: Sequence[str],
    *,
    model_name: str,
    model_version: str,
    read_pixels: Callable[[Path], np.ndarray],
    to_picture: Callable[[np.ndarray], np.ndarray],
    crop_fraction: float | None,
    label: str | None,
) -> list[Path]:
    """Writes reports of all studies of which they can be written.

    Args:
        studies: The studies.
        folder: Where to; made if absent.
        kinds: `STRUCTURED_REPORT` or `SECONDARY_CAPTURE`, or both.
        model_name: The model's.
        model_version: Its version.
        read_pixels: Reads the raw pixels that a heat map lies over.
        to_picture: See `Modality.to_picture`.
        crop_fraction: See `keras_medformers.explain.place_on_picture`.
        label: Whose heat maps secondary captures show; None for the likeliest one's.

    Returns:
        The files.

    Raises:
        UserError: If of some study there could be none; those of the others are there.
    """
    folder.mkdir(mode=0o700, exist_ok=True)
    about = {"model_name": model_name, "model_version": model_version}
    files, failed = [], []
    for study in studies:
        name = study.study_id.replace(" ", "_")
        try:
            if STRUCTURED_REPORT in kinds:
                files.append(
                    write_structured_report(study, folder / f"{name}.dcm", **about)
                )
            if SECONDARY_CAPTURE in kinds:
                files += write_secondary_captures(
                    study,
                    folder / name,
                    label=label,
                    read_pixels=read_pixels,
                    to_picture=to_picture,
                    crop_fraction=crop_fraction,
                    **about,
                )
        except UserError as error:
            failed.append(f"of {study.study_id}: {error}")

    logger.info(
        "%d reports are in %s: patient data, like the slices", len(files), folder
    )
    if failed:
        raise UserError(
            f"no report {failed[0]}"
            + (f" (and {len(failed) - 1} more)" if failed[1:] else "")
        )

    return files
