"""The frame of a report: what it is made from, what its task says, and what stands around that."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from training import figures
from training.report.page import (
    FOOTER,
    config_section,
    header,
    heading_of,
    page,
    picture_section,
)
from training.report.seen import SEEN


class Run(NamedTuple):
    """What a run folder has of an evaluated run.

    Attributes:
        evaluation: Content of `evaluation.json`.
        predictions: The table of `predictions.csv`.
        label_names: Its labels.
        epochs: Rows of `metrics.jsonl`.
        config: Content of `config.json`, or empty.
        images: Pictures that may be shown, by source id: uint8 of shape `(height, width, 3)`.
    """

    evaluation: Mapping
    predictions: pd.DataFrame
    label_names: Sequence[str]
    epochs: Sequence[Mapping]
    config: Mapping
    images: Mapping[str, np.ndarray]


class Pictures(NamedTuple):
    """A section of pictures: its title, and captions by file name. Those that are not there are left out."""

    title: str
    captions: Mapping[str, str]


class Contents(NamedTuple):
    """What the task of a run says.

    Attributes:
        amount: Of data, such as "200 images".
        drawn: Figures by file name.
        sections: From top to bottom, as HTML or of pictures.
    """

    amount: str
    drawn: Mapping[str, Figure]
    sections: Sequence[str | Pictures]


class Report(NamedTuple):
    """The page, and the PNG files of its pictures by name."""

    html: str
    pictures: dict[str, bytes]


def render(run: Run, contents: Contents, seen: Mapping[str, bytes]) -> Report:
    """Makes the pictures and puts the page together.

    Args:
        run: The run.
        contents: What its task says.
        seen: PNG files of what the network sees, named as in `SEEN`.

    Returns:
        The page and its pictures.
    """
    pictures = {
        name: figures.to_png(figure) for name, figure in contents.drawn.items()
    } | dict(seen)
    heading = heading_of(run.evaluation, run.config)
    sections = [
        header(heading, run.evaluation, contents.amount),
        *contents.sections,
        Pictures("What the network sees", SEEN),
        config_section(run.config),
        FOOTER,
    ]
    html = [
        picture_section(section.title, pictures, section.captions)
        if isinstance(section, Pictures)
        else section
        for section in sections
    ]

    return Report(page(heading, html), pictures)
