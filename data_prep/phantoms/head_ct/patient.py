"""Makes the files of one patient, and says what is in each slice."""

from pathlib import Path

import cv2
import numpy as np

from data_prep.phantoms.head_ct import dicom_files, hemorrhage
from data_prep.phantoms.head_ct.anatomy import Head
from data_prep.phantoms.head_ct.config import KINDS, PatientPlan, PhantomConfig
from data_prep.phantoms.head_ct.dicom_files import SliceHeader
from data_prep.phantoms.head_ct.hemorrhage import Hemorrhage
from data_prep.phantoms.head_ct.scanner import Acquisition, SliceImage, scan
from data_prep.phantoms.head_ct.tissues import TRUTH
from keras_medformers.support.whole_files import whole_file

IMAGES = "stage_2_train"
TRUTH_MAPS = "truth"
VISIBLE_SHARE = 0.5
"""A pixel shows a bleeding when at least this share of its volume is that blood."""
VISIBLE_AREA_MM2 = 3.0
"""A slice is labelled with a bleeding when the pixels that show it cover at least this area."""

_SERIES_STRIDE = 1 << 12
_PATIENT_STRIDE = 1 << 16
_SEED_STRIDE = 0xD1B54A32D
_SCRAMBLE = 0x9E3779B97


def identifier(number: int, seed: int, digits: int) -> str:
    """A pseudonym as RSNA's: `ID_` and hexadecimal digits, different for different numbers."""
    bits = 4 * digits
    # Each of these steps maps different numbers to different numbers.
    value = (number + seed * _SEED_STRIDE) % (1 << bits)
    for _ in range(3):
        value = value * _SCRAMBLE % (1 << bits)
        value ^= value >> (bits // 2)
    return f"ID_{value:0{digits}x}"


def make_patient(
    output_dir: Path, config: PhantomConfig, plan: PatientPlan
) -> list[dict]:
    """Writes all slices of one patient.

    Args:
        output_dir: Folder of the set.
        config: `PhantomConfig`.
        plan: The patient's `PatientPlan`.

    Returns:
        A list of dicts, one per slice: `id`, `patient` and `series` (their numbers), `level` (0 lowest to 1
        highest), `areas_mm2` by kind of bleeding, `labels` (names of the kinds that are visible), `location`.
    """
    cv2.setNumThreads(1)
    rng = np.random.default_rng([config.seed, 1, plan.number])
    head = Head(rng)
    bleedings = [_bleeding(kind, config, rng) for kind in plan.kinds]
    rows = []
    for series in range(plan.series):
        acquisition = Acquisition.draw(
            rng, config.image_size_px, config.slices_per_series
        )
        for index in range(config.slices_per_series):
            tracked = None if config.with_truth else plan.kinds
            image = scan(head, bleedings, acquisition, index, rng, tracked)
            header = _header(config, plan, series, index, acquisition)
            dicom_files.write_slice(
                Path(output_dir, IMAGES, f"{header.slice_id}.dcm"), image.hu, header
            )
            if config.with_truth:
                _write_truth(
                    Path(output_dir, TRUTH_MAPS, f"{header.slice_id}.png"), image.shares
                )
            row = {
                "id": header.slice_id,
                "patient": plan.number,
                "series": series,
                "level": index / (config.slices_per_series - 1),
            }
            rows.append(row | _findings(image, bleedings, acquisition.spacing_mm))

    return rows


def _bleeding(kind: str, config: PhantomConfig, rng: np.random.Generator) -> Hemorrhage:
    sizes = (
        (config.least_clot_mm, config.median_clot_mm)
        if kind == "intraparenchymal"
        else ()
    )
    return hemorrhage.KINDS[kind](rng, *sizes)


def _header(
    config: PhantomConfig,
    plan: PatientPlan,
    series: int,
    index: int,
    acquisition: Acquisition,
) -> SliceHeader:
    number = plan.number * _PATIENT_STRIDE + series * _SERIES_STRIDE
    return dicom_files.SliceHeader(
        slice_id=identifier(number + index, config.seed, 9),
        patient_id=identifier(plan.number, config.seed, 8),
        study_id=identifier(number + 1, config.seed, 10),
        series_id=identifier(number + 2, config.seed, 10),
        position_mm=tuple(acquisition.corner_mm(index)),
        orientation=tuple(acquisition.orientation.ravel()),
        spacing_mm=acquisition.spacing_mm,
        storage=dicom_files.STORAGE_CYCLE[
            (plan.number + 2 * series) % len(dicom_files.STORAGE_CYCLE)
        ],
    )


def _findings(
    image: SliceImage, bleedings: list[Hemorrhage], spacing_mm: float
) -> dict:
    shown, areas = {}, {}
    for kind in KINDS:
        share = image.shares.get(kind)
        shown[kind] = (
            np.zeros(image.hu.shape, bool) if share is None else share >= VISIBLE_SHARE
        )
        areas[kind] = round(float(shown[kind].sum()) * spacing_mm**2, 2)

    labels = [kind for kind in KINDS if areas[kind] >= VISIBLE_AREA_MM2]
    location = "normal"
    if labels:
        largest = max(labels, key=areas.get)
        location = next(b.location for b in bleedings if b.kind == largest)
        if image.below_tentorium[shown[largest]].mean() > 0.5:
            location = hemorrhage.SUBTENTORIAL

    return {"areas_mm2": areas, "labels": labels, "location": location}


def _write_truth(path: Path, shares: dict[str, np.ndarray]) -> None:
    names = [name for name, share in shares.items() if share is not None]
    most = np.argmax(np.stack([shares[name] for name in names]), axis=0)
    image = np.array([TRUTH[name] for name in names], np.uint8)[most]
    with whole_file(path) as temporary:
        cv2.imwrite(str(temporary), image)
