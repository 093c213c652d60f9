"""What the three programs that make phantom sets have in common."""

import dataclasses
import importlib
import re

import pytest

from data_prep.phantoms import program as phantom_program
from keras_medformers.support.errors import UserError

OWN_OPTIONS = {
    "head_ct": ("patients", "slices-per-series", "second-series", "image-size"),
    "mammography": (
        "patients", "image-height", "malignant", "benign", "finding-scale", "monochrome1",
    ),
    "skin": ("images", "least-share", "several-views"),
}  # fmt: skip
AFTER_SEED = {"head_ct": ("prevalence", "with-truth")}


@dataclasses.dataclass
class Settings:
    seed: int = 3


def _arguments(*given):
    parser = phantom_program.start_parser("data_prep.phantom_nothing", "Makes nothing.")
    phantom_program.add_seed(parser, Settings())
    phantom_program.add_run_options(parser)
    return parser.parse_args(["--output=somewhere", *given])


@pytest.mark.parametrize("name", OWN_OPTIONS)
def test_help_has_the_options_in_one_order(name, capsys):
    program = importlib.import_module(f"data_prep.phantom_{name}")
    with pytest.raises(SystemExit) as ended:
        program.main(["--help"])
    text = capsys.readouterr().out
    assert (
        ended.value.code == 0 and f"usage: python -m data_prep.phantom_{name} " in text
    )
    options = re.findall(r"^  --([a-z0-9-]+)", text, re.MULTILINE)
    own, after_seed = OWN_OPTIONS[name], AFTER_SEED.get(name, ())
    assert options == ["output", *own, "seed", *after_seed, "overwrite", "workers"]
    assert "An interrupted run goes on where it stopped" in " ".join(text.split())


def test_make_gets_what_the_arguments_say():
    make = lambda output, config, workers, overwrite: (
        output,
        config,
        workers,
        overwrite,
    )
    settings = Settings()
    arguments = _arguments()
    assert arguments.seed == 3
    assert phantom_program.make_set(make, settings, arguments) == (
        "somewhere",
        settings,
        None,
        False,
    )
    arguments = _arguments("--workers=2", "--overwrite")
    assert phantom_program.make_set(make, settings, arguments) == (
        "somewhere",
        settings,
        2,
        True,
    )


def test_workers_must_be_positive_before_anything_is_made():
    with pytest.raises(UserError, match="--workers must be at least 1. Received: 0"):
        phantom_program.make_set(pytest.fail, Settings(), _arguments("--workers=0"))
