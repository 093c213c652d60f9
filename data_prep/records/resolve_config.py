"""The settings of a build, completed and checked for its data set."""

from dataclasses import replace
from pathlib import Path

from data_prep.datasets.base import Dataset
from data_prep.modalities.head_ct.treatment.treatment import TREATMENTS
from data_prep.modalities.mammogram.scale import FULL_HEIGHT_PX
from data_prep.records.balance import BALANCES, NONE
from data_prep.records.build_config import BuildConfig
from data_prep.records.split_rules import SplitRule
from keras_medformers.modalities import HEAD_CT, MAMMOGRAM
from keras_medformers.support.errors import UserError

CT_IMAGE_SIZE_PX = 256

ARGUMENTS = {
    "image_size": ("--image-size", (HEAD_CT.name, MAMMOGRAM.name)),
    "twelve_bit_correction": ("--no-twelve-bit-correction", (HEAD_CT.name,)),
    "compression": ("--no-compression", (HEAD_CT.name, MAMMOGRAM.name)),
    "treatment": ("--treatment", (HEAD_CT.name,)),
    "source_height": ("--source-height", (MAMMOGRAM.name,)),
    "flip": ("--keep-laterality", (MAMMOGRAM.name,)),
}
"""By setting, its argument and the modalities that it is for."""

KINDS = {HEAD_CT.name: "CT", MAMMOGRAM.name: "mammograms"}


def resolve(config: BuildConfig, dataset: Dataset) -> tuple[BuildConfig, SplitRule]:
    """Fills what the settings leave open with the data set's own.

    Returns:
        The settings, in which only what does not apply to the data set is None; and the split rule.

    Raises:
        UserError: A setting does not apply to the data set, or has a value that it does not know.
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
    _refuse_what_does_not_apply(config, dataset)
    if dataset.modality.name == HEAD_CT.name:
        return _with_ct_defaults(config, dataset), rule
    if dataset.modality.name == MAMMOGRAM.name:
        return _with_mammogram_defaults(config, dataset), rule
    return config, rule


def with_source_height(
    config: BuildConfig, dataset: Dataset, data_dir: Path
) -> BuildConfig:
    """Fills the height of the files, which may depend on what is in the data folder.

    Raises:
        UserError: The height to store is larger.
    """
    if dataset.modality.name != MAMMOGRAM.name:
        return config
    own = dataset.source_height(data_dir) if dataset.source_height else FULL_HEIGHT_PX
    height = own if config.source_height is None else config.source_height
    if config.image_size > height:
        raise UserError(
            f"--image-size is {config.image_size}, expected at most the {height} pixels of the files in "
            f"{data_dir} (--source-height): mammograms are not enlarged"
        )
    return replace(config, source_height=height)


def _refuse_what_does_not_apply(config: BuildConfig, dataset: Dataset) -> None:
    modality = dataset.modality
    for field, (argument, modalities) in ARGUMENTS.items():
        if getattr(config, field) is not None and modality.name not in modalities:
            raise UserError(
                f"{argument} is for {' and '.join(KINDS[name] for name in modalities)}; "
                f"{dataset.name} has {modality.noun}s; leave it out"
            )
    if config.negatives_per_image is not None and dataset.negatives_per_image is None:
        raise UserError(
            f"--negatives-per-image is for patches of mammograms; {dataset.name} has {modality.noun}s as a "
            "whole; leave it out"
        )


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
    _check_choice("--balance", name, BALANCES)
    if name in (None, NONE):
        return None
    if not dataset.has_location:
        raise UserError(
            f"--balance {name} is for data sets with locations of hemorrhages; {dataset.name} has none; "
            "leave it out"
        )
    return name


def _check_choice(argument: str, value: str | None, choices: tuple[str, ...]) -> None:
    if value is not None and value not in choices:
        raise UserError(
            f"{argument} is {value!r}, expected one of {', '.join(choices)}"
        )


def _with_ct_defaults(config: BuildConfig, dataset: Dataset) -> BuildConfig:
    treatment = config.treatment or dataset.treatment
    _check_choice("--treatment", treatment, TREATMENTS)
    # Where nothing is treated by default, not even the search for a head takes place.
    untreated = dataset.treatment is None and treatment == NONE
    own_size = dataset.image_size or CT_IMAGE_SIZE_PX
    return replace(
        config,
        image_size=own_size if config.image_size is None else config.image_size,
        twelve_bit_correction=config.twelve_bit_correction is not False,
        compression=config.compression is not False,
        treatment=None if untreated else treatment,
    )


def _with_mammogram_defaults(config: BuildConfig, dataset: Dataset) -> BuildConfig:
    negatives, own_size = (
        config.negatives_per_image,
        dataset.image_size or FULL_HEIGHT_PX,
    )
    return replace(
        config,
        image_size=own_size if config.image_size is None else config.image_size,
        compression=config.compression is not False,
        flip=config.flip is not False,
        negatives_per_image=dataset.negatives_per_image
        if negatives is None
        else negatives,
    )
