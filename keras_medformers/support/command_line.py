"""What every command-line program of the package shares: exit codes and logging."""

import argparse
import logging
import sys
from collections.abc import Callable, Sequence

from tqdm import tqdm

from keras_medformers.support.errors import UserError

USER_ERROR_EXIT_CODE = 2
INTERRUPTED_EXIT_CODE = 130


class DefaultsHelp(argparse.ArgumentDefaultsHelpFormatter):
    """Shows the defaults that say something: 0, but not None, False or an empty text."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        says_something = (
            action.default not in (None, "") and action.default is not False
        )
        return super()._get_help_string(action) if says_something else action.help


class ProgressBarSafeHandler(logging.Handler):
    """Writes log lines to standard error without tearing a progress bar apart."""

    def emit(self, record: logging.LogRecord) -> None:
        """Writes one line."""
        try:
            tqdm.write(self.format(record), file=sys.stderr)
        except Exception:
            self.handleError(record)


def configure_logging(level: int = logging.INFO) -> None:
    """Sends the root logger's messages, bare, to standard error. Calling it again changes only the level."""
    root = logging.getLogger()
    root.setLevel(level)
    if not any(
        isinstance(handler, ProgressBarSafeHandler) for handler in root.handlers
    ):
        handler = ProgressBarSafeHandler()
        handler.setFormatter(logging.Formatter("%(message)s"))
        root.addHandler(handler)


def run(
    main: Callable[[Sequence[str] | None], None], argv: Sequence[str] | None = None
) -> int:
    """Runs a program's `main` and turns the way it ended into an exit code.

    Args:
        main: The program; takes the arguments after the program's name, or None for those of the process.
        argv: What to give to `main`.

    Returns:
        0 when `main` came back; 2 after a `UserError`, printed as one line `error: ...` on standard error;
        130 after Ctrl-C. Any other exception is a defect of the program and goes on with its traceback.
    """
    configure_logging()
    try:
        main(argv)
    except UserError as error:
        message = " ".join(str(error).split())
        print(f"error: {message}", file=sys.stderr)
        return USER_ERROR_EXIT_CODE
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED_EXIT_CODE
    return 0
