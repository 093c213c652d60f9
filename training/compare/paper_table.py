"""The form in which a paper's table is kept, so that scores of runs can be put beside it."""

import dataclasses
import decimal
from collections.abc import Callable, Mapping

UNITS = {"%": "1e-2", "M": "1e6", "G": "1e9"}


@dataclasses.dataclass(frozen=True)
class Column:
    """A column of scores.

    Attributes:
        key: Name in CSV files.
        name: Name in tables.
        path: Keys that lead to our value in `evaluation.json`; empty where we have none.
        form: Our value as text.
    """

    key: str
    name: str
    path: tuple[str, ...]
    form: Callable[[float], str]


@dataclasses.dataclass(frozen=True)
class PaperRow:
    """A row of a paper's table.

    Attributes:
        name: What the paper calls it.
        model: Our name of the model; None for one that we do not have.
        printed: Its scores as the paper prints them, one per column, such as `"93.00%"` or with an interval
            `"85.04% (83.74% to 86.36%)"`; `""` where it prints none.
        settings: Values of a run's `Config` that tell this row from others of the same model.
        other_sizes: Further models whose runs stand below this row, though the paper has not these.
    """

    name: str
    model: str | None
    printed: tuple[str, ...]
    settings: Mapping = dataclasses.field(default_factory=dict)
    other_sizes: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class PaperTable:
    """A published table.

    Attributes:
        paper: Short name of the paper.
        number: Such as "Table 3".
        caption: What the table is about.
        scored_on: What the paper's scores are of.
        datasets: Data sets whose runs belong beside it: the paper's own, then the phantoms made like it.
        columns: Its columns, without the rows' names.
        rows: Its rows, in its order.
        definitions: How its scores may differ from ours in meaning, a sentence each.
        notes: What else to know about this table.
    """

    paper: str
    number: str
    caption: str
    scored_on: str
    datasets: tuple[str, ...]
    columns: tuple[Column, ...]
    rows: tuple[PaperRow, ...]
    definitions: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def row_of(self, config) -> int | None:
        """Index of the row that a run belongs to, the last one of those that fit it best; None if none does.

        Args:
            config: The run's `Config`.
        """
        if config.dataset not in self.datasets:
            return None
        fitting = [
            (len(row.settings), index)
            for index, row in enumerate(self.rows)
            if config.model in (row.model, *row.other_sizes)
            and all(
                getattr(config, key) == value for key, value in row.settings.items()
            )
        ]
        return max(fitting)[1] if fitting else None


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
    """The interval that a paper prints: of `"85.04% (83.74% to 86.36%)"` 0.8374 and 0.8636; None without."""
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
