"""The second pass of a build: pixels into shards, each whole or not there, so that a build can resume."""

import collections
import contextlib
import functools
import hashlib
import itertools
import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from data_prep.datasets.base import Reject
from data_prep.modalities.reader import Reader, Settings
from data_prep.records.build_config import BuildConfig
from data_prep.records.plan import DIED_READING, Plan, PlannedImage, progress
from data_prep.records.schema import EncodedImage, ImageRecord, encode
from data_prep.records.workers import WorkerDied, Workers
from keras_medformers.support.errors import UnreadableImage, UserError
from keras_medformers.support.whole_files import whole_file, write_json

WORK_NAME = ".build"
"""Folder below the records that holds what an unfinished build has done."""

IDENTITY_NAME = "build.json"


@dataclass(frozen=True)
class ShardResult:
    """What was written to one shard.

    Attributes:
        plan: Digest of what was asked for.
        records: Number of records.
        sha256: Digest of the file.
        corrections: Images repaired, by kind.
        rejects: Images set aside for their pixels, (file, reason).
        unwritten: Their places among the shard's images.
    """

    plan: str
    records: int
    sha256: str
    corrections: dict[str, int]
    rejects: list[Reject]
    unwritten: list[int]


def write_shards(
    plan: Plan,
    root: Path,
    records_dir: Path,
    workers: Workers,
    reader: Reader,
    config: BuildConfig,
) -> dict[str, ShardResult]:
    """Writes the shards of a plan that are not there yet.

    Args:
        plan: What goes where.
        root: The data set's folder.
        records_dir: Where the shards go.
        workers: Where images are read and encoded.
        reader: How they are read.
        config: Settings of the build.

    Returns:
        By shard name, what it holds.
    """
    work_dir = records_dir / WORK_NAME
    digests = {name: _digest(images, config) for name, images in plan.shards.items()}
    done = {name: _finished(records_dir, name, digests[name]) for name in plan.shards}
    missing = [name for name in plan.shards if done[name] is None]
    files = [(one.file, one.region) for name in missing for one in plan.shards[name]]
    encode = functools.partial(_encode_or_reason, root, reader, config.settings)
    results = iter(
        progress(workers.map(encode, files), len(files), "pixels", reader.modality.noun)
    )
    for name in missing:
        images = plan.shards[name]
        with whole_file(records_dir / name) as temporary:
            rejects, unwritten, corrections = _write(temporary, images, results)
            done[name] = ShardResult(
                plan=digests[name],
                records=len(images) - len(rejects),
                sha256=_sha256(temporary),
                corrections=corrections,
                rejects=rejects,
                unwritten=unwritten,
            )
        write_json(work_dir / f"{name}.json", asdict(done[name]), indent=None)

    # An empty rest lets the progress bar finish.
    next(results, None)
    return done


def start_or_resume(records_dir: Path, identity: dict) -> None:
    """Prepares the folder for a build, or for going on with the same one.

    Args:
        records_dir: Where the shards go.
        identity: Everything that decides on the build's content.

    Raises:
        UserError: If the folder holds an unfinished build of something else, or cannot be written.
    """
    path = records_dir / WORK_NAME / IDENTITY_NAME
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"--records {records_dir} cannot be made: {error.strerror}"
        ) from error
    if path.is_file() and json.loads(path.read_text()) != identity:
        raise UserError(
            f"{records_dir} holds an unfinished build with other settings or from other data; "
            "give --overwrite to discard it, or another --records folder"
        )
    write_json(path, identity, indent=None)


def clear(records_dir: Path, also: tuple[str, ...]) -> None:
    """Removes what builds have written: the files `also` first, shards and work folder; nothing else."""
    for name in also:
        (records_dir / name).unlink(missing_ok=True)
    for path in records_dir.glob("*-?????-of-?????.tfrecord"):
        path.unlink()
    shutil.rmtree(records_dir / WORK_NAME, ignore_errors=True)


def finish(records_dir: Path) -> None:
    """Removes the work folder."""
    shutil.rmtree(records_dir / WORK_NAME)


def _write(
    path: Path, images: list[PlannedImage], results: Iterator
) -> tuple[list[Reject], list[int], dict[str, int]]:
    """Writes one file of records from the next results.

    Returns:
        The rejects, their places among the images, and the repairs by kind.
    """
    # Inside: processes that read images import this module, and start without TensorFlow.
    from data_prep.records import examples

    rejects, unwritten, corrections = [], [], collections.Counter()
    with contextlib.closing(examples.open_writer(path)) as writer:
        of_images = zip(images, itertools.islice(results, len(images)), strict=True)
        for place, (planned, result) in enumerate(of_images):
            if isinstance(result, str | WorkerDied):
                unwritten.append(place)
                rejects.append(
                    Reject(
                        planned.file,
                        result if isinstance(result, str) else DIED_READING,
                    )
                )
                continue
            fields = planned._asdict() | result._asdict()
            done, copy, _ = (
                fields.pop(name) for name in ("corrections", "copy", "region")
            )
            if not copy:
                corrections.update(done)
            del fields["file"]
            writer.write(examples.serialize(ImageRecord(**fields)))

    return rejects, unwritten, dict(corrections)


def _encode_or_reason(
    root: Path,
    reader: Reader,
    settings: Settings,
    file_and_region: tuple[str, tuple | None],
) -> EncodedImage | str:
    file, region = file_and_region
    try:
        of_part = () if region is None else (region,)
        image = reader.read(root / file, settings, *of_part)
        return encode(image, reader.modality, getattr(settings, "compression", True))
    except UnreadableImage as error:
        return error.reason
    except Exception as error:
        return f"pixels cannot be read ({type(error).__name__})"


def _finished(records_dir: Path, name: str, digest: str) -> ShardResult | None:
    path = records_dir / WORK_NAME / f"{name}.json"
    if not path.is_file() or not (records_dir / name).is_file():
        return None
    fields = json.loads(path.read_text())
    if fields["plan"] != digest:
        return None
    return ShardResult(
        **fields | {"rejects": [Reject(*reject) for reject in fields["rejects"]]}
    )


def _digest(images: list[PlannedImage], config: BuildConfig) -> str:
    digest = hashlib.sha256(json.dumps(config.to_json_fields()).encode())
    for one in images:
        having = {name: value for name, value in one.labels.items() if value}
        digest.update(json.dumps(one._replace(labels=having)).encode())
    return digest.hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
