"""What images of a run are called in its results, and under which key of them they stand."""

import dataclasses
from collections.abc import Mapping

from keras_medformers.modalities import get_modality, list_modalities


@dataclasses.dataclass(frozen=True)
class Words:
    """What images are called.

    Attributes:
        one: An image.
        many: Several.
        group: What images that must not be divided among splits are of.
        level: Key of `evaluation.json` under which the scores over all images stand.
        in_series: Whether images always belong to studies, whatever their names say.
        shown: How a report shows them, such as in which window; "" where there is no choice.
    """

    one: str = "image"
    many: str = "images"
    group: str = "group"
    level: str = "images"
    in_series: bool = False
    shown: str = ""


IMAGES = Words()


def words_of(modality: str) -> Words:
    """The words for images of a modality.

    Raises:
        ValueError: If there is no such modality.
    """
    kind = get_modality(modality)
    return Words(
        kind.noun,
        kind.nouns,
        kind.group_noun,
        kind.nouns if kind.in_series else IMAGES.level,
        kind.in_series,
        kind.picture_words,
    )


def words_of_evaluation(evaluation: Mapping, modality: str | None) -> Words:
    """The words for the images that were scored.

    Args:
        evaluation: Content of `evaluation.json`.
        modality: The run's; None where it is not known.
    """
    known = [words_of(name) for name in list_modalities()]
    by_level = {words.level: words for words in (*known, IMAGES)}
    level = next((level for level in by_level if level in evaluation), IMAGES.level)
    if modality:
        # Earlier versions called the images of several labels slices, whatever they were.
        return dataclasses.replace(words_of(modality), level=level)
    return by_level[level]
