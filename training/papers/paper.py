"""The form in which a paper is kept: its recipes, its tables and what is known to differ.

Nothing here needs Keras or TensorFlow. A paper is one file in this folder that holds a
`PAPER`; `training.papers.lookup` finds it.
"""

import dataclasses
import decimal
from collections.abc import Callable, Mapping

UNITS = {"%": "1e-2", "M": "1e6", "G": "1e9"}


@dataclasses.dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        key: Name in CSV files.
        name: Name in tables.
        path: Keys that lead to our value in `evaluation.json`; empty where we have none.
        form: Our value as text.
    """

    key: str
    name: str
    path: tuple[str, ...] = ()
    form: Callable[[float], str] = str


@dataclasses.dataclass(frozen=True)
class PaperRow:
    """A row of a paper's table.

    Attributes:
        name: What the paper calls it.
        model: Our name of the model; None for one that we do not have.
        printed: Its values as the paper prints them, one per column, such as `"93.00%"` or with
            an interval `"85.04% (83.74% to 86.36%)"`; `""` where it prints none.
        settings: Values of a run's configuration that tell this row from others of the same
            model; `model_config.NAME` is a setting of the architecture.
        other_sizes: Further models whose runs stand below this row, though the paper has not
            these.
    """

    name: str
    model: str | None
    printed: tuple[str, ...]
    settings: Mapping = dataclasses.field(default_factory=dict)
    other_sizes: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class PaperTable:
    """A published table, whole: also the rows of models that we do not have.

    Attributes:
        number: Such as "Table 3".
        caption: What the table is about.
        columns: Its columns, without the rows' names.
        rows: Its rows, in its order.
        scored_on: What the paper's scores are of; "" for a table without scores.
        datasets: Data sets whose runs belong beside it: the paper's own, then the phantoms made
            like it; none where no run of ours can stand in it.
        definitions: How its scores may differ from ours in meaning, a sentence each.
        notes: What else to know about this table.
    """

    number: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[PaperRow, ...]
    scored_on: str = ""
    datasets: tuple[str, ...] = ()
    definitions: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def row(self, name: str) -> PaperRow:
        """The row of that name.

        Raises:
            KeyError: If there is none.
        """
        return {row.name: row for row in self.rows}[name]

    def printed(self, model: str, key: str) -> str | None:
        """What the table prints in the column `key` of our model's first row; None if nothing."""
        index = [column.key for column in self.columns].index(key)
        found = [row.printed[index] for row in self.rows if row.model == model]
        return (found[0] or None) if found else None


@dataclasses.dataclass(frozen=True)
class Recipe:
    """A published experiment, or a demonstration, as a configuration.

    Attributes:
        values: What it sets of a run's configuration.
        about: What it is, a sentence or two.
        expected: The scores to expect, as rows of the paper's tables: names of rows by the
            number of the table.
        ours: What we got, as text by the name of the score; empty where nobody has run it.
        hardware: What the paper, or the demonstration, ran on, and for how long.
        commands: How to run it.
    """

    values: Mapping
    about: str = ""
    expected: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    ours: Mapping[str, str] = dataclasses.field(default_factory=dict)
    hardware: str = ""
    commands: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class ModelGroup:
    """Models of a paper that stand in one row of the README's table.

    Attributes:
        parameters: Millions of parameters of ours, as text, by registered name.
        tables: What of the paper they are in, in words.
        printed_in: Number of the table that has the paper's counts, in its column `parameters`;
            "" for a paper that prints none.
        aliases: Other names by registered name.
        paper: Short citation where it is another than the recipes' paper.
        equal: How near our network is to the original's code.
        reproduced: Whether the paper's scores were had again.
    """

    parameters: Mapping[str, str]
    tables: str
    printed_in: str = ""
    aliases: Mapping[str, str] = dataclasses.field(default_factory=dict)
    paper: str = ""
    equal: str = ""
    reproduced: str = "no"


@dataclasses.dataclass(frozen=True)
class Paper:
    """A paper whose models and experiments are here.

    Attributes:
        name: Short name.
        title: Its title.
        authors: Its authors.
        citation: A short citation, for tables.
        models: Its models in groups, for the README's table.
        recipes: Its recipes by name.
        tables: Its tables, in its order.
        differences: What is known to differ from it, and what we read into it, a paragraph each.
    """

    name: str
    title: str
    authors: str
    citation: str
    models: tuple[ModelGroup, ...]
    recipes: Mapping[str, Recipe]
    tables: tuple[PaperTable, ...]
    differences: tuple[str, ...]

    def table(self, number: str) -> PaperTable:
        """The table of that number.

        Raises:
            KeyError: If there is none.
        """
        return {table.number: table for table in self.tables}[number]


def value_of(printed: str) -> float | None:
    """The number that a paper prints: `"93.00%"` is 0.93, `"34 M"` 34 million, `""` None."""
    printed = printed.partition(" (")[0]
    if not printed:
        return None
    number, unit = (
        (printed[:-1], UNITS[printed[-1]]) if printed[-1] in UNITS else (printed, "1")
    )
    return float(decimal.Decimal(number.strip()) * decimal.Decimal(unit))


def ends_of(printed: str) -> tuple[float, float] | None:
    """The interval that a paper prints, None without one.

    Of `"85.04% (83.74% to 86.36%)"` these are 0.8374 and 0.8636.
    """
    ends = printed.partition(" (")[2].removesuffix(")")
    if not ends:
        return None
    low, high = ends.split(" to ")
    return value_of(low), value_of(high)


def percent(share: float) -> str:
    """0.93 as "93.00%"."""
    return f"{share:.2%}"


def signed_percent(share: float) -> str:
    """0.031 as "+3.10%"."""
    return f"{share:+.2%}"


def four_decimals(value: float) -> str:
    """A loss as text."""
    return f"{value:.4f}"


def three_decimals(value: float) -> str:
    """A share as text, as DTViT's tables have it."""
    return f"{value:.3f}"


def millions(count: float) -> str:
    """34 million as "34.0 M"."""
    return f"{count / 1e6:.1f} M"


def in_percent(*numbers: str) -> tuple[str, ...]:
    """Cells of a table that prints percentages without the sign: `"82.99"` as `"82.99%"`."""
    return tuple(f"{number}%" for number in numbers)
