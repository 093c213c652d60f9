"""Records to batches.

Training data is one endless-looking dataset of all epochs that are left. The order within an epoch
depends on the seed and the epoch's number alone, as does augmentation, so a resumed run reads what an
uninterrupted one would have.
"""

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import tensorflow as tf

from data_prep.records import examples
from data_prep.records.schema import DatasetInfo
from keras_medformers.support.errors import UserError
from training.statistics.predictions import EXTRA, ID_COLUMNS


@dataclasses.dataclass(frozen=True)
class Source:
    """Shards of a split and how to read them.

    Attributes:
        copies: Lists of shard paths; epoch e reads the list e modulo their number. One list,
            unless augmented copies were stored.
        count: Records in one list of shards.
        parse: TensorFlow function from a serialized record to `{"inputs", "labels", *ID_COLUMNS}`,
            and further labels under names that begin with `EXTRA`.
        prepare: TensorFlow function from inputs to the model's input.
        augment: TensorFlow function from a batch of the model's input and its keys, int64 `(batch, 2)`, to
            such a batch; for training only.
        one_by_one: Whether inputs have sizes of their own, so that `prepare` takes single ones; else it
            takes batches.
        prepare_to_train: TensorFlow function from a single input and its key, two int64, to the model's
            input; stands in for `prepare` in training.
    """

    copies: list[list[str]]
    count: int
    parse: Callable
    prepare: Callable
    augment: Callable | None = None
    one_by_one: bool = False
    prepare_to_train: Callable | None = None


def training_batches(
    source: Source,
    batch_size: int,
    seed: int,
    first_epoch: int,
    epochs: int,
    shuffle_buffer: int,
) -> tf.data.Dataset:
    """Shuffled full batches `(inputs, labels)` of the epochs `first_epoch ... epochs - 1`.

    Every epoch has `steps_per_epoch` batches; the records of its last, incomplete one are left out,
    others in each epoch.
    """
    tf.random.set_seed(
        seed + 1
    )  # shuffle takes a tensor as its seed unless the global one is 0
    copies = tf.constant([[str(path) for path in shards] for shards in source.copies])

    def one_epoch(epoch):
        order_seed = seed * 1_000_003 + epoch

        def example(index, serialized):
            record = source.parse(serialized)
            inputs, key = record["inputs"], tf.stack([order_seed, index])
            if source.prepare_to_train:
                inputs = source.prepare_to_train(inputs, key)
            elif source.one_by_one:
                inputs = source.prepare(inputs)
            return inputs, record["labels"], key

        shards = tf.data.Dataset.from_tensor_slices(copies[epoch % len(source.copies)])
        records = shards.shuffle(copies.shape[1], seed=order_seed).interleave(
            tf.data.TFRecordDataset,
            cycle_length=4,
            num_parallel_calls=4,
            deterministic=True,
        )
        return (
            records.shuffle(min(shuffle_buffer, source.count), seed=order_seed)
            .enumerate()
            .map(example, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
            .batch(batch_size, drop_remainder=True)
        )

    def to_model(inputs, labels, keys):
        if not (source.one_by_one or source.prepare_to_train):
            inputs = source.prepare(inputs)
        return source.augment(inputs, keys) if source.augment else inputs, labels

    return (
        tf.data.Dataset.range(first_epoch, epochs)
        .flat_map(one_epoch)
        .map(to_model, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        .prefetch(tf.data.AUTOTUNE)
    )


def steps_per_epoch(source: Source, batch_size: int) -> int:
    """Full batches in an epoch.

    Raises:
        ValueError: If there is not even one.
    """
    if source.count < batch_size:
        raise ValueError(
            f"Expected at least one batch of {batch_size}, found {source.count} records."
        )
    return source.count // batch_size


def evaluation_batches(source: Source, batch_size: int) -> tf.data.Dataset:
    """The split's inputs in order, the last batch filled up by repeating records.

    With two replicas a small last batch would leave one of them without data.
    """
    records = _records_in_order(source)
    padding = -source.count % batch_size
    padded = records.concatenate(records.repeat().take(padding))
    inputs = _parsed(padded, lambda record: record["inputs"], source)
    if source.one_by_one:
        batches = inputs.map(source.prepare, num_parallel_calls=2).batch(batch_size)
    else:
        batches = inputs.batch(batch_size).map(source.prepare, num_parallel_calls=2)
    count = (source.count + padding) // batch_size
    return batches.apply(tf.data.experimental.assert_cardinality(count)).prefetch(2)


def labels_and_ids(source: Source) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Labels `(records, labels)` and a dict of columns, in the order of `evaluation_batches`.

    The columns are the ids and the further labels.
    """
    columns_of = lambda record: {
        key: value for key, value in record.items() if key != "inputs"
    }
    batches = list(
        _parsed(_records_in_order(source), columns_of, source)
        .batch(1024)
        .as_numpy_iterator()
    )
    columns = {
        key: np.concatenate([batch[key] for batch in batches]) for key in batches[0]
    }
    labels = columns.pop("labels")
    further = [key for key in columns if key not in ID_COLUMNS]
    columns = {key: columns[key] for key in (*ID_COLUMNS, *further)}

    return labels, {
        key: each.astype("U") if each.dtype == object else each
        for key, each in columns.items()
    }


def stored_images(
    source: Source, source_ids: Iterable[str] | None = None, count: int | None = None
) -> dict[str, np.ndarray]:
    """Images as they are stored, by their source ids, in the records' order.

    Args:
        source: `Source` of images.
        source_ids: The images wanted; all by default.
        count: How many at most; all by default.

    Returns:
        Dict of arrays `(height, width, channels)`.
    """
    names = _parsed(
        _records_in_order(source), lambda record: record["source_id"], source
    )
    serialized = tf.data.Dataset.zip(names, _records_in_order(source))
    if source_ids is not None:
        wanted = tf.constant(sorted(source_ids), tf.string)
        serialized = serialized.filter(lambda name, _: tf.reduce_any(name == wanted))
    chosen = serialized.take(-1 if count is None else count)
    return {
        name.decode(): source.parse(record)["inputs"].numpy()
        for name, record in chosen.as_numpy_iterator()
    }


def _records_in_order(source):
    return tf.data.TFRecordDataset([str(path) for path in source.copies[0]])


def _parsed(records, part, source):
    """A part of each record. What is not part of it, such as the image, is not even decoded."""
    return records.map(
        lambda serialized: part(source.parse(serialized)),
        num_parallel_calls=2,
        deterministic=True,
    )


def image_source(
    info: DatasetInfo,
    split: str,
    preprocessor: Callable,
    augment: Callable | None = None,
    prepare_to_train: Callable | None = None,
    task: Any = None,
) -> Source:
    """Images from the records of `data_prep`, prepared by the model's own preprocessor.

    Args:
        info: `DatasetInfo` of the records.
        split: Name of the split.
        preprocessor: From batches of stored images to the model's input.
        augment: From batches of the model's input and their keys to such batches; for training.
        prepare_to_train: From a stored image and its key to the model's input; for training, in place of
            the preprocessor.
        task: What the labels are for, see `training.tasks.base.Task`; by default they are the records' own.

    Raises:
        UserError: If the split has no records.
    """
    if not info.count(split):
        raise UserError(
            f"the records in {info.records_dir} have no images in their {split} split; make them anew "
            "of more images, or with other --fractions"
        )
    label_names = task.stored_labels if task else info.label_names

    def parse(serialized):
        record = examples.parse_example(
            serialized,
            label_names,
            info.extra_label_names,
            info.image_shape,
            info.modality,
        )
        return {
            "inputs": record["image"],
            "labels": task.labels(record) if task else record["labels"],
            **{key: record[key] for key in ID_COLUMNS},
            **{f"{EXTRA}{name}": record[name] for name in info.extra_label_names},
        }

    def prepare_one(image):
        return preprocessor(image[tf.newaxis])[0]

    return Source(
        [info.shard_files(split)],
        info.count(split),
        parse,
        prepare=preprocessor if info.image_shape else prepare_one,
        augment=augment,
        one_by_one=info.image_shape is None,
        prepare_to_train=prepare_to_train,
    )
