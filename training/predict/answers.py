"""An image's outputs as findings: probabilities in a settled order, and the likeliest labels' names."""

from training.predict.facts import DUAL_TASK, SINGLE_LABEL
from training.tasks.two_tasks import CLASSES_OF_TASKS, HEMORRHAGE, LOCATION


def in_order(by_output: dict) -> dict:
    """Outputs of several tasks in the tasks' order, whatever order the server sent them in."""
    tasks = [task for task in CLASSES_OF_TASKS if task in by_output]
    return {
        name: by_output[name]
        for name in [*tasks, *(n for n in by_output if n not in tasks)]
    }


def likeliest(
    probabilities: dict[str, dict[str, float]], task: str | None
) -> dict[str, str]:
    """Columns that name the likeliest labels, for tasks whose labels exclude each other.

    Args:
        probabilities: By output and label.
        task: What the model was trained for; None where that is not known.
    """
    best = {
        output: max(of_output, key=of_output.get)
        for output, of_output in probabilities.items()
    }
    if task == SINGLE_LABEL:
        (label,) = best.values()
        return {"class": label}
    if task != DUAL_TASK:
        return {}
    found = best[HEMORRHAGE] == CLASSES_OF_TASKS[HEMORRHAGE][1]
    return best if found else best | {LOCATION: ""}
