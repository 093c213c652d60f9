"""Studies from their slices."""

import math
import re
from collections.abc import Sequence

import numpy as np

from data_prep.modalities.reader import Place
from keras_medformers.support.errors import UserError
from training.predict.answers import spec_of_answer
from training.predict.findings import SliceResult, StudyResult
from training.tasks.words import IMAGES, Words

MEAN = "mean"


def slices_counted(rule: str) -> int | None:
    """How many slices decide by a rule: 1 by `max`, all (None) by `mean`, K by `topK`.

    Raises:
        UserError: If there is no such rule.
    """
    if rule == MEAN:
        return None
    top = re.fullmatch(r"max|top([1-9]\d*)", rule)
    if not top:
        raise UserError(
            f"--study-rule must be max, mean, or topK such as top3. Received: {rule}"
        )
    return int(top[1] or 1)


def group_studies(
    results: Sequence[tuple[SliceResult, Place]],
    rule: str,
    task: str | None,
    words: Words = IMAGES,
) -> list[StudyResult]:
    """Puts slices together by the study that their headers name; slices that name none are left out.

    Args:
        results: Slices and where they belong.
        rule: One of those of `slices_counted`.
        task: What the model was trained for.
        words: What slices are called.
    """
    by_study = {}
    for result, place in results:
        if place.study_id:
            by_study.setdefault(place.study_id, []).append((place, result))
    studies = []
    for number, members in enumerate(by_study.values(), start=1):
        members.sort(key=lambda member: _in_series(member[0]))
        slices = [result for _, result in members]
        exclusive = spec_of_answer(slices[0].probabilities, task).exclusive
        probabilities = study_probabilities(slices, slices_counted(rule), exclusive)
        study = StudyResult(f"study {number}", slices, probabilities, rule, words)
        studies.append(study)
    return studies


def _in_series(place: Place) -> tuple:
    unknown = math.isnan(place.position_mm)
    return place.series_id, unknown, 0.0 if unknown else place.position_mm


def study_probabilities(
    slices: Sequence[SliceResult], count: int | None, exclusive: bool
) -> dict[str, dict[str, float]]:
    """The mean of the `count` highest probabilities of each label, or of all.

    Labels that exclude each other keep together, so that a study's probabilities still sum to 1: those slices
    count in which no finding is least likely.

    Args:
        slices: At least one.
        count: How many slices decide; all, if there are fewer; None for all.
        exclusive: Whether the labels exclude each other; then the first one of the first output is that of
            no finding.
    """
    outputs = {
        output: list(of_output) for output, of_output in slices[0].probabilities.items()
    }
    values = {
        output: np.array(
            [[one.probabilities[output][label] for label in labels] for one in slices]
        )
        for output, labels in outputs.items()
    }

    if exclusive:
        without_finding = next(iter(values.values()))[:, 0]
        order = np.argsort(without_finding, kind="stable")[:count]
        values = {output: array[order] for output, array in values.items()}
    else:
        values = {
            output: -np.sort(-array, axis=0)[:count] for output, array in values.items()
        }

    return {
        output: dict(zip(labels, values[output].mean(axis=0).tolist(), strict=True))
        for output, labels in outputs.items()
    }
