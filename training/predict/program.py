"""The program after its command line is read. Brings TensorFlow in."""

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

from keras_medformers.modalities import Modality
from keras_medformers.serving.client.errors import ServerError
from keras_medformers.support.errors import UserError
from training.predict import dicomweb
from training.predict.classify import classify
from training.predict.files import FETCHED, OVERLAYS, REPORTS
from training.predict.journal import Journal
from training.predict.opened import OpenedModel, open_model
from training.predict.overlays import ALL, LIKELIEST, Overlays, seen_share
from training.predict.reports import SECONDARY_CAPTURE, write_reports
from training.predict.studies import group_studies
from training.predict.tables import WARNING, write_tables
from training.tasks.words import words_of

logger = logging.getLogger(__name__)

CHUNKS_PER_REQUEST = 2
"""Images that the model is asked for at a time, over those that are under way at a time."""


def predict(files: Sequence[Path], output: Path, arguments: argparse.Namespace) -> None:
    """Finds the model, asks it for all files and writes everything down.

    Raises:
        UserError: If there is no such model, no file can be read, the server left
            before the end, or a report could not be written.
    """
    draws = arguments.overlays or SECONDARY_CAPTURE in arguments.report
    try:
        with open_model(arguments, "explain" if draws else "serving_default") as model:
            _predict(files, model, output, arguments)
    except ServerError as error:
        raise UserError(str(error)) from error


def _predict(
    files: Sequence[Path],
    model: OpenedModel,
    output: Path,
    arguments: argparse.Namespace,
) -> None:
    modality = model.reader.modality
    if arguments.report and not modality.dicom_modalities:
        raise UserError(
            f"--report is for DICOM files, and the model takes {modality.nouns}"
        )

    _make_folder(output)
    files = [*files, *_fetched(modality, output, arguments)]
    crop_fraction = _crop_fraction(model)
    labels = arguments.label or [LIKELIEST]
    overlays = (
        Overlays(output / OVERLAYS, files, crop_fraction, labels, modality.to_picture)
        if arguments.overlays
        else None
    )
    journal = Journal(
        output,
        {
            "model": model.to_json(),
            "overlays": bool(overlays),
            "labels": labels,
            "report": arguments.report,
        },
    )
    done = classify(
        files,
        model.client,
        model.reader,
        model.settings,
        model.task,
        journal,
        overlays=overlays,
        chunk_size=CHUNKS_PER_REQUEST * arguments.batch_size * arguments.concurrency,
        keep_heat_maps=SECONDARY_CAPTURE in arguments.report,
    )
    # Of a study that is not whole there is nothing to say.
    studies = (
        []
        if done.stopped
        else group_studies(
            done.results,
            arguments.study_rule,
            model.task,
            words_of(modality.name),
        )
    )
    write_tables(output, done, studies, model.to_json(), model.task)
    if done.stopped:
        raise UserError(
            f"{done.stopped}. {len(done.results)} of {len(files)} files have an answer, in {output}; the "
            "same command goes on with the others"
        )
    if not done.results:
        journal.close()
        raise UserError(
            f"none of the {len(files)} files is a {modality.one} that can be read"
        )

    logger.info(
        "%d %s classified, %d files set aside; results in %s. %s",
        len(done.results),
        modality.nouns,
        len(done.rejects),
        output,
        WARNING,
    )

    if arguments.report:
        reports = write_reports(
            studies,
            output / REPORTS,
            arguments.report,
            model_name=model.metadata.name,
            model_version=str(model.metadata.version),
            read_pixels=lambda path: model.reader.read(path, model.settings).pixels,
            to_picture=modality.to_picture,
            crop_fraction=crop_fraction,
            label=next((name for name in labels if name not in (LIKELIEST, ALL)), None),
        )
        if arguments.store:
            dicomweb.store(arguments.dicomweb, reports, user=arguments.dicomweb_user)

    journal.close()


def _fetched(
    modality: Modality, output: Path, arguments: argparse.Namespace
) -> list[Path]:
    if not arguments.dicomweb:
        return []
    if not modality.dicom_modalities:
        raise UserError(
            f"--dicomweb has DICOM files, and the model takes {modality.nouns}"
        )
    return dicomweb.fetch_study(
        arguments.dicomweb,
        arguments.study,
        output / FETCHED,
        user=arguments.dicomweb_user,
        modalities=modality.dicom_modalities,
    )


def _crop_fraction(model: OpenedModel) -> float | None:
    if model.client.signature != "explain":
        return None
    if model.facts is None:
        raise UserError(
            "heat maps need --run or --export beside --server: a server does not tell which part of an image "
            "its model sees"
        )
    return seen_share(model.facts)


def _make_folder(output: Path) -> None:
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"--output {output} cannot be made: {error.strerror}; it is a folder"
        ) from error
