"""Pictures and tables of what was seen inside a network."""

from collections.abc import Mapping, Sequence

import keras
import numpy as np
import pandas as pd

from keras_medformers.explain import map_redundancy
from keras_medformers.modalities import get_modality
from training import figures
from training.explain import insight
from training.explain.insight import OWN, PROJECTED, Insight
from training.figures.canvas import wrapped
from training.input.pipeline import Source
from training.runs.config import Config
from training.runs.summary import notes
from training.runs.workbench import Workbench

TITLE_LETTERS = 96
SHEETS = {OWN: "feature_maps_backbones.png", PROJECTED: "feature_maps_projections.png"}
ATTENTION_PALETTE = 256
ATTENTION_FILES = ("attention_first.png", "attention_last.png")


def pictures_and_tables(
    seen: Insight, config: Config, split: str, attention_dpi: int = 240
) -> tuple[dict[str, bytes], dict[str, pd.DataFrame]]:
    """Draws what was seen.

    Args:
        seen: An `Insight`.
        config: The run's `Config`.
        split: The split of the images.
        attention_dpi: Pixels per inch of the attention maps; at 240 each of 384 tokens has its own.

    Returns:
        PNG files' bytes by name, and tables by name; only those that the network has something for.
    """
    about = f"{config.model} on {config.dataset}, {split} split"
    all_images = f"{about}, {len(seen.records)} images"
    drawn, tables = {}, {}
    if seen.similarity is not None:
        drawn["similarity.png"] = figures.encoder_similarity(
            {config.model: seen.similarity},
            title("Encoders: likeness to the last one", all_images, config),
        )
        tables["similarity.csv"] = similarity_table({config.model: seen.similarity})

    for stage, maps in seen.maps.items():
        drawn[SHEETS[stage]] = figures.feature_map_sheet(
            get_modality(config.modality).to_picture(seen.image),
            {name: array[seen.shown] for name, array in maps.items()},
            title(f"Feature maps, {stage}", about, config),
            caption_of(seen, config),
        )

    redundancies = [
        figures.Redundancy(stage, list(maps), map_redundancy(maps))
        for stage, maps in seen.maps.items()
        if len(maps) > 1
    ]

    if redundancies:
        drawn["redundancy.png"] = figures.redundancy_matrices(
            redundancies,
            title("Mean absolute correlation between feature maps", all_images, config),
        )
        tables["redundancy.csv"] = redundancy_table(redundancies, seen)

    for name, which, maps in zip(
        ATTENTION_FILES, ("first", "last"), seen.attention, strict=False
    ):
        groups = _token_groups(seen, maps.shape[-1])
        heading = f"Attention of the {which} of {len(seen.similarity)} encoders"
        heading = title(heading, f"{about}, image {_id(seen)}", config)
        drawn[name] = figures.attention_heads(
            maps, heading, groups, "feature" if groups else "token"
        )

    if seen.looked:
        heading = title(
            "Where the class token looks",
            f"{about}, images of which it is most sure",
            config,
        )
        drawn["attention_slices.png"] = figures.slice_attention(
            [each.panels for each in seen.looked],
            [each.name for each in seen.looked],
            heading,
        )

    attention_style = {"dpi": attention_dpi, "palette": ATTENTION_PALETTE}
    pictures = {
        name: figures.to_png(
            figure, **(attention_style if name in ATTENTION_FILES else {})
        )
        for name, figure in drawn.items()
    }
    return pictures, tables


def report_pictures(
    model: keras.Model, bench: Workbench, source: Source, split: str
) -> dict[str, bytes]:
    """The pictures for a run's report.

    Args:
        model: The run's whole network.
        bench: The run's `Workbench`.
        source: `Source` of the split's images.
        split: Its name.

    Returns:
        PNG files' bytes by name; none for networks without encoders and backbones.
    """
    if not insight.has_inside(model):
        return {}
    return pictures_and_tables(
        insight.look(model, bench, source), bench.config, split, attention_dpi=120
    )[0]


def similarity_table(similarities: Mapping[str, Sequence[float]]) -> pd.DataFrame:
    """One row per model and encoder, from the input up (1 is the first)."""
    return pd.DataFrame(
        [
            {"model": name, "encoder": number, "cosine_similarity_to_last": value}
            for name, values in similarities.items()
            for number, value in enumerate(values, start=1)
        ]
    )


def redundancy_table(redundancies: Mapping, seen: Insight) -> pd.DataFrame:
    """One row per stage and pair of backbones."""
    positions = len(seen.records) * seen.positions
    return pd.DataFrame(
        [
            {
                "maps": each.maps,
                "backbone": each.backbones[row],
                "other_backbone": each.backbones[column],
                "mean_absolute_correlation": each.values[row, column],
                "positions": positions,
            }
            for each in redundancies
            for row, column in zip(*np.tril_indices(len(each.backbones)), strict=True)
        ]
    )


def title(heading: str, about: str, config: Config) -> str:
    """A picture's title: what it is, of what, and what a reader has to know about the run."""
    lines = (heading, about, "; ".join(notes(config)))
    return "\n".join(wrapped(line, TITLE_LETTERS) for line in lines if line)


def caption_of(seen: Insight, config: Config) -> str:
    """The shown image's name, labels, and how probable the network finds them."""
    labels, chances = seen.records[seen.shown]["labels"], seen.probabilities[seen.shown]
    said = [
        f"{name} {chance:.0%}"
        for place, (name, there, chance) in enumerate(
            zip(config.label_names, labels, chances, strict=True)
        )
        if there or place == seen.label
    ]
    absent = (
        "" if labels[seen.label] else f" ({config.label_names[seen.label]} is absent)"
    )
    return f"{_id(seen)}: probability of {', '.join(said)}{absent}"


def _id(seen):
    return seen.records[seen.shown]["source_id"].decode()


def _token_groups(seen, tokens):
    """Backbones by their number of tokens, where tokens are features; None where they are places."""
    maps = seen.maps.get(PROJECTED) or seen.maps.get(OWN) or {}
    sizes = {name: array.shape[-1] for name, array in maps.items()}
    places = (seen.positions, (seen.positions or 0) + 1)
    return sizes if sum(sizes.values()) == tokens and tokens not in places else None
