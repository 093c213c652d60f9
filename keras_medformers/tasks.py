"""What a network can be taught to tell, without what teaches it: names, outputs, labels.

No Keras and no TensorFlow here: whoever only reads what a model says needs no more. What
follows for training, evaluation and reports is in `training.tasks`.
"""

import dataclasses
from collections.abc import Mapping

import numpy as np

MULTILABEL = "multilabel"
SINGLE_LABEL = "single_label"
MULTI_TASK = "multi_task"
"""Tasks: any number of labels per image, each with a probability of its own; exactly one of
them; several outputs, of each of which exactly one label holds."""

TASK_NAMES = (MULTILABEL, SINGLE_LABEL, MULTI_TASK)

FORMER_NAMES = {"dual_task": MULTI_TASK}
"""Names in runs and exports of earlier versions."""


def task_name(written: str) -> str:
    """The name of a task as a run or an export says it, which may be one of former times.

    Raises:
        ValueError: If there is no such task.
    """
    name = FORMER_NAMES.get(written, written)
    if name not in TASK_NAMES:
        raise ValueError(
            f"unknown task {written!r}; expected one of {', '.join(TASK_NAMES)}"
        )
    return name


@dataclasses.dataclass(frozen=True)
class TaskSpec:
    """What a network's outputs say.

    Labels of all outputs stand side by side in the order of the outputs, a column each:
    so do the labels of an image, and the probabilities that are predicted for it.

    Attributes:
        outputs: Labels by output.
        exclusive: Whether exactly one label of each output holds.
        depends_on: By output, another one that comes before it and the label there that an
            image must have for this output to say anything.
        stored_as: By output, the label of the records that it learns: 0 or 1 of two
            classes, else the class's index; -1 where an image has none. By default the
            output's own name.
    """

    outputs: Mapping[str, tuple[str, ...]]
    exclusive: bool = True
    depends_on: Mapping[str, tuple[str, str]] = dataclasses.field(default_factory=dict)
    stored_as: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        known = []
        for output in self.outputs:
            if output in self.depends_on:
                other, label = self.depends_on[output]
                if other not in known or label not in self.outputs[other]:
                    raise ValueError(
                        "`depends_on` must name an output that comes before and one of its "
                        f"labels. Received: {output!r} depends on {other!r}, {label!r}"
                    )
            known.append(output)

    @property
    def name(self) -> str:
        """The task's name."""
        if len(self.outputs) > 1:
            return MULTI_TASK
        return SINGLE_LABEL if self.exclusive else MULTILABEL

    @property
    def label_names(self) -> tuple[str, ...]:
        """Labels of all outputs, in the order of the columns."""
        return tuple(label for labels in self.outputs.values() for label in labels)

    def columns(self, output: str) -> slice:
        """The columns that hold an output's labels."""
        start = 0
        for name, labels in self.outputs.items():
            if name == output:
                return slice(start, start + len(labels))
            start += len(labels)
        raise KeyError(output)

    def column_of(self, output: str, label: str) -> int:
        """The column of an output's label."""
        return self.columns(output).start + self.outputs[output].index(label)

    def answers(self, probabilities: np.ndarray) -> dict[str, np.ndarray]:
        """The likeliest label of each output.

        Args:
            probabilities: Shape `(n, labels)`.

        Returns:
            By output, indices into its own labels, shape `(n,)`; -1 where it depends on a
            label that is not the likeliest one there.
        """
        return self._with_dependencies(
            lambda columns: columns.argmax(axis=1), probabilities
        )

    def truth(self, labels: np.ndarray) -> dict[str, np.ndarray]:
        """The label that holds of each output.

        Args:
            labels: 0 or 1, shape `(n, labels)`.

        Returns:
            By output, indices into its own labels, shape `(n,)`; -1 where an image has none.
        """
        return self._with_dependencies(
            lambda columns: np.where(
                columns.sum(axis=1) == 1, columns.argmax(axis=1), -1
            ),
            labels,
        )

    def _with_dependencies(self, choose, table) -> dict[str, np.ndarray]:
        table, chosen = np.asarray(table), {}
        for output in self.outputs:
            chosen[output] = choose(table[:, self.columns(output)])
            if output in self.depends_on:
                other, label = self.depends_on[output]
                holds = chosen[other] == self.outputs[other].index(label)
                chosen[output] = np.where(holds, chosen[output], -1)
        return chosen


_SPECS: list[TaskSpec] = []


def register_task(spec: TaskSpec) -> TaskSpec:
    """Makes known what a network of several outputs tells, and returns it.

    Networks, runs and exports find it by the names of their outputs, evaluations by labels.
    """
    _SPECS[:] = [each for each in _SPECS if set(each.outputs) != set(spec.outputs)]
    _SPECS.append(spec)
    return spec


def spec_of_outputs(outputs) -> TaskSpec:
    """The registered task with outputs of these names, in whatever order.

    Raises:
        ValueError: If there is none.
    """
    for spec in _SPECS:
        if set(spec.outputs) == set(outputs):
            return spec
    raise ValueError(
        f"no task with the outputs {', '.join(outputs)} is registered; "
        "register it by keras_medformers.tasks.register_task"
    )


def spec_of_labels(label_names) -> TaskSpec:
    """The registered task whose outputs together have these labels, in order.

    Raises:
        ValueError: If there is none.
    """
    for spec in _SPECS:
        if spec.label_names == tuple(label_names):
            return spec
    raise ValueError(
        f"no task with the labels {', '.join(label_names)} is registered; "
        "register it by keras_medformers.tasks.register_task"
    )


def spec_of_model(task: str | None, outputs: Mapping[str, tuple[str, ...]]) -> TaskSpec:
    """What an exported model tells, by what it was trained for and by its outputs.

    Args:
        task: The task's name; None where it is not known.
        outputs: Labels by output, as the model gives them.

    Returns:
        The registered task if there is one with these outputs and labels; else one whose
        outputs do not depend on each other.
    """
    for spec in _SPECS:
        if dict(spec.outputs) == {
            name: tuple(names) for name, names in outputs.items()
        }:
            return spec
    return TaskSpec(
        {name: tuple(labels) for name, labels in outputs.items()},
        exclusive=task is not None and task_name(task) != MULTILABEL,
    )
