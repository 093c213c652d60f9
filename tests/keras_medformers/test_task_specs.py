"""What a network tells: columns, answers that depend on others, and how it is found again."""

import numpy as np
import pytest

from data_prep.labels import HEMORRHAGE_AND_LOCATION
from keras_medformers import tasks
from keras_medformers.tasks import TaskSpec, spec_of_model, task_name

CHAIN = TaskSpec(
    {"lesion": ("no", "yes"), "kind": ("a", "b"), "grade": ("low", "high")},
    depends_on={"kind": ("lesion", "yes"), "grade": ("kind", "b")},
)


def test_names():
    assert task_name("dual_task") == "multi_task"
    assert [task_name(name) for name in tasks.TASK_NAMES] == list(tasks.TASK_NAMES)
    with pytest.raises(ValueError, match="unknown task 'regression'; expected one of"):
        task_name("regression")
    assert CHAIN.name == tasks.MULTI_TASK
    assert TaskSpec({"probabilities": ("a", "b")}).name == tasks.SINGLE_LABEL
    several = TaskSpec({"probabilities": ("a", "b")}, exclusive=False)
    assert several.name == tasks.MULTILABEL


def test_columns_stand_side_by_side():
    assert CHAIN.label_names == ("no", "yes", "a", "b", "low", "high")
    assert CHAIN.columns("kind") == slice(2, 4)
    assert CHAIN.column_of("grade", "high") == 5
    with pytest.raises(KeyError):
        CHAIN.columns("side")


def test_an_answer_that_depends_on_another_is_silent_where_that_is_different():
    probabilities = np.array(
        [
            [0.9, 0.1, 0.1, 0.9, 0.1, 0.9],
            [0.1, 0.9, 0.9, 0.1, 0.1, 0.9],
            [0.1, 0.9, 0.1, 0.9, 0.1, 0.9],
        ]
    )
    found = CHAIN.answers(probabilities)
    assert {output: answer.tolist() for output, answer in found.items()} == {
        "lesion": [0, 1, 1],
        "kind": [-1, 0, 1],
        "grade": [-1, -1, 1],
    }


def test_what_is_not_known_is_no_truth():
    found = CHAIN.truth([[0, 1, 0, 0, 0, 0], [0, 0, 1, 0, 0, 0]])
    assert found["lesion"].tolist() == [1, -1]
    assert found["kind"].tolist() == [-1, -1]


@pytest.mark.parametrize(
    "on", [("side", "left"), ("kind", "maybe"), ("lesion", "yes"), ("grade", "low")]
)
def test_only_an_output_before_can_be_depended_on(on):
    with pytest.raises(ValueError, match="`depends_on` must name an output that comes"):
        TaskSpec(
            {"kind": ("a", "b"), "grade": ("low", "high"), "lesion": ("no", "yes")},
            depends_on={"grade": on},
        )


def test_a_registered_task_is_found_by_outputs_labels_and_exports():
    pair = HEMORRHAGE_AND_LOCATION
    assert tasks.spec_of_outputs(["location", "hemorrhage"]) is pair
    assert tasks.spec_of_labels(list(pair.label_names)) is pair
    by_output = {"location": pair.outputs["location"], "hemorrhage": ("normal", "ich")}
    assert spec_of_model("dual_task", by_output) is pair
    for look, names in (
        (tasks.spec_of_outputs, ["side"]),
        (tasks.spec_of_labels, ["left", "right"]),
    ):
        with pytest.raises(ValueError, match="keras_medformers.tasks.register_task"):
            look(names)


def test_an_export_of_an_unregistered_task_has_outputs_that_stand_alone():
    by_output = {"side": ("left", "right"), "view": ("cc", "mlo")}
    spec = spec_of_model("multi_task", by_output)
    assert spec.exclusive and spec.outputs == by_output and not spec.depends_on
    several = {"probabilities": ("any", "subdural")}
    assert not spec_of_model("multilabel", several).exclusive
    assert not spec_of_model(None, several).exclusive
    assert spec_of_model("single_label", several).exclusive
