"""The program that makes a phantom head CT set."""

import argparse
import logging
import sys

from data_prep.labels import HEMORRHAGE_LABELS
from data_prep.phantoms.head_ct.config import DEFAULT_PREVALENCE, PhantomConfig
from data_prep.phantoms.head_ct.phantom_set import CONTACT_SHEET_FILE, make
from data_prep.phantoms.program import add_run_options, add_seed, make_set, start_parser
from keras_medformers.support.command_line import run
from keras_medformers.support.errors import UserError

logger = logging.getLogger(__name__)


def main(argv: list[str] | None = None) -> None:
    """Makes the set that the arguments ask for and says what it holds."""
    args = _parser().parse_args(argv)
    config = PhantomConfig(
        patients=args.patients,
        slices_per_series=args.slices_per_series,
        second_series=args.second_series,
        image_size_px=args.image_size,
        seed=args.seed,
        prevalence=_prevalence(args.prevalence),
        with_truth=args.with_truth,
    )
    summary = make_set(make, config, args)
    logger.info(
        "%d slices in %s; see %s", summary["slices"], args.output, CONTACT_SHEET_FILE
    )

    for label, count in summary["positives"].items():
        logger.info(
            "  %-17s %5d slices (%.3f)", label, count, count / summary["slices"]
        )


def _parser() -> argparse.ArgumentParser:
    default = PhantomConfig()
    parser = start_parser(
        "data_prep.phantom_head_ct",
        "Makes phantom head CT scans with bleedings, as DICOM files in the layout of RSNA's 2019 challenge, "
        "with a contact sheet.",
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
        "--slices-per-series",
        type=int,
        default=default.slices_per_series,
        metavar="N",
        help="slices from the base of the skull to the vertex",
    )
    add(
        "--second-series",
        type=float,
        default=default.second_series,
        metavar="SHARE",
        help="share of the patients who were scanned twice",
    )
    add(
        "--image-size",
        type=int,
        default=default.image_size_px,
        metavar="PX",
        help="rows and columns",
    )
    add_seed(parser, default)
    add(
        "--prevalence",
        default="",
        metavar="NAME=SHARE,...",
        help="shares of the patients who have a bleeding, for any of: "
        + ", ".join(
            f"{name}={DEFAULT_PREVALENCE[name]:g}" for name in HEMORRHAGE_LABELS
        )
        + "; what is not named keeps the value given here",
    )
    add(
        "--with-truth",
        action="store_true",
        help="also write a map of the true tissues per slice",
    )
    add_run_options(parser)

    return parser


def _prevalence(text: str) -> dict[str, float]:
    shares = dict(DEFAULT_PREVALENCE)
    for item in filter(None, (part.strip() for part in text.split(","))):
        name, equals, share = item.partition("=")
        if name not in shares or not equals:
            names = ", ".join(HEMORRHAGE_LABELS)
            raise UserError(
                f"--prevalence must be NAME=SHARE with NAME one of {names}. Received: {item!r}"
            )
        try:
            shares[name] = float(share)
        except ValueError:
            raise UserError(
                f"--prevalence of {name} must be a number from 0 to 1. Received: {share!r}"
            ) from None
    return shares


if __name__ == "__main__":
    sys.exit(run(main))
