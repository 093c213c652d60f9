"""An image's outputs as findings: probabilities in a settled order, and the likeliest labels' names."""

import numpy as np

from keras_medformers.tasks import TaskSpec, spec_of_model


def spec_of_answer(
    probabilities: dict[str, dict[str, float]], task: str | None
) -> TaskSpec:
    """What the outputs say that an image was answered with.

    Args:
        probabilities: By output and label.
        task: What the model was trained for; None where that is not known.
    """
    return spec_of_model(
        task, {output: tuple(of_output) for output, of_output in probabilities.items()}
    )


def in_order(by_output: dict, spec: TaskSpec) -> dict:
    """Outputs in their task's order, whatever order the server sent them in."""
    return {output: by_output[output] for output in spec.outputs}


def likeliest(
    probabilities: dict[str, dict[str, float]], task: str | None
) -> dict[str, str]:
    """Columns that name the likeliest labels, for tasks whose labels exclude each other.

    Args:
        probabilities: By output and label.
        task: What the model was trained for; None where that is not known.
    """
    spec = spec_of_answer(probabilities, task)
    if not spec.exclusive:
        return {}

    row = [
        probabilities[output][label]
        for output, labels in spec.outputs.items()
        for label in labels
    ]
    best = {
        output: spec.outputs[output][index[0]] if index[0] >= 0 else ""
        for output, index in spec.answers(np.array([row])).items()
    }
    if len(best) == 1:
        return {"class": next(iter(best.values()))}

    return best
