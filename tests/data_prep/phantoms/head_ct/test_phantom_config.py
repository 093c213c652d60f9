"""Settings of a phantom set, and the program's answers to wrong ones."""

import subprocess
import sys

import pytest

from data_prep.phantoms.head_ct.__main__ import main
from data_prep.phantoms.head_ct.config import (
    DEFAULT_PREVALENCE,
    KINDS,
    PhantomConfig,
    plan_patients,
)
from data_prep.phantoms.head_ct.patient import identifier
from keras_medformers.support.command_line import run
from keras_medformers.support.errors import UserError


def test_prevalence_is_met():
    prevalence = dict(DEFAULT_PREVALENCE, any=0.6, epidural=0.05, subdural=0.4)
    plans = plan_patients(
        PhantomConfig(patients=100, second_series=0.25, prevalence=prevalence)
    )
    for kind in KINDS:
        assert sum(kind in plan.kinds for plan in plans) == round(
            100 * prevalence[kind]
        )
    assert sum(bool(plan.kinds) for plan in plans) == 60
    assert sum(plan.series == 2 for plan in plans) == 25


def test_prevalence_of_none_makes_only_healthy_heads():
    plans = plan_patients(
        PhantomConfig(patients=10, prevalence=dict.fromkeys(DEFAULT_PREVALENCE, 0.0))
    )
    assert all(plan.kinds == () for plan in plans)


def test_another_seed_deals_other_patients():
    assert plan_patients(PhantomConfig(seed=1)) != plan_patients(PhantomConfig(seed=2))
    assert plan_patients(PhantomConfig(seed=1)) == plan_patients(PhantomConfig(seed=1))


def test_identifiers_do_not_repeat():
    names = {identifier(number, 3, 9) for number in range(100_000)}
    assert len(names) == 100_000
    assert all(len(name) == 12 for name in names)


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"patients": 0}, "patients must be at least 1. Received: 0"),
        ({"slices_per_series": 1}, "slices_per_series must be at least 2"),
        ({"second_series": 1.5}, "second_series must be from 0 to 1"),
        ({"image_size_px": 63}, "image_size_px must be an even number"),
        ({"seed": -1}, "seed must be 0 or more"),
        ({"least_clot_mm": 0.5}, "least_clot_mm must be from 1 to 40"),
        ({"median_clot_mm": 50.0}, "median_clot_mm must be from 1 to 40"),
        ({"prevalence": {"any": 0.5}}, "prevalence needs a share for each"),
        (
            {"prevalence": dict(DEFAULT_PREVALENCE, any=0.1)},
            "prevalence of any must lie between",
        ),
        (
            {"prevalence": dict(DEFAULT_PREVALENCE, epidural=-1.0)},
            "prevalence of epidural must be from 0 to 1",
        ),
    ],
)
def test_wrong_settings_are_refused(wrong, message):
    with pytest.raises(UserError, match=message):
        PhantomConfig(**wrong)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--patients", "0"], "patients must be at least 1"),
        (["--workers", "0"], "--workers must be at least 1"),
        (["--prevalence", "subdurall=0.5"], "Received: 'subdurall=0.5'"),
        (["--prevalence", "subdural=lots"], "Received: 'lots'"),
    ],
)
def test_program_answers_mistakes_with_one_line_and_code_2(
    tmp_path, capsys, arguments, message
):
    assert run(main, ["--output", str(tmp_path / "set"), *arguments]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert lines[-1].startswith("error: ") and message in lines[-1]
    assert not (tmp_path / "set").exists()


def test_program_refuses_a_file_as_output(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert run(main, ["--output", str(tmp_path / "file")]) == 2
    assert "must be a folder" in capsys.readouterr().err


def test_package_does_not_import_tensorflow():
    code = (
        "import sys, data_prep.phantoms.head_ct; "
        "sys.exit(bool({'tensorflow', 'keras'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
