"""What the programs that make phantom sets share: their common options, and the call that makes a set."""

import argparse
from collections.abc import Callable

from data_prep.phantoms.folder import Settings
from keras_medformers.support.command_line import DefaultsHelp
from keras_medformers.support.errors import UserError


def start_parser(package: str, purpose: str) -> argparse.ArgumentParser:
    """A parser that knows --output.

    Args:
        package: Name of the set's package.
        purpose: What the program makes, in one sentence; --help begins with it.
    """
    parser = argparse.ArgumentParser(
        prog=f"python -m {package}",
        description=f"{purpose} The same settings make the same files. An interrupted run goes on where it "
        "stopped; a finished one is left as it is.",
        formatter_class=DefaultsHelp,
    )
    parser.add_argument(
        "--output",
        required=True,
        metavar="DIR",
        help="folder to write; new, empty, or of an earlier run",
    )
    return parser


def add_seed(
    parser: argparse.ArgumentParser,
    default: Settings,
) -> None:
    """Adds --seed, whose default is that of `default`, a set's settings."""
    parser.add_argument(
        "--seed",
        type=int,
        default=default.seed,
        metavar="N",
        help="seed of everything random",
    )


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Adds what does not change a set's files: --overwrite and --workers."""
    add = parser.add_argument
    add(
        "--overwrite",
        action="store_true",
        help="replace a set that was made with other settings",
    )
    add("--workers", type=int, metavar="N", help="processes (default: one per core)")


def make_set(
    make: Callable[..., dict],
    config: Settings,
    args: argparse.Namespace,
) -> dict:
    """Makes the set and returns its summary.

    Args:
        make: The function of the set's package that makes it.
        config: The settings.
        args: What a parser with all of the options above read.

    Raises:
        UserError: If --workers is not positive, or `make` refuses.
    """
    if args.workers is not None and args.workers < 1:
        raise UserError(f"--workers must be at least 1. Received: {args.workers}")
    return make(args.output, config, workers=args.workers, overwrite=args.overwrite)
