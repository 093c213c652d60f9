"""The program that makes a phantom skin lesion set."""

import argparse
import logging
import sys

from data_prep.command_line import DefaultsHelp, run
from data_prep.errors import UserError
from data_prep.phantom_skin.config import PhantomSkinConfig
from data_prep.phantom_skin.phantom_set import CONTACT_SHEET_FILE, make

logger = logging.getLogger(__name__)


def main(argv=None):
    """Makes the set that the arguments ask for and says what it holds."""
    args = _parser().parse_args(argv)
    config = PhantomSkinConfig(
        images=args.images,
        least_share=args.least_share,
        several_views=args.several_views,
        seed=args.seed,
    )
    if args.workers is not None and args.workers < 1:
        raise UserError(f"--workers must be at least 1. Received: {args.workers}")
    summary = make(args.output, config, workers=args.workers, overwrite=args.overwrite)
    logger.info(
        "%d images of %d lesions in %s; see %s",
        summary["images"],
        summary["lesions"],
        args.output,
        CONTACT_SHEET_FILE,
    )
    for label, count in summary["classes"].items():
        logger.info("  %-5s %5d images (%.3f)", label, count, count / summary["images"])


def _parser():
    default = PhantomSkinConfig()
    parser = argparse.ArgumentParser(
        prog="python -m data_prep.phantom_skin",
        description="Draws phantom skin lesions of seven classes, as JPEG and PNG files in the layout of "
        "ISIC2018's task 3, with a contact sheet. The same settings make the same files. An interrupted run "
        "goes on where it stopped; a finished one is left as it is.",
        formatter_class=DefaultsHelp,
    )
    add = parser.add_argument
    add("--output", required=True, metavar="DIR", help="folder to write; new, empty, or of an earlier run")
    add("--images", type=int, default=default.images, metavar="N", help="number of images")
    add(
        "--least-share",
        type=float,
        default=default.least_share,
        metavar="SHARE",
        help="least share of the images for each class; the other proportions are ISIC2018's, whose rarest "
        "class has 0.011",
    )
    add(
        "--several-views",
        type=float,
        default=default.several_views,
        metavar="SHARE",
        help="share of the lesions with two to four images",
    )
    add("--seed", type=int, default=default.seed, metavar="N", help="seed of everything random")
    add("--overwrite", action="store_true", help="replace a set that was made with other settings")
    add("--workers", type=int, metavar="N", help="processes (default: one per core)")
    return parser


if __name__ == "__main__":
    sys.exit(run(main))
