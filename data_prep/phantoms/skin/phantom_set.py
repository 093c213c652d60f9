"""Makes a phantom skin lesion set in ISIC2018's layout; an interrupted run goes on where it stopped."""

import logging
from pathlib import Path

from tqdm import tqdm

from data_prep.labels import SKIN_LESION_LABELS
from data_prep.phantoms.folder import PhantomFolder
from data_prep.phantoms.skin.config import (
    LesionPlan,
    PhantomSkinConfig,
    count_images,
    plan_lesions,
)
from data_prep.phantoms.skin.contact_sheet import write_contact_sheet
from data_prep.phantoms.skin.lesion import write_lesion
from data_prep.phantoms.workers import draw_all
from keras_medformers.support.whole_files import write_csv

TOOL_VERSION = 1
"""Raised whenever the same settings make other bytes than before."""

IMAGES = "ISIC2018_Task3_Training_Input"
LABELS_FILE = (
    "ISIC2018_Task3_Training_GroundTruth/ISIC2018_Task3_Training_GroundTruth.csv"
)
LESIONS_FILE = "ISIC2018_Task3_Training_LesionGroupings.csv"
CONTACT_SHEET_FILE = "contact_sheet.png"
_CONFIRMED_BY = {
    "MEL": "histopathology",
    "BCC": "histopathology",
    "AKIEC": "histopathology",
}
_ELSE_CONFIRMED_BY = "single image expert consensus"

logger = logging.getLogger(__name__)


def make(
    output_dir: str | Path,
    config: PhantomSkinConfig | None = None,
    workers: int | None = None,
    overwrite: bool = False,
) -> dict:
    """Makes the set, or what is missing of it.

    Args:
        output_dir: Folder for the set: new, empty, or left by an earlier run with the same settings.
        config: `PhantomSkinConfig`; None for the default.
        workers: Number of processes; None for one per core. It does not change what is written.
        overwrite: Throw away a set made with other settings.

    Returns:
        The summary that `phantom.json` holds.

    Raises:
        UserError: If the folder holds something else, or a set made with other settings; or a process died.
    """
    output_dir, config = Path(output_dir), config or PhantomSkinConfig()
    contents = (LABELS_FILE, LESIONS_FILE, CONTACT_SHEET_FILE, IMAGES)
    folder = PhantomFolder(output_dir, TOOL_VERSION, config, contents)
    made = folder.claim(overwrite)
    if made:
        return made

    (output_dir / IMAGES).mkdir(exist_ok=True)
    (output_dir / LABELS_FILE).parent.mkdir(exist_ok=True)
    plans = plan_lesions(config)
    _write_pictures(output_dir / IMAGES, config, plans, workers)
    _write_labels(output_dir / LABELS_FILE, plans)
    _write_lesions(output_dir / LESIONS_FILE, plans)
    write_contact_sheet(output_dir / CONTACT_SHEET_FILE, output_dir / IMAGES, plans)
    return folder.finish(
        {
            "images": config.images,
            "lesions": len(plans),
            "classes": count_images(config),
        }
    )


def _write_pictures(
    folder: Path,
    config: PhantomSkinConfig,
    plans: list[LesionPlan],
    workers: int | None,
) -> None:
    jobs = {plan.lesion_id: (str(folder), config.seed, plan) for plan in plans}
    logger.info(
        "drawing %d pictures of %d lesions in %s", config.images, len(plans), folder
    )
    with tqdm(total=config.images, unit=" pictures", desc="phantoms") as bar:
        for written in draw_all(write_lesion, jobs, workers):
            bar.update(written)


def _write_labels(path: Path, plans: list[LesionPlan]) -> None:
    rows = []
    for image, plan in _by_image(plans):
        rows.append(
            [image, *(f"{float(label == plan.label)}" for label in SKIN_LESION_LABELS)]
        )
    write_csv(path, ("image", *SKIN_LESION_LABELS), rows)


def _write_lesions(path: Path, plans: list[LesionPlan]) -> None:
    rows = [
        (image, plan.lesion_id, _CONFIRMED_BY.get(plan.label, _ELSE_CONFIRMED_BY))
        for image, plan in _by_image(plans)
    ]
    write_csv(path, ("image", "lesion_id", "diagnosis_confirm_type"), rows)


def _by_image(plans: list[LesionPlan]) -> list[tuple[str, LesionPlan]]:
    return sorted(
        ((image, plan) for plan in plans for image in plan.image_ids),
        key=lambda pair: pair[0],
    )
