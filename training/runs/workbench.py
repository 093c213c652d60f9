"""A run's model and data, put together from its configuration."""

import functools
import hashlib
import itertools
import logging
from pathlib import Path

import keras
import tensorflow as tf

import keras_medformers
from data_prep.records.schema import DatasetInfo
from keras_medformers.models.scopeformer import split_backbones
from keras_medformers.support.errors import UserError
from training.input.augmentation import flips_and_noise, make_augmentation
from training.input.feature_store import FeatureStore, store_features
from training.input.pipeline import Source, evaluation_batches, image_source
from training.input.random_crop import random_resized_crop
from training.runs.chosen_backbones import backbones_of, weights_of_backbones
from training.runs.config import Config
from training.runs.network_input import (
    input_shape_of,
    preprocessor_of,
    split_preprocessor,
)
from training.runs.resolve import check_fit
from training.runs.untrained_backbones import untrained_backbone_files
from training.tasks.tasks import task_of

logger = logging.getLogger(__name__)

CALIBRATION_BATCHES = 2
FEATURE_BATCH_SIZE = 16


class Workbench:
    """What a program needs of a run, each part made when first asked for.

    Args:
        config: The run's `Config`.
        strategy: Distribution strategy under which the model is made.

    Raises:
        UserError: If records, model or weights cannot be had; the message says what to do.
    """

    def __init__(self, config: Config, strategy: tf.distribute.Strategy | None = None):
        self.config = config
        self.strategy = strategy or tf.distribute.get_strategy()
        self.info = DatasetInfo.load(config.records)
        self.task = task_of(config)
        self.registered = keras_medformers.registry.model_entry(config.model)
        self.backbones = backbones_of(config)
        check_fit(config, self.task, self.info)

    @property
    def trains_on_features(self) -> bool:
        """Whether backbones are run once, and the rest trained on what they gave."""
        config = self.config
        images_change = config.augmentation != "none" and not config.feature_copies
        frozen = bool(self.backbones) and config.frozen_fraction == 1.0
        return config.feature_records == "auto" and frozen and not images_change

    @functools.cached_property
    def preprocessor(self) -> keras.Model:
        """The layer from stored pixels to the network's input."""
        return preprocessor_of(self.config)

    @functools.cached_property
    def _picture_and_finish(self):
        """The preprocessor in two: to pictures in [0, 255], and from these to the network's input."""
        return split_preprocessor(self.preprocessor, self.registered.layers.normalise)

    @functools.cached_property
    def model(self) -> keras.Model:
        """The whole network, with logits, at the start of training."""
        config = self.config
        settings = dict(config.model_config)
        if self.backbones:
            from_scratch = config.weights == "none"
            settings["backbone_weights"] = (
                self._backbone_weights() if from_scratch else None
            )
            if self.registered.freezing:
                settings[self.registered.freezing] = config.frozen_fraction

        keras.utils.set_random_seed(config.seed)
        with self.strategy.scope():
            try:
                model = keras_medformers.create_model(
                    config.model,
                    num_classes=self.task.num_classes,
                    input_shape=input_shape_of(config),
                    **settings,
                )
            except (ValueError, FileNotFoundError) as error:
                raise UserError(str(error)) from error
            if config.weights != "none":
                self._load_weights(model)
            else:
                self._set_first_bias(model)

        return model

    def _set_first_bias(self, model):
        """Lets the head start where the task wants it, if it does and the head has a bias."""
        bias = self.task.first_bias(
            self.task.prevalence(self.info), self.info.count("train")
        )
        head = (
            model.get_layer(self.registered.layers.head) if bias is not None else None
        )
        if head is not None and getattr(head, "bias", None) is not None:
            head.bias.assign(bias)

    def _load_weights(self, model):
        config = self.config
        try:
            model.load_weights(config.weights)
        except (ValueError, OSError, KeyError) as error:
            raise UserError(
                f"{config.weights} does not hold the weights of {config.model} with "
                f"{len(config.label_names)} classes and model_config={config.model_config}: "
                f"{str(error).splitlines()[0]}"
            ) from error

    @functools.cached_property
    def trained_part(self) -> keras.Model:
        """What the optimizer sees: the whole network, or what comes after the frozen backbones.

        In another precision than float32 it is a copy, whose weights `keep_weights` brings back.
        """
        with self.strategy.scope():
            return self.task.with_one_output(self._computing_part)

    def keep_weights(self) -> None:
        """Puts the trained part's weights into the whole network."""
        if self._computing_part is not self._float32_part:
            self._float32_part.set_weights(self._computing_part.get_weights())

    @functools.cached_property
    def _computing_part(self):
        part, precision = self._float32_part, self.config.precision
        return part if precision == "float32" else _copy(part, precision)

    @functools.cached_property
    def _float32_part(self):
        return split_backbones(self.model)[1] if self.trains_on_features else self.model

    def source(self, split: str) -> Source:
        """The split as the trained part takes it."""
        if self.trains_on_features:
            counts = {name: self.info.count(name) for name in ("train", "validation")}
            copies = (self.config.feature_copies or 0) if split == "train" else 0
            return self.feature_store().source(split, counts, copies)
        if split != "train" or self.config.augmentation == "none":
            return self.images(split)

        keyed = {"crop": self._crop, "flips_noise": self._flips_and_noise}.get(
            self.config.augmentation
        )
        if keyed:
            return image_source(
                self.info,
                split,
                self.preprocessor,
                prepare_to_train=keyed,
                task=self.task,
            )

        augment = make_augmentation(self.config.augmentation)
        to_picture, finish = self._picture_and_finish
        return image_source(
            self.info,
            split,
            to_picture,
            lambda pictures, keys: finish(augment(pictures, keys)),
            task=self.task,
        )

    def images(self, split: str) -> Source:
        """The split's images as they are, prepared for the network."""
        return image_source(self.info, split, self.preprocessor, task=self.task)

    def _crop(self, picture, key):
        size, least = self.config.input_size, self.config.crop_min_area
        _, finish = self._picture_and_finish
        return finish(random_resized_crop(picture, key, size, least)[tf.newaxis])[0]

    def _flips_and_noise(self, image, key):
        return flips_and_noise(self.preprocessor(image[tf.newaxis])[0], key)

    @functools.cache
    def feature_store(self) -> FeatureStore:
        """The stored features of the train and validation split, computed where missing."""
        extractor, _ = split_backbones(self.model)
        return store_features(
            extractor,
            self.backbones,
            {split: self.images(split) for split in ("train", "validation")},
            self.info,
            root=Path(self.config.records) / "features",
            batch_size=FEATURE_BATCH_SIZE,
            preprocessing=keras.saving.serialize_keras_object(self.preprocessor),
            copies=self.config.feature_copies or 0,
            augmentation=self.config.augmentation,
        )

    def _backbone_weights(self):
        """What the model's builder takes, untrained backbones' files made."""
        weights = weights_of_backbones(self.config)
        untrained = [instance for instance, start in weights.items() if start == "none"]
        files = self._untrained_files(untrained) if untrained else {}
        return list((weights | files).values())

    def _untrained_files(self, instances):
        logger.warning(
            "UNTRAINED BACKBONES: no pretrained weights were asked for, of %s. They start random, their "
            "BatchNorm statistics set from training images. Good for trying the programs, not for results.",
            ", ".join(instances),
        )
        records = hashlib.sha256(
            "".join(
                shard["sha256"] for _, shard in sorted(self.info.shards.items())
            ).encode()
        )
        size = self.config.input_size

        return untrained_backbone_files(
            {instance: self.backbones[instance] for instance in instances},
            Path(self.config.records)
            / "untrained"
            / f"{records.hexdigest()[:16]}-{size}",
            self._calibration_batches,
            (size, size, 3),
            self.config.seed,
        )

    def _calibration_batches(self):
        batches = evaluation_batches(self.images("train"), FEATURE_BATCH_SIZE)
        return itertools.islice(batches, CALIBRATION_BATCHES)


def _copy(model, precision):
    """The same network computing in `precision`, but for the layers that give its outputs."""
    last = model.output_names

    def clone(layer):
        config = layer.get_config()
        if layer.name not in last:
            config["dtype"] = precision
        return layer.__class__.from_config(config)

    copy = keras.models.clone_model(model, clone_function=clone, recursive=True)
    copy.set_weights(model.get_weights())
    return copy
