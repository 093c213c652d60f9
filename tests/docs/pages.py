"""The pages that people read, their code blocks and the commands in them."""

import re
import shlex
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
DOCS = sorted((ROOT / "docs").glob("*.md"))
PAGES = [README, *sorted(ROOT.glob("C*.md")), *DOCS]


def blocks(page, language):
    """Contents of the page's code blocks in a language, those inside lists included."""
    found = re.findall(
        rf"^( *)```{language}\n(.*?)^ *```", page.read_text(), re.DOTALL | re.MULTILINE
    )
    return [
        re.sub(rf"^{indent}", "", text, flags=re.MULTILINE) for indent, text in found
    ]


def commands(page):
    """The page's `make` and `python -m` commands as lists of words, in blocks and in running text."""
    lines = "".join(blocks(page, "bash")).replace("\\\n", " ").splitlines()
    prose = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    lines += [
        re.sub(r"\s+", " ", span)
        for span in re.findall(r"`((?:make|python -m) [^`]+)`", prose)
    ]
    words = [shlex.split(line, comments=True) for line in lines]
    return [
        line
        for line in words
        if line[:2] == ["python", "-m"] and line[2] != "..." or line[:1] == ["make"]
    ]
