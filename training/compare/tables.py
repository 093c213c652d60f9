"""Puts runs beside the papers' tables, as Markdown and as rows of a CSV file."""

import dataclasses
from collections.abc import Callable, Sequence

import pandas as pd
from matplotlib.figure import Figure

from data_prep.datasets import is_phantom
from keras_medformers import registry
from training.compare.differences import (
    Pair,
    differences_by_size,
    gains_of_the_paper,
    has_sizes,
    names_of_subsets,
    pairs_on_the_same_images,
)
from training.compare.matching import row_of
from training.compare.runs import Run
from training.papers import PAPERS, RECIPES
from training.papers.paper import (
    Column,
    Paper,
    PaperRow,
    PaperTable,
    ends_of,
    four_decimals,
    percent,
    signed_percent,
    value_of,
)
from training.runs.config import Config
from training.runs.recipes import recipe
from training.runs.resolve import only_what_applies

ABSENT = "–"
AREA = Column("auc", "AUC", ("auc", "auc"), percent)
SETTINGS_WITHOUT_A_WORD = (
    "records",
    "seed",
    "deterministic",
    "shuffle_buffer",
    "label_names",
    "label_weights",
    "task",
    "modality",
    "treatment",
)
"""Fields of a run's `Config` in which it may differ from its recipe without being told of."""


@dataclasses.dataclass(frozen=True)
class Section:
    """A table with its title and what to know about it.

    Attributes:
        title: Its heading.
        heads: Names of the columns.
        rows: Cells as text.
        notes: Sentences below it.
        records: Its rows for the CSV file, name to value.
    """

    title: str
    heads: list[str]
    rows: list[list[str]]
    notes: list[str]
    records: list[dict]


@dataclasses.dataclass(frozen=True)
class Comparison:
    """What a comparison says.

    Attributes:
        sections: All runs in one table, then each paper's table to which one of them belongs, then
            differences of areas under the ROC curve where several runs scored the same images.
        definitions: How the papers' scores may differ from ours in meaning.
        failures: Why others are not among the runs, by the name of the model or run.
        pictures: Figures by file name.
    """

    sections: list[Section]
    definitions: list[str]
    failures: dict[str, str]
    pictures: dict[str, Figure] = dataclasses.field(default_factory=dict)

    def as_markdown(self) -> str:
        """The tables one below the other, then the definitions and the failures."""
        failures = [f"{name}: {reason}" for name, reason in self.failures.items()]
        parts = ["# The papers' tables beside our runs", "Not for clinical use."]
        for section in self.sections:
            parts += [
                f"## {section.title}",
                _table(section.heads, section.rows),
                *_items(section.notes),
            ]
        if self.definitions:
            parts += ["## How the scores are defined", *_items(self.definitions)]
        if failures:
            parts += ["## Not compared", *_items(failures)]
        return "\n\n".join(parts) + "\n"

    def as_frame(self) -> pd.DataFrame:
        """The rows of all tables, theirs and ours, with a column per score and per end of an interval."""
        rows = [record for section in self.sections for record in section.records]
        return pd.DataFrame(rows).convert_dtypes().dropna(axis=1, how="all")


def compare(runs: list[Run], failures: dict[str, str]) -> Comparison:
    """Puts the runs beside the tables of the papers.

    Args:
        runs: `Run`s, at least one.
        failures: Why others are not among them, by name.
    """
    pairs = pairs_on_the_same_images(runs)
    shown = [
        (paper, table)
        for paper in PAPERS.values()
        for table in paper.tables
        if any(row_of(table, run.config) is not None for run in runs)
    ]
    return Comparison(
        [
            _all_runs(runs),
            *(_beside_paper(*each, runs) for each in shown),
            *map(_difference_section, pairs),
        ],
        list(
            dict.fromkeys(
                definition for _, table in shown for definition in table.definitions
            )
        ),
        failures,
        {"auc_differences.png": differences_by_size(pairs)}
        if any(map(has_sizes, pairs))
        else {},
    )


def _beside_paper(paper: Paper, table: PaperTable, runs: list[Run]) -> Section:
    own = [run for run in runs if row_of(table, run.config) is not None]
    several_kinds = len({_kind(run) for run in own}) > 1
    name = f"{paper.name}, {table.number}"
    rows, records = [], []
    for index, row in enumerate(table.rows):
        rows.append([row.name, *(printed or ABSENT for printed in row.printed)])
        records.append(
            _record(name, row.name, "paper", row.model)
            | _printed_scores(row, table.columns)
        )
        for run in own:
            if row_of(table, run.config) == index:
                kind = f" ({_kind(run)})" if several_kinds else ""
                rows.append(
                    [f"→ ours: {run.folder}{kind}", *_cells(run, table.columns)]
                )
                records.append(
                    _record(name, row.name, "ours", row.model, run)
                    | _scores(run, table.columns)
                )

    return Section(
        f"{name}: {table.caption}. Ours: {_kinds(own)}",
        [f"paper: {table.scored_on}", *(column.name for column in table.columns)],
        rows,
        [*table.notes, *_uncounted(table, own)],
        records,
    )


def _difference_section(pair: Pair) -> Section:
    """A pair of runs on the same images: their areas, and how much larger the second's is."""
    title = f"Difference of the areas under the ROC curve: {pair.other.folder} less {pair.first.folder}"
    printed = gains_of_the_paper(pair)
    rows, records = [], []
    for key, name in names_of_subsets(pair.areas).items():
        areas = pair.areas[key]
        cells, scores = (
            [],
            {"first_run": str(pair.first.folder), "positives": areas["positives"]},
        )
        for score, called, form in _AREAS_OF_PAIR:
            interval = areas[f"{score}_interval"]
            value, low, high = areas[score], interval["low"], interval["high"]
            cells.append(_with_ends(value, low, high, form))
            scores |= {called: value, f"{called}_low": low, f"{called}_high": high}
        if printed:
            cells.append(signed_percent(printed[key]) if key in printed else ABSENT)
        rows.append([name, f"{areas['positives']:,}", *cells])
        records.append(
            _record(title, name, "ours", pair.other.config.model, pair.other) | scores
        )

    names = [
        f"{run.config.model} at {run.config.input_size} px"
        for run in (pair.first, pair.other)
    ]
    return Section(
        f"{title}. Ours: {_kinds([pair.first, pair.other])}",
        [
            "positive images",
            "number",
            *names,
            "difference",
            *(["the paper's"] if printed else []),
        ],
        rows,
        [
            f"On the {pair.images:,} images that both have scored; draws are of patients, the same for both.",
            *pair.notes,
        ],
        records,
    )


_AREAS_OF_PAIR = (
    ("other_auc", "first_auc", percent),
    ("auc", "auc", percent),
    ("difference", "difference", signed_percent),
)
"""Of what `auc_differences` gives: its key, the name in CSV files and the format."""


def _uncounted(table: PaperTable, runs: list[Run]) -> list[str]:
    """What to do about runs that were evaluated before their parameters were counted."""
    counts = {column.path[0] for column in table.columns if len(column.path) == 1}
    folders = [str(run.folder) for run in runs if not counts <= run.evaluation.keys()]
    if not folders:
        return []
    return [
        f"Not counted in {', '.join(folders)}: make evaluate RUN={folders[0]} counts parameters."
    ]


def _all_runs(runs: list[Run]) -> Section:
    heads = ["run", "model", "backbones", "epochs", "data set", "split", "images"]
    rows, records, notes = [], [], {}
    with_areas = [AREA] if any("auc" in run.evaluation for run in runs) else []
    for run in runs:
        columns = [
            Column("accuracy", "accuracy", (run.level, "accuracy"), percent),
            Column(
                "weighted_accuracy",
                "weighted",
                (run.level, "weighted_accuracy"),
                percent,
            ),
            Column("log_loss", "log loss", (run.level, "log_loss"), four_decimals),
            Column(
                "constant_prevalence",
                "constant",
                ("constant_prevalence_score",),
                four_decimals,
            ),
            *with_areas,
        ]
        facts = [
            run.config.model,
            _backbones(run.config),
            run.config.epochs,
            run.config.dataset,
            run.evaluation["split"],
            run.evaluation[run.level]["count"],
        ]
        rows.append([str(run.folder), *map(str, facts), *_cells(run, columns)])
        records.append(
            _record("runs", "", "ours", run.config.model, run) | _scores(run, columns)
        )
        for note in [*run.evaluation["notes"], *_other_settings(run.config)]:
            notes.setdefault(note, []).append(str(run.folder))

    return Section(
        f"Our runs: {_kinds(runs)}",
        [*heads, *(column.name for column in columns)],
        rows,
        [
            "Constant: the log loss of always predicting the training split's prevalences. In brackets: 95% "
            "bootstrap intervals.",
            *(
                f"{note[:1].upper()}{note[1:]}{_whose(folders, runs)}."
                for note, folders in notes.items()
            ),
        ],
        records,
    )


def _whose(folders: list[str], runs: list[Run]) -> str:
    return "" if len(folders) == len(runs) else f" ({', '.join(folders)})"


def _kinds(runs: list[Run]) -> str:
    return f"trained on {'; on '.join(dict.fromkeys(map(_kind, runs)))}"


def _kind(run: Run) -> str:
    """What a run was trained on and scored on: what its scores are worth."""
    trained_on = "phantoms" if is_phantom(run.config.dataset) else run.config.dataset
    untrained = [
        note for note in run.evaluation["notes"] if note.startswith("untrained")
    ]
    return ", ".join([trained_on, *untrained, f"{run.evaluation['split']} split"])


def _backbones(config: Config) -> str:
    """The backbones' weights and how much of them is frozen; a dash for a model without any."""
    config = only_what_applies(config)
    if config.frozen_fraction is None:
        return ABSENT
    weights = config.backbone_weights or "in the weights of the whole model"
    names = (
        [weights]
        if isinstance(weights, str)
        else [str(name).rpartition("/")[2] for name in weights]
    )
    known = ", ".join("untrained" if name == "none" else name for name in names)
    return f"{known}; {config.frozen_fraction:.0%} frozen"


def _other_settings(config: Config) -> list[str]:
    """In what a run differs from the recipe for its model and data set that it is closest to."""
    relatives = registry.list_relatives(config.model)
    found = _flat(config)
    differences = {}
    for name, values in RECIPES.items():
        if values["dataset"] == config.dataset and values["model"] in relatives:
            expected = _flat(recipe(name, model=config.model, records=config.records))
            differences[name] = [
                f"{key}={value}"
                for key, value in found.items()
                if value != expected.get(key)
            ]

    if not differences:
        return []

    name = min(differences, key=lambda name: len(differences[name]))
    return (
        [f"recipe {name} with {' '.join(differences[name])}"]
        if differences[name]
        else []
    )


def _flat(config: Config) -> dict:
    """A `Config` as the keys and values that `--set` takes."""
    values = only_what_applies(config).values()
    settings = {
        f"model_config.{key}": value
        for key, value in values.pop("model_config").items()
    }
    return {
        key: value
        for key, value in values.items()
        if key not in SETTINGS_WITHOUT_A_WORD
    } | settings


def _record(
    table: str, row: str, source: str, model: str | None, run: Run | None = None
) -> dict:
    """What a row of the CSV file says besides scores."""
    about = {"table": table, "row": row, "source": source, "model": model}
    if run is None:
        return about
    return about | {
        "run": str(run.folder),
        "dataset": run.config.dataset,
        "split": run.evaluation["split"],
        "images": run.evaluation[run.level]["count"],
        "notes": "; ".join(run.evaluation["notes"]),
    }


def _printed_scores(row: PaperRow, columns: Sequence[Column]) -> dict:
    """A paper's values by the columns' keys, with the ends of the intervals that it prints."""
    scores = {}
    for column, printed in zip(columns, row.printed, strict=True):
        scores[column.key] = value_of(printed)
        if ends := ends_of(printed):
            scores |= dict(
                zip((f"{column.key}_low", f"{column.key}_high"), ends, strict=True)
            )
    return scores


def _scores(run: Run, columns: Sequence[Column]) -> dict:
    """Our values by the columns' keys, each with the ends of its interval."""
    scores = {}
    for column in columns:
        value, low, high = _score(run.evaluation, column.path)
        scores |= {
            column.key: value,
            f"{column.key}_low": low,
            f"{column.key}_high": high,
        }
    return scores


def _cells(run: Run, columns: Sequence[Column]) -> list[str]:
    """Our values as text."""
    cells = []
    for column in columns:
        value, low, high = _score(run.evaluation, column.path)
        cells.append(_with_ends(value, low, high, column.form))
    return cells


def _with_ends(
    value: float | None,
    low: float | None,
    high: float | None,
    form: Callable[[float], str],
) -> str:
    """A value as text with the ends of its interval, as far as they are there."""
    if value is None:
        return ABSENT
    return form(value) + ("" if low is None else f" ({form(low)} to {form(high)})")


def _score(
    evaluation: dict, path: Sequence[str]
) -> tuple[float | None, float | None, float | None]:
    """The value at `path` of an evaluation and the ends of its interval, each None where there is none."""
    if not path:
        return None, None, None
    *way, key = path
    for step in way:
        evaluation = evaluation.get(step, {})
    interval = evaluation.get(f"{key}_interval") or {}
    return evaluation.get(key), interval.get("low"), interval.get("high")


def _items(notes: Sequence[str]) -> list[str]:
    return ["\n".join(f"- {note}" for note in notes)] if notes else []


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table whose columns also stand in line as plain text."""
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        first, *others = (
            cell.ljust(width) for cell, width in zip(cells, widths, strict=True)
        )
        return f"| {' | '.join([first, *(cell.strip().rjust(len(cell)) for cell in others)])} |"

    ruler = [
        ":".ljust(widths[0], "-"),
        *(":".rjust(width, "-") for width in widths[1:]),
    ]
    return "\n".join([line(heads), f"| {' | '.join(ruler)} |", *map(line, rows)])
