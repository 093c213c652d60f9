"""What goes on inside a network while it looks at images of its records, from one pass over them.

Reference: Barhoumi et al., "Efficient scopeformer", sections IV.C and IV.E, Figs. 5 to 9.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence

import keras
import numpy as np
import tensorflow as tf

from keras_medformers.explain import (
    attention_of,
    cosine_to_last,
    encoders_of,
    has_projections,
    layer_outputs,
    map_tensors,
)
from keras_medformers.models.backbones import backbone_instances
from keras_medformers.support.errors import UserError
from training.explain import IMAGES
from training.explain.batches import BATCH_SIZE, fitting_batch
from training.explain.class_attention import Looked, look_at_classes
from training.input.pipeline import Source
from training.runs.workbench import Workbench

OWN, PROJECTED = "as the backbone gives them", "after projection"


@dataclasses.dataclass(frozen=True)
class Insight:
    """What was seen.

    Attributes:
        records: Per image `inputs` as stored, `labels` and ids.
        probabilities: `(images, labels)`.
        shown: Place of the image that pictures of a single one show.
        label: Place of the label of which the model is sure there.
        similarity: Cosine of each encoder's output to the last one's, `(encoders,)`; None without encoders.
        maps: By stage (`OWN`, `PROJECTED`) and backbone, `(images, height, width, maps)`.
        attention: Of the first and the last encoder, `(heads, tokens, tokens)` for the shown image.
        positions: Tokens that stand for places of the map, without a class token; None without a map.
        looked: Where the class token looks, of some of the images; empty for other networks.
    """

    records: list[dict]
    probabilities: np.ndarray
    shown: int
    label: int
    similarity: np.ndarray | None
    maps: dict[str, dict[str, np.ndarray]]
    attention: list[np.ndarray]
    positions: int | None
    looked: list[Looked]

    @property
    def labels(self) -> np.ndarray:
        """0 or 1, `(images, labels)`."""
        return np.array([each["labels"] for each in self.records])

    @property
    def image(self) -> np.ndarray:
        """The shown image, as stored."""
        return self.records[self.shown]["inputs"]


def has_inside(model: keras.Model) -> bool:
    """Whether there is anything to see: encoders or backbones."""
    return bool(encoders_of(model) or backbone_instances(model))


def first_records(
    source: Source, count: int, source_id: str | None = None
) -> list[dict]:
    """The first records of a split, as dicts of numpy arrays; records are in the order of a digest.

    Args:
        source: `Source` of images.
        count: How many, at most.
        source_id: An image that comes first, wherever it lies.

    Raises:
        UserError: If there is no such image.
    """
    serialized = tf.data.TFRecordDataset([str(path) for path in source.copies[0]])
    chosen = []
    if source_id is not None:
        is_wanted = lambda record: source.parse(record)["source_id"] == source_id
        chosen = list(
            serialized.filter(is_wanted).take(1).map(source.parse).as_numpy_iterator()
        )
        if not chosen:
            raise UserError(
                f"there is no image {source_id!r} among the {source.count} of this split"
            )
        serialized = serialized.filter(lambda record: not is_wanted(record))

    return chosen + list(
        serialized.take(count - len(chosen)).map(source.parse).as_numpy_iterator()
    )


def iterate_records(source: Source) -> Iterator[dict]:
    """Yields all records of a split one by one, as dicts of numpy arrays, in the order of a digest."""
    serialized = tf.data.TFRecordDataset([str(path) for path in source.copies[0]])
    return serialized.map(source.parse).as_numpy_iterator()


def prepared(records: Sequence[Mapping], preprocessor: Callable) -> np.ndarray:
    """The records' images as the network takes them, `(images, height, width, channels)`."""
    return np.concatenate(
        [np.asarray(preprocessor(each["inputs"][np.newaxis])) for each in records]
    )


def look(
    model: keras.Model,
    bench: Workbench,
    source: Source,
    images: int = IMAGES,
    source_id: str | None = None,
    label: str | None = None,
) -> Insight:
    """Runs the network once over the first images of a split and keeps what its pictures need.

    Args:
        model: The run's whole network, giving logits; not changed.
        bench: The run's `Workbench`.
        source: `Source` of a split's images.
        images: How many images.
        source_id: The image to show; by default the positive one that was found most surely.
        label: Name of the label that image is about; by default the first, of exclusive classes its own.

    Returns:
        An `Insight`.

    Raises:
        UserError: If there is no such image.
    """
    records = first_records(source, images, source_id)
    inputs = prepared(records, bench.preprocessor)
    encoders = encoders_of(model)
    stages = _stages(model)
    tensors = {"logits": model.outputs[0]} | {
        layer.name: layer.output for layer in encoders
    }
    looked_into = (
        {"first tokens": encoders[0], "last tokens": encoders[-1]} if encoders else {}
    )
    tensors |= {tokens: encoder.input for tokens, encoder in looked_into.items()}
    for stage, maps in stages.items():
        tensors |= {f"{stage}: {name}": tensor for name, tensor in maps.items()}

    similarity, kept = [], {}
    for outputs in layer_outputs(
        model, inputs, tensors, fitting_batch(inputs, BATCH_SIZE)
    ):
        if encoders:
            similarity.append(
                cosine_to_last([outputs.pop(layer.name) for layer in encoders])
            )
        for name, output in outputs.items():
            kept.setdefault(name, []).append(output)
    kept = {name: np.concatenate(batches) for name, batches in kept.items()}

    probabilities = bench.task.probabilities(kept["logits"])
    shown, about = _shown(records, probabilities, bench.task, source_id, label)
    attention = [
        attention_of(encoder, kept[tokens][shown : shown + 1])[0]
        for tokens, encoder in looked_into.items()
    ]
    sides = [
        maps.shape[1] * maps.shape[2]
        for maps in next(iter(stages.values()), {}).values()
    ]
    return Insight(
        records,
        probabilities,
        shown,
        about,
        np.concatenate(similarity, axis=1).mean(axis=1) if encoders else None,
        {
            stage: {name: kept[f"{stage}: {name}"] for name in maps}
            for stage, maps in stages.items()
        },
        attention,
        sides[0] if sides else None,
        look_at_classes(model, bench, inputs, records, probabilities),
    )


def _stages(model):
    """Symbolic maps by stage and backbone: none, the backbones' own, and those after projection if any."""
    stages = {OWN: map_tensors(model)} if backbone_instances(model) else {}
    if has_projections(model):
        stages[PROJECTED] = map_tensors(model, projected=True)
    return stages


def _shown(records, probabilities, task, source_id, label):
    """Places of the image to show and of the label it is about."""
    labels = np.array([each["labels"] for each in records])
    if label is not None:
        sure = np.full(labels.shape, -np.inf)
        column = task.label_names.index(label)
        sure[:, column] = probabilities[:, column]
    else:
        sure = task.sureness(probabilities)
    if source_id is not None:
        return 0, int(np.where(labels[0] == 1, sure[0], sure[0] - 1).argmax())
    positive = np.where(labels == 1, sure, -np.inf)
    chosen = positive if np.isfinite(positive).any() else sure
    row, column = np.unravel_index(chosen.argmax(), chosen.shape)
    return int(row), int(column)
