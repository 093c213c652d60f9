"""Prints what README and docs/ say of the papers, or writes it into them.

    python -m training.papers --readme
    python -m training.papers --tables
    python -m training.papers --write

Each part stands in a page between two comments, `<!-- NAME -->` and `<!-- /NAME -->`; `--write`
replaces what is between them. Papers, recipes and tables are the files in training/papers.
"""

import argparse
import sys
import textwrap
from collections.abc import Callable, Iterable
from pathlib import Path

from data_prep.datasets import is_phantom
from keras_medformers.support import command_line
from keras_medformers.support.errors import UserError
from keras_medformers.support.whole_files import write_text
from training.papers import PAPERS
from training.papers.paper import ModelGroup, Paper, PaperTable, value_of

ABSENT = "–"
COLUMNS = 100


def main(argv: list[str] | None = None) -> None:
    """The program behind the README's table and the pages on papers."""
    arguments = _parser().parse_args(argv)
    asked = [name for name in PARTS if getattr(arguments, name)]
    if arguments.write:
        write(Path())
    elif not asked:
        raise UserError("expected what to print, or --write; see --help")
    for name in asked:
        sys.stdout.write(PARTS[name]() + "\n")


def write(root: Path) -> None:
    """Brings README.md and docs/ up to date.

    Args:
        root: The repository's folder.

    Raises:
        UserError: If there is no README.md, or an end of a part is missing.
    """
    for page in pages(root):
        before = page.read_text(encoding="utf-8")
        after = up_to_date(before, page)
        if after != before:
            write_text(page, after)


def pages(root: Path) -> list[Path]:
    """README.md and the pages in docs/.

    Raises:
        UserError: If there is no README.md.
    """
    readme = root / "README.md"
    if not readme.is_file():
        raise UserError(
            f"there is no {readme}; start this in the folder of the repository"
        )
    return [readme, *sorted((root / "docs").glob("*.md"))]


def up_to_date(text: str, page: Path) -> str:
    """A page's text with its parts printed anew.

    Args:
        text: What the page says.
        page: Its name, for errors.

    Raises:
        UserError: If the end of a part is missing.
    """
    for name, printed in PARTS.items():
        start, end = f"<!-- {name} -->", f"<!-- /{name} -->"
        if start not in text:
            continue
        if end not in text.partition(start)[2]:
            raise UserError(f"{page} has {start} and no {end} after it")
        before, _, rest = text.partition(start)
        text = f"{before}{start}\n{printed()}\n{end}{rest.partition(end)[2]}"
    return text


# --- The parts ---


def models() -> str:
    """The README's table: a row per group of models."""
    heads = (
        "model",
        "paper",
        "parameters in millions, ours (the paper's)",
        "recipes",
        "equal to the original's code",
        "the paper's scores reproduced",
    )
    rows = [
        (
            _names(group),
            f"{group.paper or paper.citation}, {group.tables}",
            _parameters(group, paper),
            _recipes(group, paper),
            group.equal or ABSENT,
            group.reproduced,
        )
        for paper in PAPERS.values()
        for group in paper.models
    ]
    return _table(heads, rows)


def differences() -> str:
    """What is known to differ from each paper, and how its scores are defined."""
    parts = []
    for paper in PAPERS.values():
        parts += [f"## {paper.name}", _about(paper), _items(paper.differences)]
        definitions = dict.fromkeys(
            definition for table in paper.tables for definition in table.definitions
        )
        if definitions:
            parts += ["How the scores are defined:", _items(definitions)]
    return "\n\n".join(parts)


def recipes() -> str:
    """The recipes of each paper with the scores to expect, ours, and the commands."""
    parts = []
    for paper in PAPERS.values():
        parts += [f"## {paper.name}", _about(paper)]
        for name, recipe in paper.recipes.items():
            facts = [
                f"model `{recipe.values['model']}`, data set `{recipe.values['dataset']}`"
                + (f"; {recipe.hardware}" if recipe.hardware else ""),
                *(
                    f"{table}, {row}: {_scores(paper.table(table), row)}"
                    for table, rows in recipe.expected.items()
                    for row in rows
                ),
                *(f"ours, {score}: {value}" for score, value in recipe.ours.items()),
            ]
            parts += [f"### `{name}`", _wrapped(recipe.about), _items(facts)]
            if recipe.commands:
                parts.append("```bash\n" + "\n".join(recipe.commands) + "\n```")
    return "\n\n".join(part for part in parts if part)


def tables() -> str:
    """All tables of the papers as printed."""
    parts = []
    for paper in PAPERS.values():
        parts += [f"## {paper.name}", _about(paper)]
        for table in paper.tables:
            first = table.scored_on or "model"
            heads = (first, *(column.name for column in table.columns))
            rows = [
                (row.name, *(cell or ABSENT for cell in row.printed))
                for row in table.rows
            ]
            parts += [f"### {table.number}: {table.caption}", _table(heads, rows)]
            if table.notes:
                parts.append(_items(table.notes))
    return "\n\n".join(parts)


def demonstrations() -> str:
    """What the recipes on phantoms came to."""
    rows = [
        (f"`{name}`", score, value, recipe.hardware)
        for paper in PAPERS.values()
        for name, recipe in paper.recipes.items()
        if is_phantom(recipe.values["dataset"])
        for score, value in recipe.ours.items()
    ]
    return _table(("recipe", "score", "ours (95% interval)", "time"), rows)


PARTS: dict[str, Callable[[], str]] = {
    "models": models,
    "differences": differences,
    "recipes": recipes,
    "tables": tables,
    "demonstrations": demonstrations,
}
"""What is printed, by the name that stands in the comments around it."""


# --- Their pieces ---


def _names(group: ModelGroup) -> str:
    names = []
    for name in group.parameters:
        alias = group.aliases.get(name)
        names.append(f"`{alias}` = `{name}`" if alias else f"`{name}`")
    return ", ".join(names)


def _parameters(group: ModelGroup, paper: Paper) -> str:
    counts = []
    for model, ours in group.parameters.items():
        printed = (
            paper.table(group.printed_in).printed(model, _count_key(group, paper))
            if group.printed_in
            else None
        )
        counts.append(f"{ours} ({_in_millions(printed)})" if printed else ours)
    return ", ".join(counts) + ("" if group.printed_in else " (not printed)")


def _count_key(group: ModelGroup, paper: Paper) -> str:
    """Key of the column that has the counts."""
    keys = [column.key for column in paper.table(group.printed_in).columns]
    return next(key for key in keys if key.endswith("parameters"))


def _in_millions(printed: str) -> str:
    """`"34 M"` as "34", `"304326632"` as "304.3"."""
    if printed.endswith("M"):
        return printed[:-1].strip()
    return f"{value_of(printed) / 1e6:.1f}"


def _recipes(group: ModelGroup, paper: Paper) -> str:
    names = [
        f"`{name}`"
        for name, recipe in paper.recipes.items()
        if recipe.values["model"] in group.parameters
        and not is_phantom(recipe.values["dataset"])
    ]
    return ", ".join(names) or "models only"


def _scores(table: PaperTable, row: str) -> str:
    cells = zip(table.columns, table.row(row).printed, strict=True)
    return ", ".join(f"{column.name} {cell}" for column, cell in cells if cell)


def _about(paper: Paper) -> str:
    return _wrapped(f'{paper.authors}, "{paper.title}".')


def _items(lines: Iterable[str]) -> str:
    return "\n".join(_wrapped(line, "- ", "  ") for line in lines)


def _wrapped(text: str, first: str = "", others: str = "") -> str:
    return textwrap.fill(
        text,
        COLUMNS,
        initial_indent=first,
        subsequent_indent=others,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    heads = list(heads)
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training.papers",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--readme",
        action="store_true",
        dest="models",
        help="the README's table of models",
    )
    parser.add_argument(
        "--differences", action="store_true", help="known differences from the papers"
    )
    parser.add_argument(
        "--recipes",
        action="store_true",
        help="the recipes with the scores to expect and the commands",
    )
    parser.add_argument(
        "--tables", action="store_true", help="the papers' tables as printed, all rows"
    )
    parser.add_argument(
        "--demonstrations",
        action="store_true",
        help="what the recipes on phantoms came to",
    )
    parser.add_argument(
        "--write",
        action="store_true",
        help="write all of it into README.md and docs/ of the folder where this is started",
    )

    return parser


if __name__ == "__main__":
    raise SystemExit(command_line.run(main))
