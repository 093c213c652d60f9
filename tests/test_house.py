"""The plan of the house: who may import whom, and what stands inside a function."""

import pathlib
import subprocess
import sys

import pytest
from import_graph import (
    PACKAGES,
    arrows_between_files,
    arrows_between_rooms,
    circles,
    floors,
    read_imports,
)

import keras_medformers

HOUSE = pathlib.Path(keras_medformers.__file__).parents[1]
IMPORTS = read_imports(HOUSE)
ARROWS = arrows_between_files(IMPORTS)

MAY_IMPORT = {
    "keras_medformers": {"keras_medformers"},
    "data_prep": {"keras_medformers", "data_prep"},
    "training": {"keras_medformers", "data_prep", "training"},
    "benchmarks": set(PACKAGES),
}
LIGHT = (
    "keras_medformers.support",
    "keras_medformers.modalities",
    "keras_medformers.tasks",
)
HEAVY = {"keras", "tensorflow", "keras_cv", "matplotlib", "sklearn", "torch", "jax"}
EXTRAS = {
    "dicomweb_client", "highdicom", "jax", "ml_dtypes", "requests", "retrying",
    "safetensors", "torch",
}  # fmt: skip
INSIDE = {
    # Gradients are the backend's, whichever it is.
    ("keras_medformers.explain.gradients", "tensorflow"),
    # Each needs extra packages of its own, and a client takes one of them.
    ("keras_medformers.serving.client.client", "keras_medformers.serving.client.rest_transport"),
    ("keras_medformers.serving.client.client", "keras_medformers.serving.client.grpc_transport"),
    # Only two augmentations need it, and it takes seconds.
    ("training.input.augmentation", "keras_cv"),
    # Processes that read images import the module, and start without it.
    ("data_prep.records.writer", "data_prep.records.examples"),
}  # fmt: skip
"""What may stand inside a function beside extra packages: (module, what it imports)."""


def package_of(module):
    return module.partition(".")[0]


def test_all_files_are_read():
    assert {package_of(module) for module in IMPORTS} == set(PACKAGES)
    assert "training.runs.session" in ARROWS["training.train"]  # as a name of a package
    assert "keras_medformers.support.errors" in ARROWS["training.train"]  # as a module


def test_no_file_imports_itself_by_way_of_others():
    assert circles(ARROWS) == []


@pytest.mark.parametrize("package", PACKAGES)
def test_arrows_between_packages_go_down(package):
    up = {
        (module, other)
        for module, others in ARROWS.items()
        for other in others
        if package_of(module) == package
        and package_of(other) not in MAY_IMPORT[package]
    }
    assert not up


def test_training_has_few_rooms_on_few_floors():
    rooms = arrows_between_rooms(ARROWS, "training")
    assert len(rooms) <= 20
    assert floors(rooms) <= 7


@pytest.mark.parametrize("floor", LIGHT)
def test_the_ground_floor_is_light(floor):
    modules = {m for m in IMPORTS if m == floor or m.startswith(f"{floor}.")}
    assert modules
    seen = set()
    while modules - seen:
        module = (modules - seen).pop()
        seen.add(module)
        modules |= ARROWS[module]
    assert not {
        (module, one.module)
        for module in seen
        for one in IMPORTS[module]
        if package_of(one.module) in HEAVY
    }


def test_reading_processes_start_without_keras_and_tensorflow():
    code = (
        "import sys, data_prep.tfrecords, keras_medformers.tasks, keras_medformers.modalities; "
        "sys.exit(' '.join({'tensorflow', 'keras'} & set(sys.modules)) or 0)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (0, "")


def test_layers_and_models_know_keras_alone():
    known = [
        (module, one.module)
        for module, found in IMPORTS.items()
        for one in found
        if module.startswith(("keras_medformers.layers", "keras_medformers.models"))
        and package_of(one.module) in HEAVY - {"keras"}
    ]
    assert not known


def test_what_is_imported_inside_a_function_has_its_reason():
    inside = {
        (module, one.module if package_of(one.module) in PACKAGES else package_of(one.module))
        for module, found in IMPORTS.items()
        if package_of(module) != "benchmarks"  # whose sides run in processes of their own
        for one in found
        if one.inside
    }  # fmt: skip
    assert {each for each in inside if each[1] not in EXTRAS} == INSIDE


@pytest.mark.parametrize(
    ("arrows", "expected"),
    [
        ({"a": {"b"}, "b": {"c"}, "c": set()}, ([], 3)),
        ({"a": {"b"}, "b": {"a", "c"}, "c": set()}, ([["a", "b"]], 2)),
        ({"a": set(), "b": {"a"}, "c": {"a"}}, ([], 2)),
    ],
)
def test_circles_and_floors(arrows, expected):
    assert (circles(arrows), floors(arrows)) == expected
