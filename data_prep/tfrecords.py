"""Makes TFRecords: `python -m data_prep.tfrecords --dataset rsna_ich --data-dir DIR --records DIR`.

Without arguments it makes the phantom data set and its records. Interrupted, it goes on where it was when run
again; finished, it says so. Files that cannot be read are listed in `rejects.csv`.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from data_prep import command_line
from data_prep.build import BuildConfig, build
from data_prep.datasets import DATASETS, get_dataset
from data_prep.errors import UserError
from data_prep.ids import DEFAULT_KEY_FILE
from data_prep.workers import available_cores

SMALLEST_IMAGE_PX = 8


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the program with the given arguments.

    Raises:
        UserError: See `build.build`; or an argument is out of its range.
    """
    arguments = _parser().parse_args(argv)
    dataset = get_dataset(arguments.dataset)
    config = BuildConfig(
        dataset=dataset.name,
        image_size=_at_least("--image-size", arguments.image_size, SMALLEST_IMAGE_PX),
        shards=_at_least("--shards", arguments.shards, 1),
        fractions=_fractions(arguments.fractions) if arguments.fractions else dataset.fractions,
        seed=arguments.seed,
        twelve_bit_correction=arguments.twelve_bit_correction,
        compression=arguments.compression,
    )
    if not 0 <= arguments.max_reject_share <= 1:
        raise UserError(f"--max-reject-share is {arguments.max_reject_share}, expected a number from 0 to 1")
    build(
        config,
        data_dir=arguments.data_dir or Path("data") / dataset.name,
        records_dir=arguments.records or Path("records") / dataset.name,
        workers=_at_least("--workers", arguments.workers, 1),
        max_reject_share=arguments.max_reject_share,
        id_key_file=arguments.id_key_file,
        overwrite=arguments.overwrite,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m data_prep.tfrecords",
        description="Makes TFRecords of a data set.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--dataset", default="phantom_head_ct", help=f"one of {', '.join(sorted(DATASETS))}")
    add("--data-dir", type=Path, help="the data set's folder; data/DATASET if not given")
    add("--records", type=Path, help="folder for the records; records/DATASET if not given")
    add("--image-size", type=int, default=256, help="height and width to store, in pixels")
    add("--workers", type=int, default=available_cores(), help="processes that read files")
    add("--shards", type=int, default=16, help="files per split")
    add(
        "--fractions",
        help="shares of train, validation and test, as 0.8,0.1,0.1; the data set's own if not given",
    )
    add("--seed", type=int, default=0, help="decides on the split and on the order of records")
    add("--max-reject-share", type=float, default=0.05, help="largest share of slices that may be set aside")
    add(
        "--no-twelve-bit-correction",
        dest="twelve_bit_correction",
        action="store_false",
        help="leave RSNA's 12-bit slices with a wrong intercept as they are",
    )
    add(
        "--no-compression", dest="compression", action="store_false", help="larger records that decode faster"
    )
    add(
        "--id-key-file",
        type=Path,
        default=DEFAULT_KEY_FILE,
        help="secret key for identifiers; made when needed",
    )
    add("--overwrite", action="store_true", help="discard the records that are there")
    return parser


def _at_least(argument: str, value: int, lowest: int) -> int:
    if value < lowest:
        raise UserError(f"{argument} is {value}, expected at least {lowest}")
    return value


def _fractions(text: str) -> tuple[float, float, float]:
    try:
        train, validation, test = (float(part) for part in text.split(","))
    except ValueError as error:
        raise UserError(f"--fractions is {text!r}, expected three numbers such as 0.8,0.1,0.1") from error
    if min(train, validation, test) < 0 or abs(train + validation + test - 1) > 1e-6:
        raise UserError(f"--fractions is {text!r}, expected three numbers of at least 0 that sum to 1")
    return train, validation, test


if __name__ == "__main__":
    sys.exit(command_line.run(main))
