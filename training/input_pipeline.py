"""Records to batches.

Training data is one endless-looking dataset of all epochs that are left. The order within an epoch
depends on the seed and the epoch's number alone, so a resumed run reads what an uninterrupted one
would have.
"""

import dataclasses
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from data_prep import schema
from data_prep.errors import UserError

ID_COLUMNS = ("source_id", "patient_id", "study_id", "series_id", "position_mm")


@dataclasses.dataclass(frozen=True)
class Source:
    """Shards of a split and how to read them.

    Attributes:
        copies: Lists of shard paths; epoch e reads the list e modulo their number. One list,
            unless augmented copies were stored.
        count: Records in one list of shards.
        parse: TensorFlow function from a serialized record to `{"inputs", "labels", *ID_COLUMNS}`.
        prepare: TensorFlow function from batched inputs to the model's input.
        augment: The like from and to the model's input; for training only.
    """

    copies: list[list[str]]
    count: int
    parse: Callable
    prepare: Callable
    augment: Callable | None = None


def training_batches(source, batch_size, seed, first_epoch, epochs, shuffle_buffer):
    """Shuffled full batches `(inputs, labels)` of the epochs `first_epoch ... epochs - 1`.

    Every epoch has `steps_per_epoch` batches; the records of its last, incomplete one are left out,
    others in each epoch.
    """
    tf.random.set_seed(seed + 1)  # shuffle takes a tensor as its seed unless the global one is 0
    copies = tf.constant([[str(path) for path in shards] for shards in source.copies])

    def one_epoch(epoch):
        order_seed = seed * 1_000_003 + epoch
        shards = tf.data.Dataset.from_tensor_slices(copies[epoch % len(source.copies)])
        records = shards.shuffle(copies.shape[1], seed=order_seed).interleave(
            tf.data.TFRecordDataset, cycle_length=4, num_parallel_calls=4, deterministic=True
        )
        return (
            records.shuffle(min(shuffle_buffer, source.count), seed=order_seed)
            .map(source.parse, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
            .batch(batch_size, drop_remainder=True)
        )

    def to_model(batch):
        inputs = source.prepare(batch["inputs"])
        return source.augment(inputs) if source.augment else inputs, batch["labels"]

    return (
        tf.data.Dataset.range(first_epoch, epochs)
        .flat_map(one_epoch)
        .map(to_model, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        .prefetch(tf.data.AUTOTUNE)
    )


def steps_per_epoch(source, batch_size):
    """Full batches in an epoch.

    Raises:
        ValueError: If there is not even one.
    """
    if source.count < batch_size:
        raise ValueError(f"Expected at least one batch of {batch_size}, found {source.count} records.")
    return source.count // batch_size


def evaluation_batches(source, batch_size):
    """The split's inputs in order, the last batch filled up by repeating records.

    With two replicas a small last batch would leave one of them without data.
    """
    records = _records_in_order(source)
    padding = -source.count % batch_size
    padded = records.concatenate(records.repeat().take(padding)).batch(batch_size)
    inputs = padded.map(lambda batch: source.prepare(batch["inputs"]), num_parallel_calls=2)
    batches = (source.count + padding) // batch_size
    return inputs.apply(tf.data.experimental.assert_cardinality(batches)).prefetch(2)


def labels_and_ids(source):
    """Labels `(records, labels)` and a dict of id columns, in the order of `evaluation_batches`."""
    without_inputs = _records_in_order(source).map(
        lambda record: {key: value for key, value in record.items() if key != "inputs"}
    )
    batches = list(without_inputs.batch(1024).as_numpy_iterator())
    columns = {key: np.concatenate([batch[key] for batch in batches]) for key in batches[0]}
    labels = columns.pop("labels")
    ids = {key: columns[key].astype("U") if key.endswith("_id") else columns[key] for key in ID_COLUMNS}
    return labels, ids


def _records_in_order(source):
    files = [str(path) for path in source.copies[0]]
    return tf.data.TFRecordDataset(files).map(source.parse, num_parallel_calls=2, deterministic=True)


def image_source(info, split, preprocessor, augment=None):
    """Slices from the records of `data_prep`, windowed by the model's own preprocessor.

    Raises:
        UserError: If the split has no records.
    """
    if not info.count(split):
        raise UserError(
            f"the records in {info.records_dir} have no slices in their {split} split; make them anew "
            "with more patients, or with other --fractions"
        )

    def parse(serialized):
        record = schema.parse_example(serialized, info.label_names, image_size=info.image_size)
        return {"inputs": record["image"], "labels": record["labels"],
                **{key: record[key] for key in ID_COLUMNS}}

    return Source([info.shard_files(split)], info.count(split), parse, preprocessor, augment)
