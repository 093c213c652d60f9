"""The program that redraws photographs in the style of a CT slice."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from data_prep.style_transfer.config import POOLINGS, StyleTransferConfig
from data_prep.style_transfer.restyle import restyle
from keras_medformers.support.command_line import DefaultsHelp, run
from keras_medformers.support.errors import check_setting


def main(argv: Sequence[str] | None = None) -> None:
    """Redraws the pictures that the arguments ask for.

    Raises:
        UserError: See `restyle`; or an argument is out of its range.
    """
    arguments = _parser().parse_args(argv)
    config = StyleTransferConfig(
        size=arguments.size,
        steps=arguments.steps,
        content_weight=arguments.content_weight,
        style_weight=arguments.style_weight,
        step_size=arguments.step_size,
        pooling=arguments.pooling,
    )
    check_setting(
        "--batch-size", arguments.batch_size, arguments.batch_size >= 1, "at least 1"
    )
    restyle(
        arguments.content,
        arguments.style,
        arguments.output,
        config,
        weights=arguments.weights,
        batch_size=arguments.batch_size,
    )


def _parser() -> argparse.ArgumentParser:
    default = StyleTransferConfig()
    parser = argparse.ArgumentParser(
        prog="python -m data_prep.style_transfer",
        description="Redraws a folder tree of photographs, such as ImageNet's, in the style of a CT slice by "
        "the method of Gatys et al. on VGG19. Every picture keeps its path, so that class folders stay class "
        "folders. An interrupted run goes on where it stopped.",
        formatter_class=DefaultsHelp,
    )
    add = parser.add_argument
    add(
        "--content",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder with photographs, in it or below",
    )
    add(
        "--style",
        type=Path,
        required=True,
        metavar="FILE",
        help="a DICOM slice of head CT, seen in the brain window, or any picture",
    )
    add(
        "--output",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder for the redrawn pictures",
    )
    add(
        "--size",
        type=int,
        default=default.size,
        metavar="PX",
        help="height and width of redrawn pictures: the middle square of each, resized",
    )
    add(
        "--steps",
        type=int,
        default=default.steps,
        metavar="N",
        help="steps of the optimiser per picture",
    )
    add(
        "--content-weight",
        type=float,
        default=default.content_weight,
        metavar="W",
        help="alpha",
    )
    add(
        "--style-weight",
        type=float,
        default=default.style_weight,
        metavar="W",
        help="beta; more of it, more style and less content",
    )
    add(
        "--step-size",
        type=float,
        default=default.step_size,
        metavar="LEVELS",
        help="learning rate of Adam, in levels of 0 to 255",
    )
    add("--pooling", choices=POOLINGS, default=default.pooling, help="of VGG19")
    add(
        "--weights",
        default="imagenet",
        metavar="imagenet|FILE|none",
        help="of VGG19: a file is as keras.applications has it without top",
    )
    add(
        "--batch-size",
        type=int,
        default=8,
        metavar="N",
        help="pictures to redraw at once",
    )

    return parser


if __name__ == "__main__":
    sys.exit(run(main))
