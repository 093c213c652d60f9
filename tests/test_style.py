"""docs/style.md: what ruff cannot check of it."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("benchmarks", "data_prep", "keras_medformers", "training")
FILES = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for package in PACKAGES
    for path in sorted((ROOT / package).rglob("*.py"))
}
TREES = {name: ast.parse(text) for name, text in FILES.items()}

RAISES = re.compile(r"^( *)Raises:\n((?:\1 .*\n|\n)+)", re.MULTILINE)
MEANS_NOTHING_ALONE = re.compile(r"^(the like\b|likewise\b)|[,;] likewise\.?$", re.I)


def docstrings(tree):
    """Docstrings of a file with the lines where their owners begin."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            text = ast.get_docstring(node)
            if text:
                yield getattr(node, "lineno", 1), text


def entries(section):
    """First lines of a section's entries."""
    indent = len(section) - len(section.lstrip(" "))
    return re.findall(rf"^ {{{indent}}}(\S.*)$", section, re.MULTILINE)


def found(wrong):
    """Places where `wrong`, of a docstring, is true."""
    return [
        f"{name}:{line}"
        for name, tree in TREES.items()
        for line, text in docstrings(tree)
        if wrong(text)
    ]


def test_paths_come_by_name():
    assert [name for name, text in FILES.items() if "\nimport pathlib\n" in text] == []


def test_a_files_logger_is_called_logger():
    called = {
        (name, target)
        for name, text in FILES.items()
        for target in re.findall(r"^(\w+) = logging\.getLogger", text, re.MULTILINE)
    }
    assert called and {target for _, target in called} == {"logger"}


def test_docstrings_can_be_read_alone():
    assert found(lambda text: MEANS_NOTHING_ALONE.search(text.partition("\n")[0])) == []


def test_raises_says_if_what():
    def wrong(text):
        return any(
            not re.match(r"[\w.]+: (If|See|As) ", entry)
            for _, section in RAISES.findall(text + "\n")
            for entry in entries(section)
        )

    assert found(wrong) == []


def public_functions(tree):
    """Functions and methods that others call, but for what a class takes over from another."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            yield node
        elif isinstance(node, ast.ClassDef) and not node.bases:
            yield from (one for one in node.body if isinstance(one, ast.FunctionDef))


def test_public_functions_of_programs_say_their_types():
    bare = [
        f"{name}:{function.lineno} {function.name}"
        for name, tree in TREES.items()
        # A task's methods are told of once, in its base; what Keras calls has Keras' types.
        if name.startswith(("data_prep", "training")) and "training/tasks" not in name
        for function in public_functions(tree)
        if not function.name.startswith("_")
        and (
            function.returns is None
            or any(
                argument.annotation is None and argument.arg not in ("self", "cls")
                for argument in (*function.args.args, *function.args.kwonlyargs)
            )
        )
    ]
    assert bare == []


@pytest.mark.parametrize(
    ("docstring", "expected"),
    [
        ("The like.", True),
        ("Writes a table, likewise.", True),
        ("Writes a table as the other does.", False),
    ],
)
def test_what_means_nothing_alone(docstring, expected):
    assert bool(MEANS_NOTHING_ALONE.search(docstring)) == expected
