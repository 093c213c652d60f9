"""The sides of the serving benchmark, each in a process of its own: a Keras model, SavedModels without it."""

import time
from pathlib import Path

import numpy as np

from benchmarks.own_process import OwnProcess
from keras_medformers.support.quiet_tensorflow import import_tensorflow

PREDICT, CALL = "model.predict", "model(x)"

IN_TURN = "one op a time"
"""The export with its operations one after another: what backbones side by side gain."""


class Side(OwnProcess):
    """A process that answers for raw pixels, timed from its start.

    Args:
        name: What to answer with: `PREDICT`, `CALL`, or anything else, such as `IN_TURN`, for a SavedModel.
        model: A `.keras` file for the first two, else the folder of a version.
        preprocessor: Name of the model whose preprocessing belongs before a `.keras` file.
        first: Raw pixels that are answered once before the process counts as started.

    Attributes:
        cold_start_s: Seconds from the start of the process to the first answer.
    """

    def __init__(self, name: str, model: Path, preprocessor: str, first: np.ndarray):
        started_s = time.perf_counter()
        super().__init__(_make, (name, model, preprocessor), name)
        self.ask(first)
        self.cold_start_s = time.perf_counter() - started_s

    def seconds(self, pixels: np.ndarray) -> float:
        """Duration of one answer, without the way between the processes."""
        return self.ask(pixels)[0]

    def probabilities(self, pixels: np.ndarray) -> np.ndarray:
        """`(batch, labels)`; those of all outputs side by side."""
        return self.ask(pixels)[1]


def _make(name, model, preprocessor):
    """Loads a side in its process. Returns what answers for pixels, with the seconds that it took."""
    answer = (
        _keras(name, model, preprocessor)
        if name in (PREDICT, CALL)
        else _saved_model(name, model)
    )

    def timed(pixels):
        started_s = time.perf_counter()
        outputs = answer(pixels)
        return time.perf_counter() - started_s, outputs

    return timed


def _saved_model(name, version):
    tf = import_tensorflow()
    if name == IN_TURN:
        tf.config.threading.set_inter_op_parallelism_threads(1)
    loaded = tf.saved_model.load(
        str(version)
    )  # which has to stay: the signature does not keep the variables
    signature = loaded.signatures["serving_default"]

    def answer(pixels, loaded=loaded):
        outputs = signature(pixels=tf.constant(pixels))
        names = sorted(name for name, x in outputs.items() if x.dtype != tf.string)
        return np.concatenate([outputs[name].numpy() for name in names], axis=1)

    return answer


def _keras(name, path, preprocessor):
    import_tensorflow()
    import keras

    import keras_medformers

    # Asked for before the file is read: that registers the models' layers.
    prepare = keras_medformers.preprocessor(preprocessor)
    model = keras.models.load_model(path, compile=False)

    def answer(pixels):
        images = prepare(pixels)
        outputs = (
            model.predict(images, len(images), verbose=0)
            if name == PREDICT
            else model(images)
        )
        outputs = outputs if isinstance(outputs, dict) else {"probabilities": outputs}
        return np.concatenate(
            [np.asarray(outputs[name]) for name in sorted(outputs)], axis=1
        )

    return answer
