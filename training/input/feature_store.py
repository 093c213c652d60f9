"""What frozen backbones see, stored: their feature maps of every image, once, as records.

A map depends only on the images, the backbone, its weights, the preprocessing and the augmentation; its
key is a fingerprint of these. The records lie beside the images' records, and a store that holds all maps
that a model wants is used by it, whatever model it was made for: one with the same backbones, or with more.
"""

import dataclasses
import hashlib
import json
import logging
import math
import shutil
import zlib
from collections.abc import Mapping
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from data_prep.records.schema import DatasetInfo
from keras_medformers.support.errors import UserError
from keras_medformers.support.whole_files import whole_file, write_json
from training.input.augmentation import make_augmentation
from training.input.pipeline import Source
from training.statistics.predictions import ID_COLUMNS

logger = logging.getLogger(__name__)

INFO_FILE = "features_info.json"
LARGEST_FLOAT16 = float(np.finfo(np.float16).max)


@dataclasses.dataclass(frozen=True)
class FeatureStore:
    """A folder of feature records.

    Attributes:
        folder: Where the shards are.
        shapes: Shape of each map that the model wants, `(height, width, channels)`.
        keys: The key of each in the records. Backbones with the same weights have the same.
    """

    folder: Path
    shapes: dict[str, tuple[int, int, int]]
    keys: dict[str, str]

    def source(self, split: str, counts: Mapping[str, int], copies: int = 0) -> Source:
        """The split's stored features as a `Source`, all augmented copies of it if there are any."""
        prefixes = [f"{split}-copy{index}" for index in range(copies)] or [split]
        shards = [
            sorted(map(str, self.folder.glob(f"{prefix}-?????-of-?????.tfrecord")))
            for prefix in prefixes
        ]
        return Source(shards, counts[split], self.parse, prepare=lambda maps: maps)

    def parse(self, serialized: tf.Tensor) -> dict:
        """One record to `{"inputs": {name: float32 map}, "labels", *ID_COLUMNS}`."""
        features = {
            key: tf.io.FixedLenFeature((), tf.string) for key in self.keys.values()
        }
        features.update(
            {key: tf.io.FixedLenFeature((), tf.string) for key in ID_COLUMNS[:-1]}
        )
        features["position_mm"] = tf.io.FixedLenFeature((), tf.float32)
        features["labels"] = tf.io.FixedLenSequenceFeature(
            (), tf.float32, allow_missing=True
        )
        record = tf.io.parse_single_example(serialized, features)
        maps = {}
        for name, shape in self.shapes.items():
            stored = tf.io.decode_raw(record[self.keys[name]], tf.float16)
            maps[name] = tf.cast(tf.reshape(stored, shape), tf.float32)

        return {"inputs": maps, **{key: record[key] for key in ("labels", *ID_COLUMNS)}}


def store_features(
    extractor: keras.Model,
    backbones: Mapping[str, str],
    sources: Mapping[str, Source],
    info: DatasetInfo,
    root: str | Path,
    batch_size: int,
    preprocessing: dict,
    copies: int = 0,
    augmentation: str = "none",
) -> FeatureStore:
    """Runs the backbones over the splits and stores their maps as float16, shard by shard.

    Complete shards of an interrupted run are kept. Where a store under `root` has the maps already, nothing
    is run.

    Args:
        extractor: Model from the image to `{name: map}`.
        backbones: For each of these names, which backbone it is, as `keras_medformers.models.backbones`
            calls it: two networks of one backbone differ in their weights alone.
        sources: `Source` of the images by split.
        info: `DatasetInfo` of the images' records.
        root: Folder under which stores are; the name of a new one is a fingerprint of what it depends on.
        batch_size: Images per forward pass.
        preprocessing: Configuration of the layer that `sources` prepare images with; part of the
            fingerprint.
        copies: Augmented copies of the train split; 0 stores it as it is.
        augmentation: Strength of the copies' augmentation, see `training.input.augmentation`.

    Returns:
        A `FeatureStore`.

    Raises:
        UserError: If the disk has too little room, or a feature does not fit float16.
    """
    shapes = {
        name: tuple(tensor.shape[1:]) for name, tensor in extractor.output.items()
    }
    settings = [sorted(sources), copies, augmentation, preprocessing]
    keys = _keys(extractor, backbones, info, settings)
    folder = _finished_store(root, set(keys.values()))
    if folder:
        logger.info("Using the feature records in %s", folder)
        return FeatureStore(folder, shapes, keys)

    name = hashlib.sha256("\n".join(sorted(set(keys.values()))).encode()).hexdigest()[
        :16
    ]
    store = FeatureStore(Path(root) / name, shapes, keys)
    store.folder.mkdir(parents=True, exist_ok=True)
    passes = {split: copies if split == "train" and copies else 1 for split in sources}
    images = sum(sources[split].count * passes[split] for split in sources)
    maps = {
        key: extractor.output[name] for name, key in keys.items()
    }  # those that are the same once
    _check_room(store.folder, images, maps)
    logger.info(
        "Storing the backbones' features of %d images in %s", images, store.folder
    )
    extractor = keras.Model(extractor.input, maps)
    augment_copies = make_augmentation(augmentation) if copies else None
    with tqdm(total=images, unit="image", desc="features") as progress:
        for source, shard, target in _shards_to_write(sources, copies):
            path = store.folder / target
            if path.is_file():
                progress.update(sum(1 for _ in tf.data.TFRecordDataset(shard)))
                continue
            augment = augment_copies if "-copy" in target else None
            _write_shard(
                extractor,
                dataclasses.replace(source, augment=augment),
                shard,
                path,
                batch_size,
                progress,
            )
    description = {
        "maps": {key: list(tensor.shape[1:]) for key, tensor in maps.items()},
        "images": images,
        "dtype": "float16",
        "copies": copies,
    }
    write_json(store.folder / INFO_FILE, description)
    return store


def _finished_store(root, wanted):
    """Folder of the smallest finished store that has the wanted maps; None if there is none."""
    fitting = []
    for path in Path(root).glob(f"*/{INFO_FILE}"):
        held = set(json.loads(path.read_text()).get("maps", ()))
        if wanted <= held:
            fitting.append((len(held), path.parent))
    return min(fitting)[1] if fitting else None


def _shards_to_write(sources, copies):
    """Triples of a source to read with, the shard to read and the file name to write."""
    work = []
    for split, source in sources.items():
        prefixes = (
            [f"{split}-copy{index}" for index in range(copies)]
            if split == "train"
            else []
        )
        for shard in map(str, source.copies[0]):
            name = Path(shard).name
            work += [
                (source, shard, name.replace(split, prefix, 1))
                for prefix in prefixes or [split]
            ]
    return work


def _write_shard(extractor, source, shard, target, batch_size, progress):
    # Keyed by the shard's name, so that a resumed run draws what an uninterrupted one had.
    copy_seed = zlib.crc32(target.name.encode())
    batches = _prepared_batches(source, shard, batch_size).enumerate()
    with (
        whole_file(target) as temporary,
        tf.io.TFRecordWriter(str(temporary)) as writer,
    ):
        for number, batch in batches:
            images = batch["inputs"]
            if source.augment:
                places = number * batch_size + tf.range(
                    len(batch["labels"]), dtype=tf.int64
                )
                seeds = tf.fill(places.shape, tf.constant(copy_seed, tf.int64))
                images = source.augment(images, tf.stack([seeds, places], axis=1))
            maps = {
                key: _as_float16(key, value)
                for key, value in extractor.predict_on_batch(images).items()
            }
            for row in range(len(batch["labels"])):
                writer.write(_example(maps, batch, row))
            progress.update(len(batch["labels"]))


def _prepared_batches(source, shard, batch_size):
    """The shard's records in order, `"inputs"` prepared."""

    def prepare(record):
        return record | {"inputs": source.prepare(record["inputs"])}

    records = tf.data.TFRecordDataset(shard).map(source.parse)
    if source.one_by_one:
        return records.map(prepare).batch(batch_size).prefetch(2)
    return records.batch(batch_size).map(prepare).prefetch(2)


def _as_float16(key, maps):
    largest = float(np.abs(maps).max())
    if not largest <= LARGEST_FLOAT16:
        raise UserError(
            f"a feature of {key.partition('-')[0]} is {largest}, beyond float16's {LARGEST_FLOAT16}; check "
            "the backbone's weights, or train without stored features: --set feature_records=never"
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
    return tf.train.Example(
        features=tf.train.Features(feature=features)
    ).SerializeToString()


def _check_room(folder, images, maps):
    needed = 2 * images * sum(math.prod(tensor.shape[1:]) for tensor in maps.values())
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise UserError(
            f"stored features of {images} images take {needed / 1e9:.0f} GB and {folder} has "
            f"{free / 1e9:.0f} GB left; choose another disk by --records, or run the backbones in "
            "every step: --set feature_records=never"
        )


def _keys(extractor, backbones, info, settings):
    """Name to `BACKBONE-FINGERPRINT`, of all that the map depends on."""
    shards = [shard["sha256"] for _, shard in sorted(info.shards.items())]
    keys = {}
    for name, tensor in extractor.output.items():
        description = [
            shards,
            info.image_size,
            extractor.input_shape[1:],
            backbones[name],
            settings,
        ]
        digest = hashlib.sha256(json.dumps(description, sort_keys=True).encode())
        for variable in keras.Model(extractor.input, tensor).variables:
            digest.update(np.ascontiguousarray(variable.numpy()).tobytes())
        keys[name] = f"{backbones[name]}-{digest.hexdigest()[:16]}"

    return keys
