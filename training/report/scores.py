"""Scores as cards and as tables, whatever was learned."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import NamedTuple

from training.report.page import card, cell, interval_text, number, table


class Score(NamedTuple):
    """A score as it is shown.

    Attributes:
        key: Its key in `evaluation.json`; in tables of runs `a.b` stands for `b` under `a`.
        name: What it is called.
        form: Its format.
    """

    key: str
    name: str
    form: str


def score_card(scores: Mapping, score: Score) -> str:
    """A card of a score and its interval."""
    key, name, form = score
    interval = interval_text(scores.get(f"{key}_interval"), form)
    return card(name, number(scores.get(key), form), interval)


def score_cells(scores: Mapping, columns: Sequence[Score]) -> str:
    """A table's cells of scores, with their intervals, and reasons where there is none."""
    return "".join(
        cell(
            scores[key],
            form,
            scores["undefined"].get(key),
            scores.get(f"{key}_interval"),
        )
        for key, _, form in columns
    )


def score_table(
    title: str,
    what: str,
    columns: Sequence[Score],
    rows: Mapping[str, str],
    note: str,
    more_heads: Sequence[str] = (),
) -> str:
    """A section with a table of scores and what to know about it.

    Args:
        title: The section's title.
        what: What a row is of.
        columns: The scores.
        rows: Cells by what they are of, as HTML.
        note: What stands below, as HTML.
        more_heads: Names of columns behind those of the scores.

    Returns:
        HTML.
    """
    heads = [what, *(score.name for score in columns), *more_heads]
    lines = [f"<td>{escape(name)}</td>{cells}" for name, cells in rows.items()]
    return (
        f'<h2>{escape(title)}</h2>\n{table(heads, lines)}\n<p class="quiet">{note}</p>'
    )
