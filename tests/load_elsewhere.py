"""Answers requests with SavedModels in a process that has neither Keras nor this package, in three ways.

    python tests/load_elsewhere.py FOLDER

`FOLDER/requests.json` lists, by any name, `export`, `signature` and `inputs`, an npz file's name in `FOLDER`.
What `tf.saved_model.load`, `saved_model_cli run` and the C API answer goes to `FOLDER/WAY/NAME.npz`.
"""

import json
import pathlib
import sys

# TensorFlow imports Keras by itself where it is installed; None is as if it were not.
ABSENT = ("keras", "keras_medformers", "data_prep", "training")
sys.modules.update(dict.fromkeys(ABSENT))

import c_api  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
from tensorflow.python.tools import saved_model_cli  # noqa: E402

WAYS = ("saved_model", "command", "c_api")


def main(folder):
    """Writes all answers."""
    folder = pathlib.Path(folder)
    for way in WAYS:
        (folder / way).mkdir()
    loaded = {}
    for name, request in json.loads((folder / "requests.json").read_text()).items():
        export, signature = request["export"], request["signature"]
        inputs = dict(np.load(folder / request["inputs"], allow_pickle=True))
        if export not in loaded:
            loaded[export] = tf.saved_model.load(export), c_api.Session(export)
        model, session = loaded[export]
        tensors = {key: tf.constant(value) for key, value in inputs.items()}
        answer = model.signatures[signature](**tensors)
        np.savez(
            folder / "saved_model" / name,
            **{key: value.numpy() for key, value in answer.items()},
        )
        np.savez(folder / "c_api" / name, **session.run(signature, inputs))
        answer = _run_command(export, signature, inputs, folder / "command" / name)
        np.savez(folder / "command" / name, **answer)
    found = {
        module.split(".")[0]
        for module, content in sys.modules.items()
        if content is not None
    }
    assert not found & set(ABSENT), found & set(ABSENT)


def _run_command(export, signature, inputs, output):
    """What `saved_model_cli run` calls once it has read its arguments; it writes a file per output."""
    saved_model_cli.run_saved_model_with_feed_dict(
        export, "serve", signature, inputs, output, False
    )
    return {
        path.stem: np.load(path, allow_pickle=True) for path in output.glob("*.npy")
    }


if __name__ == "__main__":
    main(sys.argv[1])
