"""Every program says to `--help` what it said when the house was frozen.

Written anew by `python tests/frozen/programs.py`. A change there is one that somebody who uses the programs
sees, so it goes into a commit of its own, with the reason. A program that only moved keeps its text: its
golden file is renamed with it.
"""

import pytest
from programs import golden_helps, help_of, programs


def test_the_programs_are_those_that_were_frozen():
    assert programs() == sorted(golden_helps())


@pytest.mark.parametrize("program", programs())
def test_help_is_as_it_was_frozen(program):
    assert help_of(program) == golden_helps().get(program)
