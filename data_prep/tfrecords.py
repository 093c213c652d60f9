"""Makes TFRecords: `python -m data_prep.tfrecords --dataset rsna_ich --data-dir DIR --records DIR`.

CT slices, photographs and mammograms alike go through it. Without arguments it makes the head CT phantoms and
their records. Interrupted, it goes on where it was when run again; finished, it says so. Files that cannot be
read are listed in `rejects.csv`.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from data_prep.datasets import get_dataset, list_datasets
from data_prep.datasets.base import Dataset
from data_prep.modalities.head_ct.treatment.treatment import TREATMENTS
from data_prep.modalities.mammogram.scale import FULL_HEIGHT_PX
from data_prep.records.balance import BALANCES
from data_prep.records.build import build
from data_prep.records.build_config import BuildConfig
from data_prep.records.identifiers import DEFAULT_KEY_FILE
from data_prep.records.resolve_config import CT_IMAGE_SIZE_PX
from data_prep.records.workers import available_cores
from keras_medformers.support import command_line
from keras_medformers.support.errors import UserError

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
        image_size=_optional_at_least(
            "--image-size", arguments.image_size, SMALLEST_IMAGE_PX
        ),
        shards=_at_least("--shards", arguments.shards, 1),
        fractions=_fractions(arguments.fractions) if arguments.fractions else None,
        seed=arguments.seed,
        twelve_bit_correction=arguments.twelve_bit_correction,
        compression=arguments.compression,
        split=arguments.split,
        fold=arguments.fold,
        treatment=arguments.treatment,
        balance=arguments.balance,
        source_height=_optional_at_least(
            "--source-height", arguments.source_height, SMALLEST_IMAGE_PX
        ),
        flip=arguments.flip,
        negatives_per_image=_optional_at_least(
            "--negatives-per-image", arguments.negatives_per_image, 0
        ),
    )
    if not 0 <= arguments.max_reject_share <= 1:
        raise UserError(
            f"--max-reject-share is {arguments.max_reject_share}, expected a number from 0 to 1"
        )
    build(
        config,
        data_dir=arguments.data_dir or default_data_dir(dataset),
        records_dir=arguments.records or Path("records") / dataset.name,
        workers=_at_least("--workers", arguments.workers, 1),
        max_reject_share=arguments.max_reject_share,
        id_key_file=arguments.id_key_file,
        overwrite=arguments.overwrite,
        keep_list=arguments.keep_list,
    )


def default_data_dir(dataset: Dataset) -> Path:
    """Where a data set's files are looked for if not said otherwise."""
    return Path("data") / (dataset.data_folder or dataset.name)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m data_prep.tfrecords",
        description="Makes TFRecords of a data set of CT slices, of photographs or of mammograms.",
        epilog=_about_data_sets(),
        formatter_class=_Help,
    )
    add = parser.add_argument
    add(
        "--dataset",
        default="phantom_head_ct",
        help=f"one of {', '.join(list_datasets())}",
    )
    add(
        "--data-dir",
        type=Path,
        help="the data set's folder; if not given data/DATASET, of patches that of the whole mammograms",
    )
    add(
        "--records",
        type=Path,
        help="folder for the records; records/DATASET if not given",
    )
    add(
        "--workers",
        type=int,
        default=available_cores(),
        help="processes that read files",
    )
    add("--shards", type=int, default=16, help="files per split")
    add(
        "--split",
        help="how to divide the images, see below; the data set's first if not given",
    )
    add(
        "--fold",
        type=int,
        default=0,
        help="which fold is the test split, for data sets with folds",
    )
    add(
        "--fractions",
        help="shares of train, validation and test, as 0.8,0.1,0.1; the data set's own if not given",
    )
    add(
        "--keep-list",
        type=Path,
        help="text file with the images to use, a path below --data-dir per line",
    )
    add(
        "--balance",
        choices=BALANCES,
        help="replicate slices until the locations of hemorrhages, and hemorrhage and normal, come near to "
        "1:1: in the training split, or before the split, with copies on both sides; the data set's own if "
        "not given",
    )
    add(
        "--seed",
        type=int,
        default=0,
        help="decides on the split and on the order of records",
    )
    add(
        "--max-reject-share",
        type=float,
        default=0.05,
        help="largest share of images that may be set aside",
    )
    add(
        "--id-key-file",
        type=Path,
        default=DEFAULT_KEY_FILE,
        help="secret key for identifiers; made when needed",
    )
    add("--overwrite", action="store_true", help="discard the records that are there")
    sized = parser.add_argument_group(
        "CT and mammograms (photographs keep their size and their JPEG or PNG coding)"
    )
    sized.add_argument(
        "--image-size",
        type=int,
        help="height to store, in pixels, and width: the same for CT, 10/13 of it for mammograms; "
        f"{CT_IMAGE_SIZE_PX}, {FULL_HEIGHT_PX} or the data set's own if not given. Patches of mammograms are "
        "stored at the scale of such images",
    )
    sized.add_argument(
        "--no-compression",
        dest="compression",
        action="store_const",
        const=False,
        help="larger records that decode faster",
    )
    ct = parser.add_argument_group("CT only")
    ct.add_argument(
        "--no-twelve-bit-correction",
        dest="twelve_bit_correction",
        action="store_const",
        const=False,
        help="leave RSNA's 12-bit slices with a wrong intercept as they are",
    )
    ct.add_argument(
        "--treatment",
        choices=TREATMENTS,
        help="mask: air in place of the head holder; overlay: that on a slice clipped to the brain window; "
        "the data set's own if not given",
    )
    mammograms = parser.add_argument_group("mammograms only")
    mammograms.add_argument(
        "--source-height",
        type=int,
        help=f"pixels of the files that the stored height stands for; {FULL_HEIGHT_PX}, or the phantoms' "
        "height, if not given. Larger breasts are cropped, smaller ones padded",
    )
    mammograms.add_argument(
        "--keep-laterality",
        dest="flip",
        action="store_const",
        const=False,
        help="leave right breasts at the right instead of flipping them to the left",
    )
    mammograms.add_argument(
        "--negatives-per-image",
        type=int,
        help="patches to cut from each non-malignant image; the data set's own number if not given",
    )
    return parser


class _Help(
    argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter
):
    """Keeps the lines of the list of data sets; leaves defaults of None out."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        return (
            action.help if action.default is None else super()._get_help_string(action)
        )


def _about_data_sets() -> str:
    datasets = list_datasets()
    lines, width = ["data sets:"], max(map(len, datasets))
    for name, dataset in datasets.items():
        shares = ", ".join(f"{share:g}" for share in dataset.fractions)
        images = dataset.modality.nouns_of_parts or f"{dataset.modality.noun}s"
        kind = f"{images}, {_labels(dataset)}"
        lines.append(f"  {name:{width}} {kind}; train, validation, test {shares}")
        for rule in dataset.split_rules:
            option = f"--split {rule.name}: " if rule.name else "split: "
            lines.append(f"  {'':{width}} {option}{rule.summary}")
    return "\n".join(lines)


def _labels(dataset: Dataset) -> str:
    noun = "classes" if dataset.exclusive_labels else "labels"
    return (
        f"{len(dataset.label_names)} {noun}"
        if dataset.label_names
        else f"{noun} by folder"
    )


def _optional_at_least(argument: str, value: int | None, lowest: int) -> int | None:
    return None if value is None else _at_least(argument, value, lowest)


def _at_least(argument: str, value: int, lowest: int) -> int:
    if value < lowest:
        raise UserError(f"{argument} is {value}, expected at least {lowest}")
    return value


def _fractions(text: str) -> tuple[float, float, float]:
    try:
        train, validation, test = (float(part) for part in text.split(","))
    except ValueError as error:
        raise UserError(
            f"--fractions is {text!r}, expected three numbers such as 0.8,0.1,0.1"
        ) from error
    if min(train, validation, test) < 0 or abs(train + validation + test - 1) > 1e-6:
        raise UserError(
            f"--fractions is {text!r}, expected three numbers of at least 0 that sum to 1"
        )
    return train, validation, test


if __name__ == "__main__":
    sys.exit(command_line.run(main))
