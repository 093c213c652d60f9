"""Puts runs beside the papers' tables, as Markdown and as rows of a CSV file."""

import dataclasses

import pandas as pd

from training.compare.paper_table import Column, four_decimals, percent, value_of
from training.compare.papers import TABLES
from training.recipes import RECIPES, recipe

ABSENT = "–"
SETTINGS_WITHOUT_A_WORD = (
    "records", "seed", "deterministic", "shuffle_buffer", "label_names", "label_weights", "task", "modality",
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
        sections: All runs in one table, then each paper's table to which one of them belongs.
        definitions: How the papers' scores may differ from ours in meaning.
        failures: Why others are not among the runs, by the name of the model or run.
    """

    sections: list[Section]
    definitions: list[str]
    failures: dict[str, str]

    def as_markdown(self) -> str:
        """The tables one below the other, then the definitions and the failures."""
        failures = [f"{name}: {reason}" for name, reason in self.failures.items()]
        parts = ["# The papers' tables beside our runs", "Not for clinical use."]
        for section in self.sections:
            parts += [f"## {section.title}", _table(section.heads, section.rows), *_items(section.notes)]
        if self.definitions:
            parts += ["## How the scores are defined", *_items(self.definitions)]
        if failures:
            parts += ["## Not compared", *_items(failures)]
        return "\n\n".join(parts) + "\n"

    def as_frame(self) -> pd.DataFrame:
        """The rows of all tables, theirs and ours, with a column per score and per end of an interval."""
        rows = [record for section in self.sections for record in section.records]
        return pd.DataFrame(rows).convert_dtypes().dropna(axis=1, how="all")


def compare(runs, failures) -> Comparison:
    """Puts the runs beside the tables of the papers.

    Args:
        runs: `Run`s, at least one.
        failures: Why others are not among them, by name.
    """
    shown = [table for table in TABLES if any(table.row_of(run.config) is not None for run in runs)]
    return Comparison(
        [_all_runs(runs), *(_beside_paper(table, runs) for table in shown)],
        list(dict.fromkeys(definition for table in shown for definition in table.definitions)),
        failures,
    )


def _beside_paper(table, runs):
    own = [run for run in runs if table.row_of(run.config) is not None]
    several_kinds = len({_kind(run) for run in own}) > 1
    name = f"{table.paper}, {table.number}"
    rows, records = [], []
    for index, row in enumerate(table.rows):
        rows.append([row.name, *(printed or ABSENT for printed in row.printed)])
        keys = [column.key for column in table.columns]
        printed = dict(zip(keys, map(value_of, row.printed), strict=True))
        records.append(_record(name, row.name, "paper", row.model) | printed)
        for run in own:
            if table.row_of(run.config) == index:
                kind = f" ({_kind(run)})" if several_kinds else ""
                rows.append([f"→ ours: {run.folder}{kind}", *_cells(run, table.columns)])
                records.append(_record(name, row.name, "ours", row.model, run) | _scores(run, table.columns))
    return Section(
        f"{name}: {table.caption}. Ours: {_kinds(own)}",
        [f"paper: {table.scored_on}", *(column.name for column in table.columns)],
        rows,
        [*table.notes, *_uncounted(table, own)],
        records,
    )


def _uncounted(table, runs):
    """What to do about runs that were evaluated before their parameters were counted."""
    counts = {column.path[0] for column in table.columns if len(column.path) == 1}
    folders = [str(run.folder) for run in runs if not counts <= run.evaluation.keys()]
    if not folders:
        return []
    return [f"Not counted in {', '.join(folders)}: make evaluate RUN={folders[0]} counts parameters."]


def _all_runs(runs):
    heads = ["run", "model", "backbones", "epochs", "data set", "split", "images"]
    rows, records, notes = [], [], {}
    for run in runs:
        columns = [
            Column("accuracy", "accuracy", (run.level, "accuracy"), percent),
            Column("weighted_accuracy", "weighted", (run.level, "weighted_accuracy"), percent),
            Column("log_loss", "log loss", (run.level, "log_loss"), four_decimals),
            Column("constant_prevalence", "constant", ("constant_prevalence_score",), four_decimals),
        ]
        facts = [run.config.model, _backbones(run.config), run.config.epochs, run.config.dataset,
                 run.evaluation["split"], run.evaluation[run.level]["count"]]
        rows.append([str(run.folder), *map(str, facts), *_cells(run, columns)])
        records.append(_record("runs", "", "ours", run.config.model, run) | _scores(run, columns))
        for note in [*run.evaluation["notes"], *_other_settings(run.config)]:
            notes.setdefault(note, []).append(str(run.folder))
    return Section(
        f"Our runs: {_kinds(runs)}",
        [*heads, *(column.name for column in columns)],
        rows,
        [
            "Constant: the log loss of always predicting the training split's prevalences. In brackets: 95% "
            "bootstrap intervals.",
            *(f"{note[:1].upper()}{note[1:]}{_whose(folders, runs)}." for note, folders in notes.items()),
        ],
        records,
    )


def _whose(folders, runs):
    return "" if len(folders) == len(runs) else f" ({', '.join(folders)})"


def _kinds(runs):
    return f"trained on {'; on '.join(dict.fromkeys(map(_kind, runs)))}"


def _kind(run):
    """What a run was trained on and scored on: what its scores are worth."""
    trained_on = "phantoms" if run.config.dataset.startswith("phantom") else run.config.dataset
    untrained = [note for note in run.evaluation["notes"] if note.startswith("untrained")]
    return ", ".join([trained_on, *untrained, f"{run.evaluation['split']} split"])


def _backbones(config):
    """The backbones' weights and how much of them is frozen; a dash for a model without any."""
    import keras_medformers

    if "backbone_weights" not in keras_medformers.registry.list_settings(config.model):
        return ABSENT
    weights = config.backbone_weights
    names = [weights] if isinstance(weights, str) else [str(name).rpartition("/")[2] for name in weights]
    known = ", ".join("untrained" if name == "none" else name for name in names)
    return f"{known}; {config.frozen_fraction:.0%} frozen"


def _other_settings(config):
    """In what a run differs from the recipe for its model and data set that it is closest to."""
    import keras_medformers

    relatives = keras_medformers.registry.list_relatives(config.model)
    found = _flat(config)
    differences = {}
    for name, values in RECIPES.items():
        if values["dataset"] == config.dataset and values["model"] in relatives:
            expected = _flat(recipe(name, model=config.model, records=config.records))
            differences[name] = [
                f"{key}={value}" for key, value in found.items() if value != expected.get(key)
            ]
    if not differences:
        return []
    name = min(differences, key=lambda name: len(differences[name]))
    return [f"recipe {name} with {' '.join(differences[name])}"] if differences[name] else []


def _flat(config):
    """A `Config` as the keys and values that `--set` takes."""
    values = config.to_json()
    settings = {f"model_config.{key}": value for key, value in values.pop("model_config").items()}
    return {key: value for key, value in values.items() if key not in SETTINGS_WITHOUT_A_WORD} | settings


def _record(table, row, source, model, run=None):
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


def _scores(run, columns):
    """Our values by the columns' keys, each with the ends of its interval."""
    scores = {}
    for column in columns:
        value, low, high = _score(run.evaluation, column.path)
        scores |= {column.key: value, f"{column.key}_low": low, f"{column.key}_high": high}
    return scores


def _cells(run, columns):
    """Our values as text."""
    cells = []
    for column in columns:
        value, low, high = _score(run.evaluation, column.path)
        ends = "" if low is None else f" ({column.form(low)} to {column.form(high)})"
        cells.append(ABSENT if value is None else column.form(value) + ends)
    return cells


def _score(evaluation, path):
    """The value at `path` of an evaluation and the ends of its interval, each None where there is none."""
    if not path:
        return None, None, None
    *way, key = path
    for step in way:
        evaluation = evaluation.get(step, {})
    interval = evaluation.get(f"{key}_interval") or {}
    return evaluation.get(key), interval.get("low"), interval.get("high")


def _items(notes):
    return ["\n".join(f"- {note}" for note in notes)] if notes else []


def _table(heads, rows):
    """A Markdown table whose columns also stand in line as plain text."""
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]

    def line(cells):
        first, *others = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        return f"| {' | '.join([first, *(cell.strip().rjust(len(cell)) for cell in others)])} |"

    ruler = [":".ljust(widths[0], "-"), *(":".rjust(width, "-") for width in widths[1:])]
    return "\n".join([line(heads), f"| {' | '.join(ruler)} |", *map(line, rows)])
