"""The program that makes a set of phantom mammograms."""

import argparse
import logging
import sys

from data_prep.phantoms.mammography.config import PhantomMammographyConfig
from data_prep.phantoms.mammography.phantom_set import CONTACT_SHEET_FILE, make
from data_prep.phantoms.program import add_run_options, add_seed, make_set, start_parser
from keras_medformers.support.command_line import run

logger = logging.getLogger(__name__)


def main(argv: list[str] | None = None) -> None:
    """Makes the set that the arguments ask for and says what it holds."""
    args = _parser().parse_args(argv)
    config = PhantomMammographyConfig(
        patients=args.patients,
        image_height_px=args.image_height,
        malignant=args.malignant,
        benign=args.benign,
        finding_scale=args.finding_scale,
        monochrome1=args.monochrome1,
        seed=args.seed,
    )
    summary = make_set(make, config, args)
    logger.info(
        "%d images in %s; see %s", summary["images"], args.output, CONTACT_SHEET_FILE
    )

    for label, count in summary["labels"].items():
        logger.info(
            "  %-14s %5d images (%.2f)", label, count, count / summary["images"]
        )

    for name, kinds in summary["findings"].items():
        logger.info(
            "  %-25s %4d malignant, %4d benign",
            name,
            kinds["malignant"],
            kinds["benign"],
        )


def _parser() -> argparse.ArgumentParser:
    default = PhantomMammographyConfig()
    parser = start_parser(
        "data_prep.phantom_mammography",
        "Draws phantom mammograms, exams of four views as DICOM files, with a manifest of their findings and "
        "a contact sheet.",
    )
    add = parser.add_argument
    add(
        "--patients",
        type=int,
        default=default.patients,
        metavar="N",
        help="number of patients",
    )
    add(
        "--image-height",
        type=int,
        default=default.image_height_px,
        metavar="PX",
        help="height of the images, a multiple of 13; 3328 is full resolution",
    )
    add(
        "--malignant",
        type=float,
        default=default.malignant,
        metavar="SHARE",
        help="share of the breasts with a malignant finding",
    )
    add(
        "--benign",
        type=float,
        default=default.benign,
        metavar="SHARE",
        help="share of the breasts with a benign finding only",
    )
    add(
        "--finding-scale",
        type=float,
        default=default.finding_scale,
        metavar="F",
        help="how many times as large as in life findings are",
    )
    add(
        "--monochrome1",
        type=float,
        default=default.monochrome1,
        metavar="SHARE",
        help="share of the exams stored with dark tissue",
    )
    add_seed(parser, default)
    add_run_options(parser)

    return parser


if __name__ == "__main__":
    sys.exit(run(main))
