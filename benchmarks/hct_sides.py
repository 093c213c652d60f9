"""The two sides of the HCT benchmark: this package and the official code.

A side makes one network and does two things with one image: `FORWARD`, the logits at inference, and `STEP`,
a training step with cross-entropy and Adam. The image is the same on both sides.
"""

import importlib
import sys
from pathlib import Path

import numpy as np

from benchmarks.paired import FORWARD, STEP
from benchmarks.sides import LIBRARIES, Side, peak_mib
from keras_medformers.support.errors import UserError
from keras_medformers.support.quiet_tensorflow import import_tensorflow

NUM_CLASSES = 2
LEARNING_RATE = 2e-5
OURS, ORIGINAL = "ours", "original"

MODELS = {
    "hct": {"use_performer_RELU": True},
    "hct_softmax": {"use_performer_RELU": False},
    "gmic": {"num_conv_stages": 5},
    "hct_nystrom": None,
    "def_gmic": None,
}
"""What the official network is made with; None where there is none."""


def make_side(
    side: str,
    model: str,
    size: tuple[int, int],
    original: Path | None,
    weights: Path | None,
) -> Side:
    """A process with one network.

    Args:
        side: `OURS` or `ORIGINAL`.
        model: A key of `MODELS`.
        size: Height and width of the image.
        original: Folder of the official code.
        weights: `.npz` of the official weights by name; written by the original, read by ours. None: none are
            exchanged.
    """
    name = f"{side}, {model} at {size[0]}x{size[1]}"
    if side == ORIGINAL:
        return Side(_original, model, size, original, weights, name=name)
    return Side(_ours, model, size, weights, name=name)


def image_and_label(size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """A standardised image `(1, height, width, 1)`, and its class."""
    image = np.random.default_rng(0).standard_normal((1, *size, 1), dtype="float32")
    return image, np.ones(1, "int64")


def _ours(model, size, weights):
    tf = import_tensorflow()
    import keras

    import keras_medformers
    from keras_medformers.porting import load_state_dict

    libraries_mib = peak_mib()
    network = keras_medformers.create_model(
        model, num_classes=NUM_CLASSES, input_shape=(*size, 1)
    )
    if weights is not None:
        with np.load(weights) as arrays:
            load_state_dict(network, arrays)
    image, label = (tf.constant(array) for array in image_and_label(size))
    optimizer = keras.optimizers.Adam(LEARNING_RATE)
    cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    @tf.function(autograph=False)
    def forward(image):
        return network(image, training=False)

    @tf.function(autograph=False)
    def step(image, label):
        with tf.GradientTape() as tape:
            loss = cross_entropy(label, network(image, training=True))
        gradients = tape.gradient(
            loss, [variable.value for variable in network.trainable_variables]
        )
        optimizer.apply(gradients, network.trainable_variables)
        return loss

    def whole_step():
        if not optimizer.built:
            optimizer.build(network.trainable_variables)
        return step(image, label).numpy()

    return {
        FORWARD: lambda: forward(image).numpy(),
        STEP: whole_step,
        LIBRARIES: libraries_mib,
    }


def _original(model, size, folder, weights):
    try:
        import torch

        sys.path.insert(0, str(folder))
        official = importlib.import_module("hct_base")
    except ImportError as error:
        raise UserError(
            f"--original needs what the official code imports: {error}; "
            "pip install torch torchvision dill einops"
        ) from error

    libraries_mib = peak_mib()
    torch.manual_seed(0)
    network = official.HCTBase(num_classes=NUM_CLASSES, **MODELS[model])
    if weights is not None:
        np.savez(
            weights,
            **{name: tensor.numpy() for name, tensor in network.state_dict().items()},
        )
    image, label = image_and_label(size)
    image, label = (
        torch.from_numpy(image.transpose(0, 3, 1, 2).copy()),
        torch.from_numpy(label),
    )
    optimizer = torch.optim.Adam(network.parameters(), LEARNING_RATE)

    def forward():
        network.eval()
        with torch.inference_mode():
            return network(image).numpy()

    def step():
        network.train()
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(network(image), label)
        loss.backward()
        optimizer.step()
        return loss.item()

    return {FORWARD: forward, STEP: step, LIBRARIES: libraries_mib}
