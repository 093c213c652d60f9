"""Writes a smaller or faster variant of an exported model.

    python -m keras_medformers.serving.optimize export/MODEL/VERSION --variant frozen

It becomes the next version in export/MODEL_VARIANT/, once its answers have been compared with the export's.
"""

import argparse
import logging
import sys
from pathlib import Path

from keras_medformers.serving.optimize.variants import VARIANTS, optimize_saved_model


def main(argv=None) -> int:
    """Runs the program and gives its exit code: 2, after one line, for a mistake of the user's."""
    parser = argparse.ArgumentParser(
        prog="python -m keras_medformers.serving.optimize",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "version",
        metavar="EXPORT",
        type=Path,
        help="folder of the export, MODEL/VERSION",
    )
    parser.add_argument(
        "--variant",
        required=True,
        choices=VARIANTS,
        help="frozen: what parameters alone decide is computed beforehand; bfloat16: the same, in half the "
        "size; xla: compiled at the first call (slow for depthwise convolutions on CPU)",
    )
    parser.add_argument(
        "--directory",
        type=Path,
        help="where the variant's versions go (default: MODEL_VARIANT beside MODEL)",
    )
    arguments = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logging.getLogger("tensorflow").setLevel(
        logging.ERROR
    )  # it tells of calls that are deprecated

    try:
        optimize_saved_model(**vars(arguments))
    except (ValueError, RuntimeError, OSError) as error:
        sys.stderr.write(f"error: {' '.join(str(error).split())}\n")
        return 2

    return 0


if __name__ == "__main__":
    raise SystemExit(main())
