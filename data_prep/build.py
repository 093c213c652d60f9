"""A build from a data set's folder to a finished folder of records."""

import collections
import csv
import io
import logging
import time
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

from data_prep import schema, writer
from data_prep.datasets import get_dataset
from data_prep.datasets.base import Listing, Reject
from data_prep.errors import UserError
from data_prep.ids import DEFAULT_KEY_FILE, Pseudonymizer
from data_prep.plan import Plan, make_plan
from data_prep.schema import DatasetInfo
from data_prep.splits import SPLITS
from data_prep.workers import Workers
from data_prep.writer import ShardResult

log = logging.getLogger(__name__)

PACKAGE = "keras_medformers"
REASONS_SHOWN = 5


@dataclass(frozen=True)
class BuildConfig:
    """What decides on the content of records, given the data.

    Attributes:
        dataset: Name of the data set.
        image_size: Height and width to store, in pixels.
        shards: Files per split.
        fractions: Shares of train, validation and test.
        seed: Decides on the split and on the order of records.
        twelve_bit_correction: Whether to repair RSNA's 12-bit slices with a wrong intercept.
        compression: Whether images are compressed.
    """

    dataset: str
    image_size: int = 256
    shards: int = 16
    fractions: tuple[float, float, float] = (0.8, 0.1, 0.1)
    seed: int = 0
    twelve_bit_correction: bool = True
    compression: bool = True

    @property
    def image_format(self) -> str:
        return schema.HU_ZLIB if self.compression else schema.HU_RAW

    def to_json_fields(self) -> dict:
        """The fields as they come back from JSON."""
        return asdict(self) | {"fractions": list(self.fractions)}


def build(
    config: BuildConfig,
    data_dir: Path,
    records_dir: Path,
    workers: int,
    max_reject_share: float = 0.05,
    id_key_file: Path = DEFAULT_KEY_FILE,
    overwrite: bool = False,
) -> DatasetInfo:
    """Makes the records of a data set, or goes on with them, or finds them finished.

    Args:
        config: What to make.
        data_dir: The data set's folder.
        records_dir: Where records go.
        workers: Number of processes that read files; the records do not depend on it.
        max_reject_share: Largest share of slices that may be set aside.
        id_key_file: Secret key for identifiers that are not public.
        overwrite: Whether to discard records that are there.

    Returns:
        The description of the records.

    Raises:
        UserError: The data are not there or not of the expected form; no slice can be read; the folder holds
            other records; or more than `max_reject_share` was set aside, in which case everything is
            nevertheless written.
    """
    dataset = get_dataset(config.dataset)
    dataset.prepare(data_dir)
    listing = dataset.list_slices(data_dir)
    if overwrite:
        writer.clear(records_dir, also=(schema.INFO_NAME, schema.REJECTS_NAME))
    info = _finished(config, listing, records_dir)
    if info is not None:
        log.info("%s: records are finished, nothing to do.", records_dir)
        _check_rejects(info, max_reject_share)
        return info

    started_s = time.monotonic()
    identity = {
        "config": config.to_json_fields(),
        "source_fingerprint": listing.fingerprint,
        "schema_version": schema.SCHEMA_VERSION,
    }
    writer.start_or_resume(records_dir, identity)
    log.info("%s: %d slices, %d processes.", data_dir, len(listing.files), workers)
    with Workers(workers) as pool:
        plan = make_plan(
            listing,
            dataset.label_names,
            pool,
            Pseudonymizer(id_key_file),
            config.fractions,
            config.shards,
            config.seed,
        )
        results = writer.write_shards(
            plan,
            listing.root,
            records_dir,
            pool,
            config.image_size,
            config.image_format,
            config.twelve_bit_correction,
        )
    rejects = sorted(
        {*listing.rejects, *plan.rejects, *(one for result in results.values() for one in result.rejects)}
    )
    writer.write_atomically(records_dir / schema.REJECTS_NAME, _to_csv(rejects))
    if not any(result.records for result in results.values()):
        raise UserError(
            f"none of {len(listing.files) + len(listing.rejects)} slices in {data_dir} could be read; "
            f"{records_dir / schema.REJECTS_NAME} says why. {_top_reasons(rejects)}"
        )
    info = _describe(config, dataset.label_names, listing, plan, results, len(rejects), records_dir)
    writer.write_atomically(records_dir / schema.INFO_NAME, info.to_json())
    writer.finish(records_dir)
    _log_summary(info, rejects, time.monotonic() - started_s)
    _check_rejects(info, max_reject_share)
    return info


def _finished(config: BuildConfig, listing: Listing, records_dir: Path) -> DatasetInfo | None:
    """The finished records of this very build, None if there are none.

    Raises:
        UserError: There are finished records of another build.
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
    label_names: tuple[str, ...],
    listing: Listing,
    plan: Plan,
    results: dict[str, ShardResult],
    rejects: int,
    records_dir: Path,
) -> DatasetInfo:
    splits = {}
    for split in SPLITS:
        names = [name for name in plan.shards if name.startswith(f"{split}-")]
        unwritten = {reject.file for name in names for reject in results[name].rejects}
        written = [one for name in names for one in plan.shards[name] if one.file not in unwritten]
        splits[split] = {
            "records": len(written),
            "patients": len({one.patient_id for one in written}),
            "series": len({(one.patient_id, one.study_id, one.series_id) for one in written}),
            "labels": {label: sum(one.labels[label] for one in written) for label in label_names},
        }
    return DatasetInfo(
        records_dir=records_dir,
        dataset=config.dataset,
        label_names=label_names,
        extra_label_names=tuple(listing.extra_labels),
        image_format=config.image_format,
        image_size=config.image_size,
        splits=splits,
        shards={
            name: {"records": result.records, "sha256": result.sha256} for name, result in results.items()
        },
        windows=schema.WINDOWS_HU,
        corrections={"twelve_bit": sum(result.corrected_twelve_bit for result in results.values())},
        listed=len(listing.files) + len(listing.rejects),
        rejects=rejects,
        source_fingerprint=listing.fingerprint,
        tool_version=_version(),
        config=config.to_json_fields(),
    )


def _check_rejects(info: DatasetInfo, max_reject_share: float) -> None:
    share = info.rejects / info.listed
    if share > max_reject_share:
        raise UserError(
            f"{info.rejects} of {info.listed} slices were set aside ({share:.1%}), more than "
            f"--max-reject-share {max_reject_share:g} allows. The records of the others are finished and kept"
            f" in {info.records_dir}; see {schema.REJECTS_NAME} there, mend the data or give a larger share"
        )


def _log_summary(info: DatasetInfo, rejects: list[Reject], seconds: float) -> None:
    for split in SPLITS:
        counts = info.splits[split]
        positives = ", ".join(f"{label} {count}" for label, count in counts["labels"].items())
        log.info(
            "%-10s %7d slices, %6d patients; positive: %s",
            split,
            counts["records"],
            counts["patients"],
            positives,
        )
        if not counts["records"] and info.config["fractions"][SPLITS.index(split)]:
            log.warning("The %s split is empty: there are too few patients.", split)
    log.info("12-bit correction: %d slices.", info.corrections["twelve_bit"])
    log.info("Set aside: %d of %d slices. %s", info.rejects, info.listed, _top_reasons(rejects))
    written = sum(info.count(split) for split in SPLITS)
    log.info(
        "%d records in %s after %.1f s (%.0f slices per second).",
        written,
        info.records_dir,
        seconds,
        written / seconds,
    )


def _top_reasons(rejects: list[Reject]) -> str:
    if not rejects:
        return ""
    counts = collections.Counter(reject.reason for reject in rejects).most_common(REASONS_SHOWN)
    return "Most often: " + "; ".join(f"{count} x {reason}" for reason, count in counts) + "."


def _to_csv(rejects: list[Reject]) -> str:
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(Reject._fields)
    rows.writerows(rejects)
    return text.getvalue()


def _version() -> str:
    try:
        return metadata.version(PACKAGE)
    except metadata.PackageNotFoundError:
        return "not installed"
