"""What frozen backbones see, stored: their feature maps of every slice, once, as records.

The records depend only on the slices, the backbones' weights, the preprocessing and the augmentation,
and lie beside the slices' records, so that all models with these backbones share them.
"""

import dataclasses
import hashlib
import json
import logging
import os
import pathlib
import shutil
import zlib

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from data_prep.errors import UserError
from training.augmentation import make_augmentation
from training.input_pipeline import ID_COLUMNS, Source

logger = logging.getLogger(__name__)

INFO_FILE = "features_info.json"
LARGEST_FLOAT16 = float(np.finfo(np.float16).max)


@dataclasses.dataclass(frozen=True)
class FeatureStore:
    """A folder of feature records.

    Attributes:
        folder: Where the shards are.
        shapes: Shape of each backbone's map, `(height, width, channels)`.
    """

    folder: pathlib.Path
    shapes: dict[str, tuple[int, int, int]]

    def source(self, split, counts, copies=0):
        """The split's stored features as a `Source`, all augmented copies of it if there are any."""
        prefixes = [f"{split}-copy{index}" for index in range(copies)] or [split]
        shards = [sorted(map(str, self.folder.glob(f"{prefix}-?????-of-?????.tfrecord")))
                  for prefix in prefixes]
        return Source(shards, counts[split], self.parse, prepare=lambda maps: maps)

    def parse(self, serialized):
        """One record to `{"inputs": {backbone: float32 map}, "labels", *ID_COLUMNS}`."""
        features = {name: tf.io.FixedLenFeature((), tf.string) for name in self.shapes}
        features.update({key: tf.io.FixedLenFeature((), tf.string) for key in ID_COLUMNS[:-1]})
        features["position_mm"] = tf.io.FixedLenFeature((), tf.float32)
        features["labels"] = tf.io.FixedLenSequenceFeature((), tf.float32, allow_missing=True)
        record = tf.io.parse_single_example(serialized, features)
        maps = {
            name: tf.cast(tf.reshape(tf.io.decode_raw(record.pop(name), tf.float16), shape), tf.float32)
            for name, shape in self.shapes.items()
        }
        return {"inputs": maps, **record}


def store_features(
    extractor, sources, info, root, batch_size, preprocessing, copies=0, augmentation="none"
):
    """Runs the backbones over the splits and stores their maps as float16, shard by shard.

    Complete shards of an interrupted run are kept.

    Args:
        extractor: Model from the image to `{backbone: map}`.
        sources: `Source` of the slices by split.
        info: `DatasetInfo` of the slices' records.
        root: Folder under which the store is made; its name is a fingerprint of what it depends on.
        batch_size: Slices per forward pass.
        preprocessing: Configuration of the layer that `sources` prepare images with; part of the
            fingerprint.
        copies: Augmented copies of the train split; 0 stores it as it is.
        augmentation: Strength of the copies' augmentation, see `training.augmentation`.

    Returns:
        A `FeatureStore`.

    Raises:
        UserError: If the disk has too little room, or a feature does not fit float16.
    """
    shapes = {name: tuple(tensor.shape[1:]) for name, tensor in extractor.output.items()}
    work = _shards_to_write(sources, copies)
    fingerprint = _fingerprint(extractor, info, [sorted(sources), copies, augmentation, preprocessing])
    store = FeatureStore(pathlib.Path(root) / fingerprint, shapes)
    if (store.folder / INFO_FILE).is_file():
        logger.info("Using the feature records in %s", store.folder)
        return store

    store.folder.mkdir(parents=True, exist_ok=True)
    passes = {split: copies if split == "train" and copies else 1 for split in sources}
    slices = sum(sources[split].count * passes[split] for split in sources)
    _check_room(store, slices)
    logger.info("Storing the backbones' features of %d slices in %s", slices, store.folder)
    with tqdm(total=slices, unit="slice", desc="features") as progress:
        for source, shard, target in work:
            path = store.folder / target
            if path.is_file():
                progress.update(sum(1 for _ in tf.data.TFRecordDataset(shard)))
                continue
            # Seeded by the shard's name, so that a resumed run draws what an uninterrupted one had.
            augment = make_augmentation(augmentation if copies and "-copy" in target else "none",
                                        zlib.crc32(target.encode()))
            _write_shard(extractor, dataclasses.replace(source, augment=augment), shard, path,
                         batch_size, progress)
    description = {"shapes": shapes, "slices": slices, "dtype": "float16", "copies": copies}
    (store.folder / INFO_FILE).write_text(json.dumps(description, indent=2) + "\n")
    return store


def _shards_to_write(sources, copies):
    """Triples of a source to read with, the shard to read and the file name to write."""
    work = []
    for split, source in sources.items():
        prefixes = [f"{split}-copy{index}" for index in range(copies)] if split == "train" else []
        for shard in map(str, source.copies[0]):
            name = pathlib.Path(shard).name
            work += [(source, shard, name.replace(split, prefix, 1)) for prefix in prefixes or [split]]
    return work


def _write_shard(extractor, source, shard, target, batch_size, progress):
    temporary = target.with_name(f"tmp-{target.name}")
    batches = tf.data.TFRecordDataset(shard).map(source.parse).batch(batch_size).prefetch(2)
    with tf.io.TFRecordWriter(str(temporary)) as writer:
        for batch in batches:
            images = source.prepare(batch["inputs"])
            if source.augment:
                images = source.augment(images)
            maps = {name: _as_float16(name, value)
                    for name, value in extractor.predict_on_batch(images).items()}
            for row in range(len(batch["labels"])):
                writer.write(_example(maps, batch, row))
            progress.update(len(batch["labels"]))
    os.replace(temporary, target)


def _as_float16(name, maps):
    largest = float(np.abs(maps).max())
    if not largest <= LARGEST_FLOAT16:
        raise UserError(
            f"a feature of {name} is {largest}, beyond float16's {LARGEST_FLOAT16}; check the "
            "backbone's weights, or train without stored features: --set feature_records=never"
        )
    return maps.astype(np.float16)


def _example(maps, batch, row):
    def of_bytes(value):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))

    def of_floats(values):
        return tf.train.Feature(float_list=tf.train.FloatList(value=values))

    features = {name: of_bytes(values[row].tobytes()) for name, values in maps.items()}
    features.update({key: of_bytes(batch[key][row].numpy()) for key in ID_COLUMNS[:-1]})
    features["position_mm"] = of_floats([float(batch["position_mm"][row])])
    features["labels"] = of_floats(batch["labels"][row].numpy().tolist())
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()


def _check_room(store, slices):
    needed = 2 * slices * sum(int(np.prod(shape)) for shape in store.shapes.values())
    free = shutil.disk_usage(store.folder).free
    if needed > free:
        raise UserError(
            f"stored features of {slices} slices take {needed / 1e9:.0f} GB and {store.folder} has "
            f"{free / 1e9:.0f} GB left; choose another disk by --records, or run the backbones in "
            "every step: --set feature_records=never"
        )


def _fingerprint(extractor, info, settings):
    digest = hashlib.sha256()
    for variable in extractor.variables:
        digest.update(np.ascontiguousarray(variable.numpy()).tobytes())
    shards = [shard["sha256"] for _, shard in sorted(info.shards.items())]
    description = [shards, info.image_size, extractor.input_shape[1:], list(extractor.output), settings]
    digest.update(json.dumps(description, sort_keys=True).encode())
    return digest.hexdigest()[:16]
