"""The two sides of the HiFuse benchmark, each in a process of its own: this package and the official code.

A side makes one network and does two things with it: `FORWARD`, the logits at inference, and `STEP`, a
training step with cross-entropy and AdamW. Inputs are the same on both sides.
"""

import importlib.util
from pathlib import Path

import numpy as np

from benchmarks.paired import FORWARD, STEP
from benchmarks.sides import LIBRARIES, Side, peak_mib
from keras_medformers.support.errors import UserError
from keras_medformers.support.quiet_tensorflow import import_tensorflow

NUM_CLASSES = 7
SIZE_PX = 224
LEARNING_RATE, WEIGHT_DECAY = 1e-4, 0.01

ORIGINAL = "original"
EAGER, COMPILED, XLA = "eager", "compiled", "XLA"
MODES = (EAGER, COMPILED, XLA)


def images_and_labels(batch: int) -> tuple[np.ndarray, np.ndarray]:
    """Images `(batch, height, width, 3)` in about [-1, 1], and a class for each."""
    generator = np.random.default_rng(0)
    images = generator.normal(0, 0.5, (batch, SIZE_PX, SIZE_PX, 3)).astype("float32")
    return images, generator.integers(0, NUM_CLASSES, batch)


def make_side(
    mode: str, size: str, batch: int, original: Path | None, weights: Path | None
) -> Side:
    """A process with one network.

    Args:
        mode: `ORIGINAL` or one of `MODES`.
        size: "tiny", "small" or "base".
        batch: Images at a time.
        original: Folder of the official code.
        weights: `.npz` of the official weights by name; written by the original, read by ours. None: none are
            exchanged.
    """
    name = f"{mode} {size}"
    if mode == ORIGINAL:
        return Side(_original, size, batch, original, weights, name=name)
    return Side(_ours, mode, size, batch, weights, name=name)


def _ours(mode, size, batch, weights):
    tf = import_tensorflow()
    import keras

    import keras_medformers
    from keras_medformers.porting import load_state_dict

    libraries_mib = peak_mib()
    model = keras_medformers.create_model(f"hifuse_{size}", num_classes=NUM_CLASSES)
    if weights is not None:
        with np.load(weights) as arrays:
            load_state_dict(model, arrays)
    images, labels = images_and_labels(batch)
    images, labels = tf.constant(images), tf.constant(labels)
    optimizer = keras.optimizers.AdamW(LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def forward(images):
        return model(images, training=False)

    def step(images, labels):
        with tf.GradientTape() as tape:
            loss = cross_entropy(labels, model(images, training=True))
        gradients = tape.gradient(
            loss, [variable.value for variable in model.trainable_variables]
        )
        optimizer.apply(gradients, model.trainable_variables)
        return loss

    if mode != EAGER:
        forward, step = (
            tf.function(f, autograph=False, jit_compile=mode == XLA)
            for f in (forward, step)
        )

    def whole_step():
        if not optimizer.built:  # only now, as its memory is that of two more networks
            optimizer.build(model.trainable_variables)
        return step(images, labels).numpy()

    return {
        FORWARD: lambda: forward(images).numpy(),
        STEP: whole_step,
        LIBRARIES: libraries_mib,
    }


def _original(size, batch, folder, weights):
    try:
        import torch
    except ImportError as error:
        raise UserError(
            f"--original needs torch: {error}; pip install torch"
        ) from error

    libraries_mib = peak_mib()
    torch.manual_seed(0)
    model = getattr(_official_code(folder), f"HiFuse_{size.capitalize()}")(
        num_classes=NUM_CLASSES
    )
    if weights is not None:
        np.savez(
            weights,
            **{name: tensor.numpy() for name, tensor in model.state_dict().items()},
        )
    images, labels = images_and_labels(batch)
    images, labels = (
        torch.from_numpy(images.transpose(0, 3, 1, 2).copy()),
        torch.from_numpy(labels),
    )
    optimizer = torch.optim.AdamW(
        model.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY
    )

    def forward():
        model.eval()
        with torch.inference_mode():
            return model(images).numpy()

    def step():
        model.train()
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        return loss.item()

    return {FORWARD: forward, STEP: step, LIBRARIES: libraries_mib}


def _official_code(folder):
    path = Path(folder) / "main_model.py"
    if not path.is_file():
        raise UserError(
            f"there is no {path}; --original is the folder of HiFuse's official code"
        )
    specification = importlib.util.spec_from_file_location("official_hifuse", path)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module
