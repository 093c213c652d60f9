"""The model that a command line names: on a server, of a run, or an export alone."""

import argparse
import contextlib
import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from data_prep.modalities import get_reader
from data_prep.modalities.reader import Reader, Settings
from keras_medformers.modalities import (
    Modality,
    get_modality,
    modality_of_old_export,
)
from keras_medformers.serving.client.client import ServingClient
from keras_medformers.serving.client.model_client import ModelClient
from keras_medformers.serving.client.signatures import ModelMetadata
from keras_medformers.support.errors import UserError
from training.predict import facts
from training.predict.facts import AS_THEY_ARE, Facts
from training.predict.local import load_local


@dataclass(frozen=True)
class OpenedModel:
    """A model that can be asked.

    Attributes:
        client: What is asked.
        where: The server, or the folder of the export.
        metadata: What it says of itself.
        facts: What its run or its card says; None where neither is at hand.
        reader: What reads its files.
        settings: How it does.
    """

    client: ModelClient
    where: str
    metadata: ModelMetadata
    facts: Facts | None
    reader: Reader
    settings: Settings

    @property
    def task(self) -> str | None:
        """What it was trained for; None where that is not known."""
        return self.facts.task if self.facts else None

    def to_json(self) -> dict:
        """What answers depend on."""
        return {
            "name": self.metadata.name,
            "version": self.metadata.version,
            "where": self.where,
            "signature": self.client.signature,
            "architecture": self.facts.model if self.facts else None,
            "task": self.task,
            "modality": self.reader.modality.name,
            "preparation": self.settings.of_answers(),
        }


@contextlib.contextmanager
def open_model(arguments: argparse.Namespace, signature: str) -> Iterator[OpenedModel]:
    """Finds the model, and what is known of it.

    Args:
        arguments: Those of the program.
        signature: The signature to ask.

    Raises:
        UserError: If there is no such run or export, it says too little, or it does not
            fit the server's model.
        ServerError: If there is no server, or it has no such model or signature.
    """
    version_dir = _version_dir(arguments)
    known = _facts(arguments, version_dir)
    with _client(arguments, signature, version_dir, known) as client:
        metadata = client.metadata()
        client.predict([])  # says whether there is such a signature
        where = arguments.server or str(version_dir)
        reader = get_reader(_modality(arguments, known, metadata, where).name)
        settings = _settings(arguments, known, reader)
        yield OpenedModel(client, where, metadata, known, reader, settings)


def _version_dir(arguments: argparse.Namespace) -> Path | None:
    if arguments.export:
        return facts.version_of_export(arguments.export)
    # The export of a run that a server has need not be here.
    return None if arguments.server else facts.version_of_run(arguments.run)


def _facts(arguments: argparse.Namespace, version_dir: Path | None) -> Facts | None:
    if arguments.run:
        return facts.facts_of_run(arguments.run)
    return facts.facts_of_export(version_dir) if version_dir else None


def _client(
    arguments: argparse.Namespace,
    signature: str,
    version_dir: Path | None,
    known: Facts | None,
) -> ModelClient:
    if not arguments.server:
        return load_local(version_dir, signature, arguments.batch_size)
    try:
        return ServingClient(
            arguments.server,
            arguments.model_name or _name_on_server(version_dir, known),
            arguments.protocol,
            signature,
            arguments.batch_size,
            arguments.concurrency,
            arguments.timeout,
            arguments.retries,
            tls=arguments.tls_authorities or arguments.tls,
        )
    except ValueError as error:
        raise UserError(
            f"--server {arguments.server} cannot be asked: {error}"
        ) from error


def _name_on_server(version_dir: Path | None, known: Facts | None) -> str:
    if version_dir:
        return version_dir.resolve().parent.name
    if known:
        return known.model
    raise UserError(
        "expected --model-name, the name under which the server has the model"
    )


def _modality(
    arguments: argparse.Namespace,
    known: Facts | None,
    metadata: ModelMetadata,
    where: str,
) -> Modality:
    """What its run or its card says that it takes, which the pixels of its signatures have to fit.

    Where there is neither, as of a server alone, the type of the pixels has to do.
    """
    takes = [
        (pixels.dtype, pixels.shape[-1])
        for signature in metadata.signatures.values()
        if (pixels := signature.inputs.get("pixels")) and pixels.shape
    ]
    if not takes:
        raise UserError(
            f"model {metadata.name} has no signature that takes pixels; expected one that "
            "`make export` wrote"
        )

    dtype, channels = takes[0]
    if known is None:
        found = modality_of_old_export(dtype, channels)
        if found is None:
            raise UserError(
                f"model {metadata.name} takes {dtype} pixels with {channels} channel(s), and nothing says "
                "of what; name its run by --run or its export by --export beside --server"
            )
        return found

    try:
        modality = get_modality(known.modality)
    except ValueError as error:
        raise UserError(f"{arguments.run or arguments.export}: {error}") from error

    if not modality.takes(dtype, channels):
        raise UserError(
            f"{arguments.run or arguments.export} is about {modality.nouns}, {modality.dtype} pixels with "
            f"{modality.channels} channel(s), and the model at {where} takes {dtype} with {channels}; name "
            "the run or export that is served"
        )

    return modality


def _settings(
    arguments: argparse.Namespace, known: Facts | None, reader: Reader
) -> Settings:
    """How files are read: as the run or the card says, or the command line."""
    treated = "treatment" in reader.settings.names()
    if arguments.treatment and not treated:
        raise UserError(
            f"--treatment is for CT slices, and the model takes images of modality {reader.modality.name}"
        )

    for name, unknown in reader.settings.NEEDED.items():
        if known is None and not (name == "treatment" and arguments.treatment):
            option = f", or say it by --treatment ({AS_THEY_ARE}: they were not)"
            raise UserError(
                f"nothing says {unknown}; name its run by --run or its export by --export beside --server"
                + (option if name == "treatment" else "")
            )

    settings = known.settings if known else reader.settings()
    if not arguments.treatment:
        return settings

    treatment = None if arguments.treatment == AS_THEY_ARE else arguments.treatment
    return dataclasses.replace(settings, treatment=treatment)
