"""Many files through a model: read ahead, asked in chunks, each answer noted down at once."""

import concurrent.futures
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from data_prep.modalities.reader import Image, Place, Reader, Settings
from keras_medformers.serving.client.answers import heat_maps, probabilities_by_label
from keras_medformers.serving.client.errors import (
    INTERNAL,
    InvalidImageError,
    ServerError,
)
from keras_medformers.serving.client.model_client import ModelClient
from training.predict.answers import in_order, likeliest, spec_of_answer
from training.predict.findings import SliceResult
from training.predict.journal import Journal
from training.predict.overlays import Overlays

CHUNK_BYTES = 2**28
"""Pixels read before the model is asked; as much again is read while it is."""


class Rejected(NamedTuple):
    """A file that was set aside; fields as in `rejects.csv`."""

    file: Path
    reason: str


@dataclass
class Classified:
    """What became of the files.

    Attributes:
        results: Findings and where the images belong, in the order of the files.
        rejects: Files set aside.
        stopped: What ended it early; None if every file was looked at.
    """

    results: list[tuple[SliceResult, Place]] = field(default_factory=list)
    rejects: list[Rejected] = field(default_factory=list)
    stopped: ServerError | None = None


class _File(NamedTuple):
    """A file after reading: `image`, or the `answer` that it has already, or the `reason` against it."""

    path: Path
    place: Place
    image: Image | None = None
    answer: SliceResult | None = None
    reason: str = ""


def classify(
    files: Sequence[Path],
    model: ModelClient,
    reader: Reader,
    settings: Settings,
    task: str | None,
    journal: Journal,
    *,
    chunk_size: int,
    overlays: Overlays | None = None,
    keep_heat_maps: bool = False,
) -> Classified:
    """Classifies files.

    An image that the model refuses is set aside. Any other failure ends it, and what was found so far is
    given.

    Args:
        files: Paths.
        model: What to ask.
        reader: What reads the files.
        settings: How it does.
        task: What the model was trained for; None where that is not known.
        journal: Keeps the answers.
        chunk_size: Images that the model is asked for at a time at most.
        overlays: Draws the heat maps, if asked for.
        keep_heat_maps: Whether results hold them.
    """
    done = Classified()
    with tqdm(total=len(files), unit="file", desc="predict") as bar:
        for chunk in _ahead(_chunks(files, reader, settings, journal, chunk_size)):
            asked = [file for file in chunk if file.image]
            outputs = model.predict(
                [file.image.pixels for file in asked], return_exceptions=True
            )
            answers = dict(zip((file.path for file in asked), outputs, strict=True))
            new = []
            for file in chunk:
                outcome = _outcome(
                    file, answers.get(file.path), task, overlays, keep_heat_maps
                )
                if isinstance(outcome, Rejected):
                    done.rejects.append(outcome)
                elif isinstance(outcome, ServerError):
                    done.stopped = done.stopped or outcome
                else:
                    done.results.append((outcome, file.place))
                    new += [outcome] if file.image else []
            journal.add(new)
            bar.update(len(chunk))
            if done.stopped:
                break
    return done


def _outcome(
    file: _File,
    outputs: dict | ServerError | None,
    task: str | None,
    overlays: Overlays | None,
    keep_heat_maps: bool,
) -> SliceResult | Rejected | ServerError:
    if file.answer:
        return file.answer
    if file.reason or isinstance(outputs, InvalidImageError):
        return Rejected(file.path, file.reason or str(outputs))
    if isinstance(outputs, ServerError):
        return outputs

    try:
        probabilities = probabilities_by_label(outputs)
        maps = heat_maps(outputs)
    except ServerError as error:
        return error

    if maps is None and (overlays or keep_heat_maps):
        return ServerError(
            f"the model gives no heat maps: its outputs are {', '.join(outputs)}",
            INTERNAL,
        )

    spec = spec_of_answer(probabilities, task)
    probabilities = in_order(probabilities, spec)
    columns = {**file.image.columns} | likeliest(probabilities, task)
    if overlays:
        columns["overlay"] = "; ".join(
            overlays.write(file.path, file.image.pixels, probabilities, maps)
        )

    return SliceResult(
        file.path,
        probabilities,
        columns,
        in_order(maps, spec) if keep_heat_maps else None,
    )


def _chunks(
    files: Sequence[Path],
    reader: Reader,
    settings: Settings,
    journal: Journal,
    size: int,
) -> Iterator[list[_File]]:
    chunk, held = [], 0
    for path in files:
        file = _read(path, reader, settings, journal)
        chunk.append(file)
        held += file.image.pixels.nbytes if file.image else 0
        if len(chunk) == size or held >= CHUNK_BYTES:
            yield chunk
            chunk, held = [], 0
    if chunk:
        yield chunk


def _read(path: Path, reader: Reader, settings: Settings, journal: Journal) -> _File:
    try:
        if answer := journal.answer(path):
            return _File(path, reader.read_place(path), answer=answer)
        image = reader.read(path, settings)
    except reader.unreadable as refused:
        return _File(path, Place(), reason=refused.reason)
    return _File(path, image.place, image=image)


def _ahead(iterator: Iterator) -> Iterator:
    """The same items; each next one is made in a thread while the last one is used."""
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, iterator, None)
        while (item := coming.result()) is not None:
            coming = pool.submit(next, iterator, None)
            yield item
