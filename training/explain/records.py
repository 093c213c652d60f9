"""Explains runs over images of their own records."""

import dataclasses
import logging
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from keras_medformers.explain import encoder_similarity, encoders_of
from keras_medformers.support.errors import UserError
from training import figures
from training.explain import insight
from training.explain.contact_sheet import contact_sheet, pair_of
from training.explain.explainer import Explainer
from training.explain.pictures import (
    TITLE_LETTERS,
    pictures_and_tables,
    similarity_table,
    title,
)
from training.explain.receptive_fields import fields_of_run, profile_table
from training.figures.canvas import wrapped
from training.runs.config import Config
from training.runs.summary import notes
from training.runs.trained_model import load_model
from training.runs.workbench import Workbench
from training.statistics.predictions import ID_COLUMNS, predictions_frame
from training.tasks.tasks import task_of

logger = logging.getLogger(__name__)


def explain_records(
    explainer: Explainer,
    records: str | Path | None,
    split: str,
    images: int,
    show: str | None,
    label: str | None,
    batch_size: int,
) -> tuple[dict[str, bytes], dict[str, pd.DataFrame]]:
    """All pictures and tables of one run.

    Args:
        explainer: The run's `Explainer`.
        records: Folder of the records; None for the run's.
        split: Name of the split.
        images: How many of its images are looked at.
        show: Source id of the image whose maps are drawn; None for the positive one found most surely.
        label: Name of the label that is shown; None for the one in question.
        batch_size: Images run at a time for Grad-CAM.

    Returns:
        PNG files' bytes and tables by name.

    Raises:
        UserError: If records or the image are not there, or the layer does not fit.
    """
    config = explainer.config
    bench, source = _bench_and_source(config, records, split)
    seen = insight.look(explainer.model, bench, source, images, show, label)
    pictures, tables = pictures_and_tables(seen, config, split)
    examples = _examples(seen, config)
    pairs = []

    for start in range(0, len(examples), batch_size):
        batch = examples[start : start + batch_size]
        found = explainer.explain([each["inputs"] for each in batch])
        pairs += [
            pair_of(each["source_id"].decode(), *what)
            for each, what in zip(batch, found, strict=True)
        ]

    heading = title(
        f"Where a label is found: Grad-CAM of layer {explainer.layer_name}",
        f"{config.model} on {config.dataset}, {split} split",
        config,
    )
    if pairs:
        pictures["contact_sheet.png"] = figures.to_png(contact_sheet(pairs, heading))

    if explainer.modality.has_receptive_fields:
        fields = {config.model: fields_of_run(explainer.model, bench, source, images)}
        of_fields, profiles = _receptive_fields(
            fields, [(_about(config, split), *notes(config))]
        )
        pictures, tables = pictures | of_fields, tables | profiles

    return pictures, tables


def compare_receptive_fields(
    runs: Sequence[str | Path], records: str | Path | None, split: str, images: int
) -> tuple[dict[str, bytes], dict[str, pd.DataFrame]]:
    """The receptive fields of several runs on mammograms: their pictures and the table.

    Raises:
        UserError: If something is not there.
    """
    fields, said = {}, []
    for run in runs:
        config = Config.load(run)
        bench, source = _bench_and_source(config, records, split)
        fields[_name(run, runs)] = fields_of_run(load_model(run), bench, source, images)
        said.append((_about(config, split), *notes(config)))
    return _receptive_fields(fields, said)


def _receptive_fields(fields, said):
    heading = _heading(
        "Effective receptive field of the middle of the last map", fields, said
    )
    pictures = {
        "receptive_field.png": figures.receptive_field_profiles(fields, heading),
        "receptive_field_maps.png": figures.receptive_field_maps(fields, heading),
    }

    if not any(len(of_run) > 1 for of_run in fields.values()):
        logger.info(
            "Left and right breasts stand together: records keep them apart if made with "
            "--keep-laterality"
        )

    pictures = {name: figures.to_png(figure) for name, figure in pictures.items()}
    return pictures, {"receptive_field.csv": profile_table(fields)}


def compare_encoders(
    runs: Sequence[str | Path], records: str | Path | None, split: str, images: int
) -> tuple[dict[str, bytes], dict[str, pd.DataFrame]]:
    """The similarity of encoders of several runs, each over its own records: the picture and the table.

    Raises:
        UserError: If one of them has no encoders, or something is not there.
    """
    similarities, said = {}, []
    for run in runs:
        config = Config.load(run)
        model = load_model(run)
        if not encoders_of(model):
            raise UserError(
                f"the network of {run}, {config.model}, has no encoders to compare"
            )
        bench, source = _bench_and_source(config, records, split)
        stored = insight.first_records(source, images)
        inputs = insight.prepared(stored, bench.preprocessor)
        name = _name(run, runs)
        similarities[name] = encoder_similarity(model, inputs)
        said.append((f"{_about(config, split)}, {len(stored)} images", *notes(config)))
        logger.info("%s: %d encoders", run, len(similarities[name]))

    heading = _heading("Encoders: likeness to the last one", similarities, said)
    figure = figures.encoder_similarity(similarities, heading)
    return {"similarity.png": figures.to_png(figure)}, {
        "similarity.csv": similarity_table(similarities)
    }


def _name(run, runs):
    """The run's name where no other has it, else its path."""
    return run.name if sum(other.name == run.name for other in runs) == 1 else str(run)


def _about(config, split):
    return f"{config.dataset}, {split} split"


def _heading(heading, names, said):
    """A title over what is said of all runs, then over what is said of each."""
    common = [note for note in said[0] if all(note in each for each in said)]
    own = [
        f"{name}: {'; '.join(rest)}"
        for name, each in zip(names, said, strict=True)
        if (rest := [note for note in each if note not in common])
    ]
    lines = [heading, "; ".join(common), *own]
    return "\n".join(wrapped(line, TITLE_LETTERS) for line in lines if line)


def _bench_and_source(config, records, split):
    bench = Workbench(
        dataclasses.replace(config, records=str(records or config.records))
    )
    return bench, bench.images(split)


def _examples(seen, config):
    """Records of the images of which the network is most sure, as the report chooses them."""
    ids = pd.DataFrame(seen.records, columns=list(ID_COLUMNS))
    for key in ID_COLUMNS:
        if key.endswith("_id"):
            ids[key] = ids[key].str.decode("utf-8")
    table = predictions_frame(ids, seen.labels, seen.probabilities, config.label_names)
    groups = task_of(config).choose_examples(table)
    by_id = {each["source_id"].decode(): each for each in seen.records}
    return [by_id[name] for names in groups.values() for name in names]
