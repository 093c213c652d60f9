"""The settings of a build, completed and checked for its data set."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from data_prep.datasets import list_datasets
from data_prep.datasets.base import Dataset
from data_prep.modalities import list_readers
from data_prep.modalities.reader import Flag, Reader, Settings, check_choice
from data_prep.records.balance import BALANCES, NONE
from data_prep.records.build_config import BuildConfig
from data_prep.records.split_rules import SplitRule
from keras_medformers.support.errors import UserError


def resolve(config: BuildConfig, dataset: Dataset) -> tuple[BuildConfig, SplitRule]:
    """Fills what the settings leave open with the data set's own.

    Returns:
        The settings, in which only what does not apply to the data set is None; and the split rule.

    Raises:
        UserError: If a setting does not apply to the data set, or has a value that it
            does not know.
    """
    rule = _split_rule(config.split, dataset)
    if config.fractions is not None and not rule.fractions_apply:
        raise UserError(
            f"--fractions does not apply to {dataset.name}: its split is {rule.summary}; leave it out"
        )
    if not 0 <= config.fold < rule.folds:
        folds = (
            f"from 0 to {rule.folds - 1}"
            if rule.folds > 1
            else "0: this split has no folds"
        )
        raise UserError(f"--fold is {config.fold}, expected {folds} ({dataset.name})")

    config = replace(
        config,
        fractions=config.fractions or dataset.fractions,
        split=rule.name,
        balance=_balance(config.balance, dataset),
    )
    return replace(config, settings=_settings(config.settings, dataset)), rule


def with_settings_of_folder(
    config: BuildConfig, dataset: Dataset, data_dir: Path
) -> BuildConfig:
    """Fills in what depends on what is in the data folder.

    Raises:
        UserError: If the settings do not fit it.
    """
    of_folder = dataset.settings_of_folder
    found = of_folder(data_dir) if of_folder else {}
    return replace(config, settings=config.settings.in_folder(data_dir, found))


def listed(words: Sequence[str]) -> str:
    """Words as a list in a sentence: "a, b and c"."""
    *others, last = words
    return f"{', '.join(others)} and {last}" if others else last


def flags() -> dict[str, list[tuple[str, Flag]]]:
    """By setting, the options that set it: one for each kind of images that has it."""
    found = {}
    for reader in _all_readers():
        for flag in reader.settings.FLAGS:
            of_setting = found.setdefault(flag.setting, [])
            # Parts have what their whole images have.
            if not (reader.nouns_of_parts and of_setting):
                of_setting.append((reader.words, flag))
    return found


def _all_readers() -> list[Reader]:
    """Those of the modalities, then those of data sets that read parts of images."""
    of_parts = [
        one.reader for one in list_datasets().values() if one.reader.nouns_of_parts
    ]
    found = {one.words: one for one in (*list_readers(), *of_parts)}
    return list(found.values())


def _settings(given: Mapping[str, Any], dataset: Dataset) -> Settings:
    reader = dataset.reader
    given = {name: value for name, value in given.items() if value is not None}
    for name in given:
        if name not in reader.settings.names():
            of_flag = flags().get(name)
            if of_flag is None:
                raise UserError(
                    f"unknown setting {name!r} of records; {dataset.name} has "
                    f"{', '.join(reader.settings.names()) or 'none'}"
                )
            kinds = [words for words, _ in of_flag]
            raise UserError(
                f"{of_flag[0][1].option} is for {listed(kinds)}; "
                f"{dataset.name} has {reader.modality.nouns}; leave it out"
            )

    return reader.settings.completed(given, dataset.settings)


def _split_rule(name: str | None, dataset: Dataset) -> SplitRule:
    rules = {rule.name: rule for rule in dataset.split_rules}
    if name is None:
        return dataset.split_rules[0]
    if name in rules:
        return rules[name]
    known = ", ".join(filter(None, rules))
    expected = (
        f"expected {known}" if known else "which has only one split; leave it out"
    )
    raise UserError(f"--split is {name!r} for {dataset.name}, {expected}")


def _balance(name: str | None, dataset: Dataset) -> str | None:
    name = name or dataset.balance
    check_choice("--balance", name, BALANCES)
    if name in (None, NONE):
        return None
    if not dataset.has_location:
        raise UserError(
            f"--balance {name} is for data sets with locations of hemorrhages; {dataset.name} has none; "
            "leave it out"
        )
    return name
