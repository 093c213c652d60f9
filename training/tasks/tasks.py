"""The tasks by name, and which one a run, a folder of records or an evaluation is of."""

from collections.abc import Mapping

from keras_medformers import registry
from keras_medformers.tasks import MULTI_TASK, MULTILABEL, SINGLE_LABEL, task_name
from training.tasks.base import Task
from training.tasks.multi_task import MultiTask
from training.tasks.multilabel import MultiLabel
from training.tasks.single_label import SingleLabel
from training.tasks.words import words_of_evaluation

TASKS: dict[str, type[Task]] = {
    MULTILABEL: MultiLabel,
    SINGLE_LABEL: SingleLabel,
    MULTI_TASK: MultiTask,
}


def task_of(config) -> Task:
    """The task of a run.

    Raises:
        UserError: If the run's model cannot learn it.
    """
    return TASKS[config.task].of_run(config)


def task_of_records(model: str, info) -> Task:
    """The task of a model, by its name, on records with this `DatasetInfo`.

    Raises:
        UserError: If the model has outputs that nobody has registered.
    """
    if registry.list_tasks(model):
        return MultiTask.of_model(model)
    kind = SingleLabel if info.exclusive_labels else MultiLabel
    return kind(info.label_names)


def task_of_evaluation(evaluation: Mapping, modality: str | None = None) -> Task:
    """The task of a content of `evaluation.json`.

    Args:
        evaluation: The content; of the first versions, which knew one task, it names none.
        modality: The run's, where it is known.

    Raises:
        ValueError: If the task is not known.
    """
    name = task_name(evaluation.get("task", MULTILABEL))
    words = words_of_evaluation(evaluation, modality)
    return TASKS[name].of_evaluation(evaluation, words)
