"""The network that a run has trained."""

from pathlib import Path

import keras

from keras_medformers.support.errors import UserError
from training.runs.config import MODEL_FILE


def load_model(run_dir: str | Path) -> keras.Model:
    """The run's whole network, giving logits; of several tasks by task.

    Raises:
        UserError: If the run is not trained yet.
    """
    path = Path(run_dir) / MODEL_FILE
    if not path.is_file():
        raise UserError(
            f"{run_dir} has no {MODEL_FILE} yet; train it first: make train"
        )
    return keras.models.load_model(path, compile=False)
