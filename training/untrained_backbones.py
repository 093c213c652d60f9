"""Backbones without pretrained weights whose features are of some use all the same.

A deep network at its random initialisation gives features of vanishing or exploding size, since its
BatchNorm layers hold no statistics of any data. Setting these from training slices makes it a fixed
random projection whose maps have a sensible scale. That is enough to see the whole chain learn on
phantoms. It is no substitute for pretrained weights.
"""

import logging
import os
import pathlib

import keras

from keras_medformers.models.backbones import build_backbone

logger = logging.getLogger(__name__)


def untrained_backbone_files(names, folder, image_batches, input_shape, seed):
    """Weights files of randomly initialised, calibrated backbones, made where missing.

    Args:
        names: Backbones, see `keras_medformers.models.backbones.BACKBONES`.
        folder: Where the files are kept; the same folder and seed give the same weights.
        image_batches: Function that gives an iterable of training images in [0, 255],
            `(batch, height, width, 3)`.
        input_shape: `(height, width, 3)`.
        seed: Seed of the initialisation.

    Returns:
        List of paths, in the order of `names`.
    """
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for index, name in enumerate(names):
        path = folder / f"{name}-untrained-seed{seed}.weights.h5"
        if not path.is_file():
            logger.info("Setting BatchNorm statistics of the untrained %s from training slices", name)
            keras.utils.set_random_seed(seed + index)
            backbone = build_backbone(name, input_shape, frozen_fraction=0.0)
            set_batch_norm_statistics(backbone, image_batches())
            temporary = path.with_name(f"tmp-{path.name}")
            backbone.save_weights(temporary)
            os.replace(temporary, path)
        paths.append(path)
    return paths


def set_batch_norm_statistics(model, image_batches):
    """Sets every BatchNorm's moving statistics to the mean over `image_batches`.

    Args:
        model: A model whose BatchNorm layers train; called eagerly.
        image_batches: Iterable of inputs.
    """
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    momenta = [norm.momentum for norm in norms]
    for seen, images in enumerate(image_batches):
        for norm in norms:
            norm.momentum = seen / (seen + 1)  # a running mean over equally weighted batches
        model(images, training=True)
    for norm, momentum in zip(norms, momenta):
        norm.momentum = momentum
