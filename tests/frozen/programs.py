"""Every program's `--help`, as kept in golden files.

python tests/frozen/programs.py        writes the golden files anew
"""

import contextlib
import importlib
import io
import os
import pathlib
import sys
from unittest import mock

ROOT = pathlib.Path(__file__).parents[2]
GOLDEN_DIR = pathlib.Path(__file__).parent / "golden" / "help"
FOLDERS = ("data_prep", "keras_medformers", "training", "benchmarks")
GUARD = 'if __name__ == "__main__":'

MAIN = ".__main__"


def programs():
    """Names of all programs as `python -m` takes them: modules with a guard, packages with `__main__.py`."""
    found = []
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if path.name == "__main__.py" or GUARD in path.read_text(encoding="utf-8"):
                module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
                found.append(module.removesuffix(MAIN))
    return sorted(set(found))


def help_of(program):
    """What a program says to `--help`, 100 columns wide, on a machine of one core."""
    module = importlib.import_module(program)
    if hasattr(module, "__path__"):
        module = importlib.import_module(program + MAIN)
    said = io.StringIO()
    with (
        mock.patch.dict(os.environ, {"COLUMNS": "100", "NO_COLOR": "1"}),
        mock.patch.object(os, "sched_getaffinity", lambda _: {0}, create=True),
        mock.patch.object(os, "cpu_count", lambda: 1),
        mock.patch.object(sys, "argv", [program]),
        contextlib.redirect_stdout(said),
    ):
        try:
            module.main(["--help"])
        except SystemExit as ended:
            assert not ended.code, f"{program} --help ended with {ended.code}"
    return "".join(line.rstrip() + "\n" for line in said.getvalue().splitlines())


def golden_helps():
    """The kept texts by program."""
    return {
        path.stem: path.read_text(encoding="utf-8")
        for path in sorted(GOLDEN_DIR.glob("*.txt"))
    }


def main():
    """Writes the golden files anew, and removes those of programs that are gone."""
    GOLDEN_DIR.mkdir(parents=True, exist_ok=True)
    for path in GOLDEN_DIR.iterdir():
        path.unlink()
    for program in programs():
        (GOLDEN_DIR / f"{program}.txt").write_text(help_of(program), encoding="utf-8")


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
