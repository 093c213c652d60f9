"""Backbones without pretrained weights whose features are of some use all the same.

A deep network at its random initialisation gives features of vanishing or exploding size, since its
BatchNorm layers hold no statistics of any data; these are set from training images. More has to be done
for features to tell a bleeding from noise, all of it without a look at any label:

- A hundred random ReLU layers map two noisy pictures of one head as far apart as two heads. BatchNorm's
  shift is set to two deviations, where ReLU is nearly linear.
- Random depthwise kernels are band-pass filters, a stack of which cancels brightness. They are made
  positive, so that they blur instead.

On phantoms, a linear classifier on the pooled features of Xception then comes 33% below the log loss of
constant prevalence, instead of 10%. The result is a fixed random projection, enough to see the whole
chain learn on phantoms. It is no substitute for pretrained weights.
"""

import logging
import zlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import keras

from keras_medformers.models.backbones import build_backbone
from keras_medformers.support.whole_files import whole_file

logger = logging.getLogger(__name__)

SHIFT_DEVIATIONS = 2.0


def untrained_backbone_files(
    instances: Mapping[str, str],
    folder: str | Path,
    image_batches: Callable[[], Iterable],
    input_shape: tuple[int, int, int],
    seed: int,
) -> dict[str, Path]:
    """Weights files of randomly initialised, calibrated backbones, made where missing.

    Args:
        instances: Instance names, as `keras_medformers.models.backbones.instance_names` gives them, with the
            backbone that each is an instance of.
        folder: Where the files are kept; the same folder and seed give the same weights to an instance,
            whatever other instances there are.
        image_batches: Function that gives an iterable of training images in [0, 255],
            `(batch, height, width, 3)`.
        input_shape: `(height, width, 3)`.
        seed: Seed of the initialisation.

    Returns:
        Dict from instance to path.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = {}
    for instance, name in instances.items():
        path = folder / f"{instance}-untrained-seed{seed}.weights.h5"
        if not path.is_file():
            logger.info(
                "Setting BatchNorm statistics of the untrained %s from training images",
                instance,
            )
            keras.utils.set_random_seed(zlib.crc32(f"{instance} {seed}".encode()))
            backbone = build_backbone(name, input_shape, frozen_fraction=0.0)
            shift_batch_norm(backbone, SHIFT_DEVIATIONS)
            blur_with_depthwise_kernels(backbone)
            set_batch_norm_statistics(backbone, image_batches())
            with whole_file(path) as temporary:
                backbone.save_weights(temporary)
        paths[instance] = path

    return paths


def shift_batch_norm(model: keras.Model, deviations: float) -> None:
    """Sets the shift (beta) of a fresh model's BatchNorms but the last, in deviations of their output.

    The last one is left, so that the maps have a small constant part and train well.
    """
    for norm in _batch_norms(model)[:-1]:
        norm.beta.assign(keras.ops.full(norm.beta.shape, deviations))


def blur_with_depthwise_kernels(model: keras.Model) -> None:
    """Makes the kernels of all depthwise convolutions of a fresh model positive."""
    for layer in model.layers:
        if isinstance(layer, keras.layers.DepthwiseConv2D):
            layer.kernel.assign(keras.ops.abs(layer.kernel))
        elif isinstance(layer, keras.layers.SeparableConv2D):
            layer.depthwise_kernel.assign(keras.ops.abs(layer.depthwise_kernel))


def set_batch_norm_statistics(model: keras.Model, image_batches: Iterable) -> None:
    """Sets every BatchNorm's moving statistics to the mean over `image_batches`.

    Args:
        model: A model whose BatchNorm layers train; called eagerly.
        image_batches: Iterable of inputs.
    """
    norms = _batch_norms(model)
    momenta = [norm.momentum for norm in norms]
    for seen, images in enumerate(image_batches):
        for norm in norms:
            norm.momentum = seen / (
                seen + 1
            )  # a running mean over equally weighted batches
        model(images, training=True)
    for norm, momentum in zip(norms, momenta):
        norm.momentum = momentum


def _batch_norms(model):
    return [
        layer
        for layer in model.layers
        if isinstance(layer, keras.layers.BatchNormalization)
    ]
