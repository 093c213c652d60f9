"""The program that makes a phantom skin lesion set."""

import argparse
import logging
import sys

from data_prep.phantoms.program import add_run_options, add_seed, make_set, start_parser
from data_prep.phantoms.skin.config import PhantomSkinConfig
from data_prep.phantoms.skin.phantom_set import CONTACT_SHEET_FILE, make
from keras_medformers.support.command_line import run

logger = logging.getLogger(__name__)


def main(argv: list[str] | None = None) -> None:
    """Makes the set that the arguments ask for and says what it holds."""
    args = _parser().parse_args(argv)
    config = PhantomSkinConfig(
        images=args.images,
        least_share=args.least_share,
        several_views=args.several_views,
        seed=args.seed,
    )
    summary = make_set(make, config, args)
    logger.info(
        "%d images of %d lesions in %s; see %s",
        summary["images"],
        summary["lesions"],
        args.output,
        CONTACT_SHEET_FILE,
    )
    for label, count in summary["classes"].items():
        logger.info("  %-5s %5d images (%.3f)", label, count, count / summary["images"])


def _parser() -> argparse.ArgumentParser:
    default = PhantomSkinConfig()
    parser = start_parser(
        "data_prep.phantom_skin",
        "Draws phantom skin lesions of seven classes, as JPEG and PNG files in the layout of ISIC2018's task "
        "3, with a contact sheet.",
    )
    add = parser.add_argument
    add(
        "--images",
        type=int,
        default=default.images,
        metavar="N",
        help="number of images",
    )
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
    add_seed(parser, default)
    add_run_options(parser)

    return parser


if __name__ == "__main__":
    sys.exit(run(main))
