"""A build from a data set's folder to a finished folder of records."""

import collections
import logging
import time
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

from data_prep.datasets import get_dataset
from data_prep.datasets.base import Dataset, Listing, Reject
from data_prep.datasets.keep_list import keep_listed
from data_prep.modalities.reader import Reader
from data_prep.records import schema, writer
from data_prep.records.build_config import BuildConfig
from data_prep.records.identifiers import DEFAULT_KEY_FILE, Pseudonymizer
from data_prep.records.plan import Plan, PlannedImage, make_plan
from data_prep.records.resolve_config import resolve, with_settings_of_folder
from data_prep.records.schema import DatasetInfo
from data_prep.records.splits import SPLITS
from data_prep.records.workers import Workers
from data_prep.records.writer import ShardResult
from keras_medformers.support.errors import UserError
from keras_medformers.support.whole_files import write_csv, write_text

logger = logging.getLogger(__name__)

PACKAGE = "keras_medformers"
REASONS_SHOWN = 5


def build(
    config: BuildConfig,
    data_dir: Path,
    records_dir: Path,
    workers: int,
    max_reject_share: float = 0.05,
    id_key_file: Path = DEFAULT_KEY_FILE,
    overwrite: bool = False,
    keep_list: Path | None = None,
) -> DatasetInfo:
    """Makes the records of a data set, or goes on with them, or finds them finished.

    Args:
        config: What to make; what it leaves open is the data set's own.
        data_dir: The data set's folder.
        records_dir: Where records go.
        workers: Number of processes that read files; the records do not depend on it.
        max_reject_share: Largest share of images that may be set aside.
        id_key_file: Secret key for identifiers that are not public.
        overwrite: Whether to discard records that are there.
        keep_list: The files to use, see `keep_list.keep_listed`; None for all.

    Returns:
        The description of the records.

    Raises:
        UserError: If the settings do not fit the data set; the data are not there or
            not of the expected form; no image can be read; the folder holds other
            records; or more than `max_reject_share` was set aside, in which case
            everything is nevertheless written.
    """
    dataset = get_dataset(config.dataset)
    config, rule = resolve(config, dataset)
    nouns = dataset.reader.modality.nouns
    dataset.prepare(data_dir)
    listing = dataset.list_images(data_dir)
    if keep_list:
        listing = keep_listed(listing, keep_list)
    dataset = dataset.with_labels_of(listing)
    config = with_settings_of_folder(config, dataset, data_dir)
    if overwrite:
        writer.clear(records_dir, also=(schema.INFO_NAME, schema.REJECTS_NAME))
    info = _finished(config, listing, records_dir)
    if info is not None:
        logger.info("%s: records are finished, nothing to do.", records_dir)
        _check_rejects(info, max_reject_share, nouns)
        return info

    started_s = time.monotonic()
    identity = {
        "config": config.to_json_fields(),
        "source_fingerprint": listing.fingerprint,
        "schema_version": schema.SCHEMA_VERSION,
    }
    writer.start_or_resume(records_dir, identity)
    logger.info(
        "%s: %d %s, %d processes.", data_dir, len(listing.files), nouns, workers
    )
    with Workers(workers) as pool:
        plan = make_plan(
            listing,
            dataset.label_names,
            dataset.reader,
            pool,
            Pseudonymizer(id_key_file),
            rule,
            config,
            dataset.settle_headers,
            dataset.parts,
        )
        results = writer.write_shards(
            plan, listing.root, records_dir, pool, dataset.reader, config
        )
    rejects = sorted(
        {
            *listing.rejects,
            *plan.rejects,
            *(one for result in results.values() for one in result.rejects),
        }
    )
    write_csv(records_dir / schema.REJECTS_NAME, Reject._fields, rejects)
    if not any(result.records for result in results.values()):
        raise UserError(
            f"none of {len(listing.files) + len(listing.rejects)} {nouns} in {data_dir} could be read; "
            f"{records_dir / schema.REJECTS_NAME} says why. {_top_reasons(rejects)}"
        )
    info = _describe(config, dataset, listing, plan, results, len(rejects), records_dir)
    write_text(records_dir / schema.INFO_NAME, info.to_json())
    writer.finish(records_dir)
    _log_summary(info, dataset.reader, rejects, time.monotonic() - started_s)
    _check_rejects(info, max_reject_share, nouns)
    return info


def _finished(
    config: BuildConfig, listing: Listing, records_dir: Path
) -> DatasetInfo | None:
    """The finished records of this very build, None if there are none.

    Raises:
        UserError: If there are finished records of another build.
    """
    if not (records_dir / schema.INFO_NAME).is_file():
        return None

    info = DatasetInfo.load(records_dir)
    wanted = config.to_json_fields()
    differing = [
        f"{key} ({info.config.get(key)}, now {wanted[key]})"
        for key in wanted
        if info.config.get(key) != wanted[key]
    ]
    if info.source_fingerprint != listing.fingerprint:
        differing.append(f"the data in {listing.root}")
    if differing:
        raise UserError(
            f"{records_dir} holds records of another build: {', '.join(differing)} differ; "
            "give --overwrite to replace them, or another --records folder"
        )

    return info


def _describe(
    config: BuildConfig,
    dataset: Dataset,
    listing: Listing,
    plan: Plan,
    results: dict[str, ShardResult],
    rejects: int,
    records_dir: Path,
) -> DatasetInfo:
    splits = {}
    for split in SPLITS:
        names = [name for name in plan.shards if name.startswith(f"{split}-")]
        written = []
        for name in names:
            unwritten = set(results[name].unwritten)
            written += [
                one
                for place, one in enumerate(plan.shards[name])
                if place not in unwritten
            ]
        splits[split] = {
            "records": len(written),
            "patients": len({one.patient_id for one in written}),
            "series": len(
                {(one.patient_id, one.study_id, one.series_id) for one in written}
            ),
            "labels": _positives(written, dataset.label_names),
            "extra_labels": {
                name: _counts(one.labels[name] for one in written)
                for name in listing.extra_labels
                if name not in listing.amounts
            },
        }

    height, width = dataset.reader.image_shape(config.settings)
    return DatasetInfo(
        records_dir=records_dir,
        dataset=config.dataset,
        label_names=dataset.label_names,
        extra_label_names=tuple(listing.extra_labels),
        image_format=schema.image_format(
            dataset.reader.modality, getattr(config.settings, "compression", True)
        ),
        image_size=height if height == width else None,
        image_height=height,
        image_width=width,
        modality=dataset.reader.modality.name,
        exclusive_labels=dataset.exclusive_labels,
        splits=splits,
        shards={
            name: {"records": result.records, "sha256": result.sha256}
            for name, result in results.items()
        },
        windows=dataset.reader.windows,
        corrections={
            kind: sum(result.corrections.get(kind, 0) for result in results.values())
            for kind in dataset.reader.corrections
        },
        listed=len(listing.files) + len(listing.rejects),
        rejects=rejects,
        source_fingerprint=listing.fingerprint,
        tool_version=_version(),
        config=config.to_json_fields(),
    )


def _positives(
    images: list[PlannedImage], label_names: tuple[str, ...]
) -> dict[str, int]:
    """How many images have each label; equal labels, which the plan keeps once, are looked at once."""
    labels_of = {id(one.labels): one.labels for one in images}
    images_with = collections.Counter(id(one.labels) for one in images)
    return {
        name: sum(count for key, count in images_with.items() if labels_of[key][name])
        for name in label_names
    }


def _counts(values: Iterable[int]) -> dict[str, int]:
    """How often each value that stands for something occurs, by the value as text."""
    return {
        str(value): count
        for value, count in sorted(collections.Counter(values).items())
        if value >= 0
    }


def _check_rejects(info: DatasetInfo, max_reject_share: float, nouns: str) -> None:
    share = info.rejects / info.listed
    if share > max_reject_share:
        raise UserError(
            f"{info.rejects} of {info.listed} {nouns} were set aside ({share:.1%}), more than "
            f"--max-reject-share {max_reject_share:g} allows. The records of the others are finished and kept"
            f" in {info.records_dir}; see {schema.REJECTS_NAME} there, mend the data or give a larger share"
        )


def _log_summary(
    info: DatasetInfo, reader: Reader, rejects: list[Reject], seconds: float
) -> None:
    nouns = reader.modality.nouns
    nouns_of_records = reader.nouns_of_parts or nouns
    for split in SPLITS:
        counts = info.splits[split]
        logger.info(
            "%-10s %7d %s, %6d %ss; %s: %s",
            split,
            counts["records"],
            nouns_of_records,
            counts["patients"],
            reader.modality.group_noun,
            "labels" if info.exclusive_labels else "positive",
            ", ".join(f"{label} {count}" for label, count in counts["labels"].items()),
        )
        if not counts["records"] and info.config["fractions"][SPLITS.index(split)]:
            logger.warning(
                "The %s split is empty: there are too few %ss.",
                split,
                reader.modality.group_noun,
            )

    for kind, words in reader.corrections.items():
        logger.info("%s: %d %s.", words, info.corrections[kind], nouns_of_records)
    logger.info(
        "Set aside: %d of %d %s. %s",
        info.rejects,
        info.listed,
        nouns,
        _top_reasons(rejects),
    )
    written = sum(info.count(split) for split in SPLITS)
    logger.info(
        "%d records, %.1f MB, in %s after %.1f s (%.0f %s per second).",
        written,
        sum((info.records_dir / name).stat().st_size for name in info.shards) / 1e6,
        info.records_dir,
        seconds,
        written / seconds,
        nouns_of_records,
    )


def _top_reasons(rejects: list[Reject]) -> str:
    if not rejects:
        return ""
    counts = collections.Counter(reject.reason for reject in rejects).most_common(
        REASONS_SHOWN
    )
    return (
        "Most often: "
        + "; ".join(f"{count} x {reason}" for reason, count in counts)
        + "."
    )


def _version() -> str:
    try:
        return metadata.version(PACKAGE)
    except metadata.PackageNotFoundError:
        return "not installed"
