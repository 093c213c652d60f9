"""Makes TFRecords: `python -m data_prep.tfrecords --dataset rsna_ich --data-dir DIR --records DIR`.

Images of every modality go through it. Without arguments it makes the head CT phantoms and
their records. Interrupted, it goes on where it was when run again; finished, it says so. Files that cannot be
read are listed in `rejects.csv`.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from data_prep.datasets import get_dataset, list_datasets
from data_prep.datasets.base import Dataset
from data_prep.records.balance import BALANCES
from data_prep.records.build import build
from data_prep.records.build_config import BuildConfig
from data_prep.records.identifiers import DEFAULT_KEY_FILE
from data_prep.records.resolve_config import flags, listed
from data_prep.records.workers import available_cores
from keras_medformers.support import command_line
from keras_medformers.support.errors import UserError


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the program with the given arguments.

    Raises:
        UserError: See `build.build`; or an argument is out of its range.
    """
    arguments = _parser().parse_args(argv)
    dataset = get_dataset(arguments.dataset)
    config = BuildConfig(
        dataset=dataset.name,
        shards=_at_least("--shards", arguments.shards, 1),
        fractions=_fractions(arguments.fractions) if arguments.fractions else None,
        seed=arguments.seed,
        split=arguments.split,
        fold=arguments.fold,
        balance=arguments.balance,
        settings=_settings(arguments),
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
        description="Makes TFRecords of a data set: CT, mammograms, photographs, radiographs.",
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
    _add_flags_of_modalities(parser)

    return parser


def _add_flags_of_modalities(parser: argparse.ArgumentParser) -> None:
    """Adds the modalities' own options, in a group for each set of kinds that has them."""
    groups = {}
    for setting, of_kinds in flags().items():
        kinds = [words for words, _ in of_kinds]
        title = f"{kinds[0]} only" if len(kinds) == 1 else listed(kinds)
        if title not in groups:
            groups[title] = parser.add_argument_group(title)
        helps = {flag.help: [] for _, flag in of_kinds}
        for words, flag in of_kinds:
            helps[flag.help].append(words)
        said = [
            text if len(helps) == 1 else f"{', '.join(words)}: {text}"
            for text, words in helps.items()
        ]
        flag = of_kinds[0][1]
        groups[title].add_argument(
            flag.option, dest=setting, help="; ".join(said), **flag.arguments
        )


def _settings(arguments: argparse.Namespace) -> dict[str, Any]:
    """The modalities' own settings that were asked for, by name."""
    given = {}
    for setting, ((_, flag), *_) in flags().items():
        value = getattr(arguments, setting)
        if value is None:
            continue
        given[setting] = (
            value if flag.least is None else _at_least(flag.option, value, flag.least)
        )
    return given


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
        images = dataset.reader.nouns_of_parts or dataset.reader.modality.nouns
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
