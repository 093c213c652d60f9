"""The two sides of the HiFuse benchmark, each in a process of its own: this package and the official code.

A side makes one network and does two things with it: `forward`, the logits at inference, and `step`, a
training step with cross-entropy and AdamW. Inputs are the same on both sides.
"""

import importlib.util
import multiprocessing
import resource
import sys
import time
from pathlib import Path

import numpy as np

from data_prep.errors import UserError
from data_prep.quiet_tensorflow import import_tensorflow

NUM_CLASSES = 7
SIZE_PX = 224
LEARNING_RATE, WEIGHT_DECAY = 1e-4, 0.01
WARM_UPS = 2

ORIGINAL = "original"
EAGER, COMPILED, XLA = "eager", "compiled", "XLA"
MODES = (EAGER, COMPILED, XLA)
FORWARD, STEP = "forward", "step"


def images_and_labels(batch: int) -> tuple[np.ndarray, np.ndarray]:
    """Images `(batch, height, width, 3)` in about [-1, 1], and a class for each."""
    generator = np.random.default_rng(0)
    images = generator.normal(0, 0.5, (batch, SIZE_PX, SIZE_PX, 3)).astype("float32")
    return images, generator.integers(0, NUM_CLASSES, batch)


class Side:
    """A process with one network, warm only once asked for the first time.

    Args:
        mode: `ORIGINAL` or one of `MODES`.
        size: "tiny", "small" or "base".
        batch: Images at a time.
        original: Folder of the official code.
        weights: `.npz` of the official weights by name; written by the original, read by ours. None: none are
            exchanged.
    """

    def __init__(self, mode: str, size: str, batch: int, original: Path | None, weights: Path | None):
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, mode, size, batch, original, weights))
        self._process.start()
        theirs.close()
        self._name = f"{mode} {size}"

    def __enter__(self):
        self._libraries_mib = self._receive()  # comes when the network is made
        return self

    def __exit__(self, *_):
        self._pipe.close()
        self._process.join(timeout=30)
        if self._process.is_alive():
            self._process.terminate()

    def milliseconds(self, what: str) -> float:
        """Duration of one `FORWARD` or `STEP`."""
        return self._ask("time", what)

    def logits(self) -> np.ndarray:
        return self._ask("logits", None)

    def memory_mib(self) -> tuple[float, float]:
        """Most memory that the process has held so far, and what it held with just the libraries imported."""
        return self._ask("peak", None), self._libraries_mib

    def _ask(self, *request):
        self._pipe.send(request)
        return self._receive()

    def _receive(self):
        try:
            answer = self._pipe.recv()
        except EOFError:
            self._process.join()
            raise RuntimeError(f"{self._name} ended with {self._process.exitcode}") from None
        if isinstance(answer, Exception):
            raise answer
        return answer


def _serve(pipe, mode, size, batch, original, weights):
    """What the process does: answers requests until the other end is closed."""
    try:
        if mode == ORIGINAL:
            side = _original(size, batch, original, weights)
        else:
            side = _ours(mode, size, batch, weights)
        pipe.send(side["libraries_mib"])
        warm = set()
        while True:
            request, what = pipe.recv()
            if request == "time" and what not in warm:
                for _ in range(WARM_UPS):
                    side[what]()
                warm.add(what)
            pipe.send(_answer(side, request, what))
    except EOFError:
        return
    except Exception as error:  # goes to the other process, which ends the benchmark
        pipe.send(error if isinstance(error, UserError) else RuntimeError(f"{mode} {size}: {error}"))


def _answer(side, request, what):
    if request == "peak":
        return peak_mib()
    if request == "logits":
        return side[FORWARD]()
    started_s = time.perf_counter()
    side[what]()
    return 1000 * (time.perf_counter() - started_s)


def peak_mib() -> float:
    """Most memory that this process has held so far."""
    per_mib = 2**20 if sys.platform == "darwin" else 2**10  # bytes on macOS, KiB elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / per_mib


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
        gradients = tape.gradient(loss, [variable.value for variable in model.trainable_variables])
        optimizer.apply(gradients, model.trainable_variables)
        return loss

    if mode != EAGER:
        forward, step = (tf.function(f, autograph=False, jit_compile=mode == XLA) for f in (forward, step))

    def whole_step():
        if not optimizer.built:  # only now, as its memory is that of two more networks
            optimizer.build(model.trainable_variables)
        return step(images, labels).numpy()

    return {FORWARD: lambda: forward(images).numpy(), STEP: whole_step, "libraries_mib": libraries_mib}


def _original(size, batch, folder, weights):
    try:
        import torch
    except ImportError as error:
        raise UserError(f"--original needs torch: {error}; pip install torch") from error

    libraries_mib = peak_mib()
    torch.manual_seed(0)
    model = getattr(_official_code(folder), f"HiFuse_{size.capitalize()}")(num_classes=NUM_CLASSES)
    if weights is not None:
        np.savez(weights, **{name: tensor.numpy() for name, tensor in model.state_dict().items()})
    images, labels = images_and_labels(batch)
    images, labels = torch.from_numpy(images.transpose(0, 3, 1, 2).copy()), torch.from_numpy(labels)
    optimizer = torch.optim.AdamW(model.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY)

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

    return {FORWARD: forward, STEP: step, "libraries_mib": libraries_mib}


def _official_code(folder):
    path = Path(folder) / "main_model.py"
    if not path.is_file():
        raise UserError(f"there is no {path}; --original is the folder of HiFuse's official code")
    specification = importlib.util.spec_from_file_location("official_hifuse", path)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module
