"""README and docs/ say of the papers what their files say."""

from pathlib import Path

import pytest

from keras_medformers.support import command_line
from keras_medformers.support.errors import UserError
from training.papers import PAPERS
from training.papers.__main__ import PARTS, main, pages, up_to_date, write

ROOT = Path(__file__).parents[3]
PLACES = {
    "models": "README.md",
    "differences": "docs/differences.md",
    "recipes": "docs/recipes.md",
    "tables": "docs/tables.md",
    "demonstrations": "docs/demonstrations.md",
}


@pytest.mark.parametrize("page", pages(ROOT), ids=lambda page: page.name)
def test_pages_are_as_printed(page):
    """Out of date? `python -m training.papers --write`."""
    text = page.read_text(encoding="utf-8")

    assert up_to_date(text, page) == text


def test_every_part_has_its_place():
    assert set(PLACES) == set(PARTS)
    for name, page in PLACES.items():
        assert f"<!-- {name} -->" in (ROOT / page).read_text(encoding="utf-8")


def test_lines_of_prose_are_short_and_tables_whole():
    for printed in (part() for part in PARTS.values()):
        block = False
        for line in printed.splitlines():
            block ^= line.startswith("```")
            if not block and not line.startswith("|"):
                assert len(line) <= 100, line

        for lines in printed.split("\n\n"):
            if lines.startswith("|"):
                assert len({line.count("|") for line in lines.splitlines()}) == 1


def test_what_is_out_of_date_is_written_anew(tmp_path):
    (tmp_path / "docs").mkdir()
    readme, page = tmp_path / "README.md", tmp_path / "docs" / "tables.md"
    readme.write_text("before\n<!-- models -->\nold\n<!-- /models -->\nafter\n")
    page.write_text("nothing to print\n")
    write(tmp_path)

    assert readme.read_text() == (
        f"before\n<!-- models -->\n{PARTS['models']()}\n<!-- /models -->\nafter\n"
    )
    assert page.read_text() == "nothing to print\n"


def test_mistakes_are_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    assert command_line.run(main, []) == 2
    assert "expected what to print, or --write" in capsys.readouterr().err
    assert command_line.run(main, ["--write"]) == 2
    assert "there is no README.md" in capsys.readouterr().err
    with pytest.raises(UserError, match="page has <!-- tables --> and no"):
        up_to_date("<!-- tables -->\n", Path("page"))


def test_the_program_prints_what_is_asked_for(capsys):
    assert command_line.run(main, ["--readme", "--tables"]) == 0
    printed = capsys.readouterr().out

    assert printed == f"{PARTS['models']()}\n{PARTS['tables']()}\n"
    for paper in PAPERS.values():
        assert all(row.name in printed for table in paper.tables for row in table.rows)
