"""The program that shows and exports treated slices."""

import argparse
import collections
import functools
import logging
import sys
from pathlib import Path

import numpy as np

from data_prep.datasets import ich_location
from data_prep.datasets.base import Reject
from data_prep.datasets.keep_list import keep_listed
from data_prep.modalities.head_ct.dicom import UnreadableSlice, read_slice
from data_prep.modalities.head_ct.treatment.contact_sheets import (
    sheet,
    steps_row,
    write_picture,
)
from data_prep.modalities.head_ct.treatment.patient_sheets import (
    Drawn,
    Order,
    draw_patient,
    patient_folder,
)
from data_prep.modalities.head_ct.treatment.treatment import (
    MASK,
    TREATMENTS,
    NoHead,
    treat,
)
from data_prep.records.plan import progress
from data_prep.records.workers import WorkerDied, Workers, available_cores
from keras_medformers.support.command_line import DefaultsHelp, run
from keras_medformers.support.errors import UserError
from keras_medformers.support.whole_files import write_csv, write_text

logger = logging.getLogger(__name__)

STEPS_FILE = "steps.png"
KEEP_FILE = "keep_list.txt"
REJECTS_FILE = "rejects.csv"
KEEP_HELP = "# Take out the slices that are not to be used, then: python -m data_prep.tfrecords --keep-list\n"


def main(argv: list[str] | None = None) -> None:
    """Draws what the arguments ask for and says what became of the slices."""
    args = _parser().parse_args(argv)
    if args.workers < 1 or args.examples < 0:
        name, least = ("workers", 1) if args.workers < 1 else ("examples", 0)
        raise UserError(
            f"--{name} must be at least {least}. Received: {getattr(args, name)}"
        )

    ich_location.DATASET.prepare(args.data_dir)
    listing = ich_location.list_slices(args.data_dir)
    if args.keep_list:
        listing = keep_listed(listing, args.keep_list)
    try:
        args.output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"--output {args.output} cannot be made: {error.strerror}"
        ) from error

    order = Order(args.data_dir, args.output, args.treatment, args.jpg)
    drawn = _draw_patients(order, listing.files, args.workers)
    rejects = sorted(
        [*listing.rejects, *(one for part in drawn for one in part.rejects)]
    )
    untreated = sorted(one for part in drawn for one in part.untreated)
    write_csv(args.output / REJECTS_FILE, Reject._fields, [*rejects, *untreated])
    _write_steps(order, listing.files, args.examples)

    if not (args.output / KEEP_FILE).exists():
        set_aside = {reject.file for reject in rejects}
        kept = [file for file in listing.files if file not in set_aside]
        write_text(
            args.output / KEEP_FILE, KEEP_HELP + "".join(f"{file}\n" for file in kept)
        )

    logger.info(
        "%d slices treated, %d left untreated, %d files set aside (%s); pictures in %s.",
        sum(part.treated for part in drawn),
        len(untreated),
        len(rejects),
        REJECTS_FILE,
        args.output,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m data_prep.head_treatment",
        description="Treats the head CT slices of data set ich_location and shows what becomes of them: "
        f"{STEPS_FILE} with every step, a contact sheet per patient in patients/, and {KEEP_FILE}, a list "
        "of all slices to shorten by hand for `python -m data_prep.tfrecords --keep-list`. A list that is "
        "there is left as it is.",
        formatter_class=DefaultsHelp,
    )
    add = parser.add_argument
    folder = Path("data") / ich_location.DATASET.name
    add(
        "--data-dir",
        type=Path,
        default=folder,
        metavar="DIR",
        help="the data set's folder",
    )
    add(
        "--output",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder for the pictures",
    )
    add(
        "--treatment",
        choices=TREATMENTS,
        default=MASK,
        help="as for data_prep.tfrecords",
    )
    add("--keep-list", type=Path, metavar="FILE", help="show only what this list names")
    add(
        "--jpg",
        action="store_true",
        help="also write every treated slice as an 8-bit JPG into slices/",
    )
    add("--examples", type=int, default=8, metavar="N", help=f"slices in {STEPS_FILE}")
    add("--workers", type=int, default=available_cores(), metavar="N", help="processes")

    return parser


def _draw_patients(order: Order, files: list[str], workers: int) -> list[Drawn]:
    by_patient = collections.defaultdict(list)
    for file in files:
        by_patient[patient_folder(file)].append(file)
    with Workers(workers) as pool:
        results = pool.map(functools.partial(draw_patient, order), by_patient.values())
        drawn = list(progress(results, len(by_patient), "patients", "patient"))
    pairs = zip(by_patient, drawn, strict=True)
    died = [folder for folder, result in pairs if isinstance(result, WorkerDied)]
    if died:
        raise UserError(
            f"a process died while drawing {', '.join(died)}; take these folders out and run it again"
        )
    return drawn


def _write_steps(order: Order, files: list[str], examples: int) -> None:
    rows = []
    chosen = (
        np.linspace(0, len(files) - 1, min(examples, len(files))).round().astype(int)
    )
    for file in (files[index] for index in chosen):
        try:
            hu = read_slice(order.data_dir / file).hu
            rows.append(steps_row(hu, treat(hu, order.treatment).hu))
        except (UnreadableSlice, NoHead):
            continue
    if rows:
        write_picture(order.output_dir / STEPS_FILE, sheet(rows, columns=1))


if __name__ == "__main__":
    sys.exit(run(main))
