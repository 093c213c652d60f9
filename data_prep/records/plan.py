"""The first pass of a build: which image goes where, decided from headers before any pixel is read."""

import functools
import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from data_prep.datasets.base import Listing, Part, Parts, Reject, SettleHeaders
from data_prep.modalities.reader import Header, Reader
from data_prep.records import balance
from data_prep.records.build_config import BuildConfig
from data_prep.records.identifiers import Pseudonymizer
from data_prep.records.split_rules import SplitRule, ToSplit
from data_prep.records.splits import SPLITS
from data_prep.records.workers import WorkerDied, Workers
from keras_medformers.support.errors import UnreadableImage

DIED_READING = "a process died while reading it"


class PlannedImage(NamedTuple):
    """An image that is to be written, with everything but its pixels; fields as in `schema.ImageRecord`.

    `copy` counts the repetitions of one image, from 0; `region` is what a part shows of its file.
    """

    file: str
    source_id: str
    patient_id: str
    study_id: str
    series_id: str
    series_index: int
    position_mm: float
    labels: dict[str, int]
    copy: int = 0
    region: tuple | None = None


@dataclass(frozen=True)
class Plan:
    """What to write.

    Attributes:
        shards: By file name, the images of the shard in order.
        rejects: Images set aside for their headers, beside those of the listing.
    """

    shards: dict[str, list[PlannedImage]]
    rejects: list[Reject]


def shard_name(split: str, index: int, count: int) -> str:
    """File name of a shard, such as `train-00000-of-00016.tfrecord`."""
    return f"{split}-{index:05d}-of-{count:05d}.tfrecord"


def make_plan(
    listing: Listing,
    label_names: tuple[str, ...],
    reader: Reader,
    workers: Workers,
    pseudonymize: Pseudonymizer,
    rule: SplitRule,
    config: BuildConfig,
    settle_headers: SettleHeaders | None = None,
    parts: Parts | None = None,
) -> Plan:
    """Reads all headers and decides on split, shard and order of every image.

    Splits are decided file by file, before files are divided into parts: other parts of the same files are in
    the same splits. Parts of one file follow each other, so that it is read once.

    The order of records follows a digest of their names, so that shards are mixed and do not depend on the
    order of files or on the number of processes. Names that the listing gives to groups decide on splits as
    they are, so that those are the same under every key of `pseudonymize`.

    Args:
        listing: The data set's images.
        label_names: Names of the columns of `listing.labels`.
        reader: How headers are read.
        workers: Where headers are read.
        pseudonymize: Turns identifiers into those of records.
        rule: How images are divided.
        config: Shares, seed, fold, number of shards and balance.
        settle_headers: `Dataset.settle_headers`.
        parts: `Dataset.parts`.
    """
    headers, rejects = read_headers(listing, reader, workers)
    if settle_headers:
        headers, reasons = settle_headers(listing, headers)
        rejects += [
            Reject(listing.files[index], reason) for index, reason in reasons.items()
        ]
        headers = {
            index: header for index, header in headers.items() if index not in reasons
        }

    kept = list(headers)
    if not kept:
        return Plan({}, rejects)

    images = _describe(listing, label_names, headers, pseudonymize)
    if config.balance == balance.BEFORE_SPLIT:
        times = balance.times_wanted(_locations(images))
        images, kept = _repeated(images, times), np.repeat(kept, times).tolist()

    # The location (or another extra label) is a label of each of its values to the splits.
    columns = [listing.labels[kept]]
    for name, values in listing.extra_labels.items():
        if name in listing.amounts:
            continue
        columns.append(values[kept, None] == np.arange(values.max() + 1))

    image_ids, group_ids = _names_for_splits(listing, images, kept)
    published = (
        None if listing.published_splits is None else listing.published_splits[kept]
    )
    to_split = ToSplit(image_ids, group_ids, np.concatenate(columns, axis=1), published)
    splits = rule.assign(to_split, config.fractions, config.seed, config.fold)
    if config.balance == balance.BEFORE_SPLIT:
        balance.warn_of_copies_in_test(
            [one.file for one in images], splits == SPLITS.index("test")
        )
    elif config.balance == balance.TRAIN:
        train = np.flatnonzero(splits == SPLITS.index("train"))
        times = np.ones(len(images), np.int64)
        times[train] = balance.times_wanted(_locations(images)[train])
        images, splits = _repeated(images, times), np.repeat(splits, times)
        image_ids, _ = _names_for_splits(
            listing, images, np.repeat(kept, times).tolist()
        )

    if parts:
        images, splits, image_ids = _in_parts(
            images, splits, image_ids, kept, parts(listing, config)
        )

    order = sorted(
        range(len(images)), key=lambda index: _order_key(config.seed, image_ids[index])
    )
    by_shard = {}
    for split, name in enumerate(SPLITS):
        members = [index for index in order if splits[index] == split]
        for shard, part in enumerate(
            np.array_split(np.asarray(members, np.int64), config.shards)
        ):
            by_shard[shard_name(name, shard, config.shards)] = [
                images[index] for index in part
            ]

    return Plan(by_shard, rejects)


def _locations(images: list[PlannedImage]) -> np.ndarray:
    return np.array([one.labels[balance.LOCATION] for one in images], np.int64)


def _repeated(images: list[PlannedImage], times: np.ndarray) -> list[PlannedImage]:
    """Each image as often as wanted, the copies under names of their own."""
    return [
        one._replace(source_id=_name_of_copy(one.source_id, copy), copy=copy)
        for one, wanted in zip(images, times, strict=True)
        for copy in range(wanted)
    ]


def _in_parts(
    images: list[PlannedImage],
    splits: np.ndarray,
    image_ids: list[str],
    indices: list[int],
    parts: list[list[Part]],
) -> tuple[list[PlannedImage], np.ndarray, list[str]]:
    """The parts of images in place of them; `indices` are those in the listing, of which `parts` are."""
    of_images = [parts[index] for index in indices]
    times = [len(of_image) for of_image in of_images]
    divided = [
        one._replace(
            source_id=f"{one.source_id}-{part.name}" if part.name else one.source_id,
            labels=one.labels | part.labels,
            region=part.region,
        )
        for one, of_image in zip(images, of_images, strict=True)
        for part in of_image
    ]
    return (
        divided,
        np.repeat(splits, times),
        np.repeat(np.array(image_ids, object), times).tolist(),
    )


def _name_of_copy(name: str, copy: int) -> str:
    return f"{name}-{copy}" if copy else name


def _names_for_splits(
    listing: Listing, images: list[PlannedImage], indices: list[int]
) -> tuple[list[str], list[str]]:
    """Names of images and groups on which splits and order depend; `indices` are those in the listing."""
    if listing.group_ids is None:
        return [one.source_id for one in images], [one.patient_id for one in images]
    names = [
        _name_of_copy(listing.source_ids[index], one.copy)
        for index, one in zip(indices, images, strict=True)
    ]
    return names, [listing.group_ids[index] for index in indices]


def read_headers(
    listing: Listing, reader: Reader, workers: Workers
) -> tuple[dict[int, Header], list[Reject]]:
    """Reads the headers of a listing's files.

    Returns:
        Headers by index into the listing, and the files set aside.
    """
    headers, rejects = {}, []
    read = functools.partial(_header_or_reason, listing.root, reader.read_header)
    results = workers.map(read, listing.files)
    for index, result in enumerate(
        progress(results, len(listing.files), "headers", reader.modality.noun)
    ):
        if isinstance(result, Header):
            headers[index] = result
        else:
            reason = DIED_READING if isinstance(result, WorkerDied) else result
            rejects.append(Reject(listing.files[index], reason))
    return headers, rejects


def progress(results: Iterable, total: int, description: str, unit: str) -> Iterable:
    """A progress bar on standard error, where that is a terminal."""
    return tqdm(
        results, total=total, desc=description, unit=unit, disable=None, smoothing=0.05
    )


def _header_or_reason(
    root: Path, read_header: Callable[[Path], Header], file: str
) -> Header | str:
    try:
        return read_header(root / file)
    except UnreadableImage as error:
        return error.reason
    except Exception as error:
        return f"header cannot be read ({type(error).__name__})"


def _describe(
    listing: Listing,
    label_names: tuple[str, ...],
    headers: dict[int, Header],
    pseudonymize: Pseudonymizer,
) -> list[PlannedImage]:
    if listing.group_ids is None:
        places = _places_in_series(listing, headers)
    else:
        places = dict.fromkeys(headers, 0)
        groups = {index: listing.group_ids[index] for index in headers}
        studies = (
            {index: listing.study_ids[index] for index in headers}
            if listing.study_ids
            else groups
        )
        headers = {
            index: Header(groups[index], studies[index], studies[index])
            for index in headers
        }

    known = functools.lru_cache(maxsize=100_000)(pseudonymize)
    # Equal labels are one object: with a thousand classes, those of each of a million images would not fit.
    of_values = {}
    images = []
    for index, header in headers.items():
        extra = {
            name: int(values[index]) for name, values in listing.extra_labels.items()
        }
        values = (listing.labels[index].tobytes(), *extra.values())
        if values not in of_values:
            of_values[values] = (
                dict(zip(label_names, listing.labels[index].tolist(), strict=True))
                | extra
            )
        images.append(
            PlannedImage(
                file=listing.files[index],
                source_id=pseudonymize(listing.source_ids[index]),
                patient_id=known(header.patient_id),
                study_id=known(header.study_id),
                series_id=known(header.series_id),
                series_index=places[index],
                position_mm=header.position_mm,
                labels=of_values[values],
            )
        )

    return images


def _places_in_series(listing: Listing, headers: dict[int, Header]) -> dict[int, int]:
    """Rank of every slice in its series along the slice normal; slices without a position come last."""

    def series_and_position(index: int) -> tuple:
        header = headers[index]
        series = [header.patient_id, header.study_id, header.series_id]
        unknown = bool(np.isnan(header.position_mm))
        return (
            series,
            unknown,
            0.0 if unknown else header.position_mm,
            listing.source_ids[index],
        )

    places, series, place = {}, None, 0
    for index in sorted(headers, key=series_and_position):
        of_slice = series_and_position(index)[0]
        place = place + 1 if of_slice == series else 0
        places[index], series = place, of_slice
    return places


def _order_key(seed: int, source_id: str) -> tuple[bytes, str]:
    return hashlib.blake2b(
        f"{seed}/{source_id}".encode(), digest_size=8
    ).digest(), source_id
