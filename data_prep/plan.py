"""The first pass of a build: which slice goes where, decided from headers before any pixel is read."""

import functools
import hashlib
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from data_prep.datasets.base import Listing, Reject
from data_prep.dicom_ct import CTHeader, UnreadableSlice, read_header
from data_prep.ids import Pseudonymizer
from data_prep.splits import SPLITS, assign_splits
from data_prep.workers import WorkerDied, Workers

log = logging.getLogger(__name__)

DIED_READING = "a process died while reading it"


class PlannedSlice(NamedTuple):
    """A slice that is to be written, with everything but its pixels; fields as in `schema.ImageRecord`."""

    file: str
    source_id: str
    patient_id: str
    study_id: str
    series_id: str
    series_index: int
    position_mm: float
    labels: dict[str, int]


@dataclass(frozen=True)
class Plan:
    """What to write.

    Attributes:
        shards: By file name, the slices of the shard in order.
        rejects: Slices set aside for their headers, beside those of the listing.
    """

    shards: dict[str, list[PlannedSlice]]
    rejects: list[Reject]


def shard_name(split: str, index: int, count: int) -> str:
    """File name of a shard, such as `train-00000-of-00016.tfrecord`."""
    return f"{split}-{index:05d}-of-{count:05d}.tfrecord"


def make_plan(
    listing: Listing,
    label_names: tuple[str, ...],
    workers: Workers,
    pseudonymize: Pseudonymizer,
    fractions: tuple[float, float, float],
    shards: int,
    seed: int,
) -> Plan:
    """Reads all headers and decides on split, shard and order of every slice.

    The order of records follows a digest of their names, so that shards are mixed and do not depend on the
    order of files or on the number of processes.

    Args:
        listing: The data set's slices.
        label_names: Names of the columns of `listing.labels`.
        workers: Where headers are read.
        pseudonymize: Turns a file's identifiers into those of records.
        fractions: Shares of the splits.
        shards: Number of files per split.
        seed: Decides on the split and on the order.
    """
    headers, rejects = read_headers(listing, workers)
    kept = list(headers)
    if not kept:
        return Plan({}, rejects)
    slices = _describe(listing, label_names, headers, pseudonymize)
    patient_ids = [one.patient_id for one in slices]
    # The location (or another extra label) is a label of each of its values to the splits.
    columns = [listing.labels[kept]]
    for values in listing.extra_labels.values():
        columns.append(values[kept, None] == np.arange(values.max() + 1))
    splits = assign_splits(patient_ids, np.concatenate(columns, axis=1), fractions, seed)
    order = sorted(range(len(slices)), key=lambda index: _order_key(seed, slices[index].source_id))
    by_shard = {}
    for split, name in enumerate(SPLITS):
        members = [index for index in order if splits[index] == split]
        for shard, part in enumerate(np.array_split(np.asarray(members, np.int64), shards)):
            by_shard[shard_name(name, shard, shards)] = [slices[index] for index in part]
    return Plan(by_shard, rejects)


def read_headers(listing: Listing, workers: Workers) -> tuple[dict[int, CTHeader], list[Reject]]:
    """Reads the headers of a listing's files.

    Returns:
        Headers by index into the listing, and the files set aside.
    """
    headers, rejects = {}, []
    read = functools.partial(_header_or_reason, listing.root)
    results = workers.map(read, listing.files)
    for index, result in enumerate(progress(results, len(listing.files), "headers")):
        if isinstance(result, CTHeader):
            headers[index] = result
        else:
            reason = DIED_READING if isinstance(result, WorkerDied) else result
            rejects.append(Reject(listing.files[index], reason))
    return headers, rejects


def progress(results: Iterable, total: int, description: str) -> Iterable:
    """A progress bar on standard error, where that is a terminal."""
    return tqdm(results, total=total, desc=description, unit="slice", disable=None, smoothing=0.05)


def _header_or_reason(root: Path, file: str) -> CTHeader | str:
    try:
        header = read_header(root / file)
    except UnreadableSlice as error:
        return error.reason
    except Exception as error:
        return f"header cannot be read ({type(error).__name__})"
    if not (header.patient_id or header.study_id or header.series_id):
        return "no PatientID (0010,0020), StudyInstanceUID or SeriesInstanceUID to keep it to one split"
    return header


def _describe(
    listing: Listing, label_names: tuple[str, ...], headers: dict[int, CTHeader], pseudonymize: Pseudonymizer
) -> list[PlannedSlice]:
    places = _places_in_series(listing, headers)
    known = functools.lru_cache(maxsize=100_000)(pseudonymize)
    slices = []
    for index, header in headers.items():
        labels = dict(zip(label_names, listing.labels[index].tolist(), strict=True))
        labels |= {name: int(values[index]) for name, values in listing.extra_labels.items()}
        slices.append(
            PlannedSlice(
                file=listing.files[index],
                source_id=pseudonymize(listing.source_ids[index]),
                # Without a patient's name the study is the narrowest thing known to be of one patient.
                patient_id=known(header.patient_id or header.study_id or header.series_id),
                study_id=known(header.study_id),
                series_id=known(header.series_id),
                series_index=places[index],
                position_mm=header.position_mm,
                labels=labels,
            )
        )
    return slices


def _places_in_series(listing: Listing, headers: dict[int, CTHeader]) -> dict[int, int]:
    """Rank of every slice in its series along the slice normal; slices without a position come last."""

    def series_and_position(index: int) -> tuple:
        header = headers[index]
        unknown = bool(np.isnan(header.position_mm))
        position = 0.0 if unknown else header.position_mm
        return (
            (header.patient_id, header.study_id, header.series_id),
            unknown,
            position,
            listing.source_ids[index],
        )

    places, series, place = {}, None, 0
    for index in sorted(headers, key=series_and_position):
        of_slice = series_and_position(index)[0]
        place = place + 1 if of_slice == series else 0
        places[index], series = place, of_slice
    return places


def _order_key(seed: int, source_id: str) -> tuple[bytes, str]:
    return hashlib.blake2b(f"{seed}/{source_id}".encode(), digest_size=8).digest(), source_id
