"""Turns an official PyTorch checkpoint into a Keras weights file.

    python -m keras_medformers.porting hifuse_tiny official.pth hifuse_tiny.weights.h5
    python -m keras_medformers.porting hifuse_tiny official.pth large.keras --set "input_shape=(448, 448, 3)"

Checkpoints are read without running code from them; each variable is set or its lack is said.
"""

import argparse
import ast
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from keras_medformers.porting.checkpoint import read_checkpoint
from keras_medformers.porting.state_dict import classes_of, load_state_dict
from keras_medformers.registry import create_model
from keras_medformers.support.whole_files import whole_file

logger = logging.getLogger(__name__)

OUTPUT_SUFFIXES = (".weights.h5", ".keras")
NOT_SETTINGS = {
    "name": "MODEL",
    "num_classes": "--num-classes",
    "weights": "CHECKPOINT",
}


def main(argv=None) -> int:
    """Runs the program and gives its exit code: 2, after one line, for a mistake of the user's."""
    arguments = _parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        port(**vars(arguments))
    except (ValueError, OSError) as error:
        sys.stderr.write(f"error: {' '.join(str(error).split())}\n")
        return 2
    return 0


def port(
    name: str,
    checkpoint: Path,
    output: Path,
    num_classes: int | None = None,
    assignments: Sequence[str] = (),
) -> None:
    """Builds the model `name`, loads `checkpoint` into it and writes `output`.

    Args:
        name: A name from `list_models()`.
        checkpoint: File that `read_checkpoint` takes.
        output: A `.weights.h5` file, or a `.keras` file, which holds the architecture, too.
        num_classes: Size of the classifier; the checkpoint's by default.
        assignments: Other settings of the model, as `key=value`.

    Raises:
        ValueError: If an argument or the checkpoint's content does not fit.
        OSError: If a file is not there or cannot be written.
    """
    if not output.name.endswith(OUTPUT_SUFFIXES):
        raise ValueError(
            f"Expected OUT to end in {' or '.join(OUTPUT_SUFFIXES)}. Received: {output}"
        )
    if not output.parent.is_dir():
        raise ValueError(f"Expected OUT in a folder that exists. Received: {output}")

    settings = _settings(assignments)
    state_dict = read_checkpoint(checkpoint)
    model = create_model(name, num_classes=num_classes, **settings)
    classes = classes_of(model, state_dict)
    if (
        num_classes is None
        and classes is not None
        and classes != model.output_shape[-1]
    ):
        model = create_model(name, num_classes=classes, **settings)

    unused = load_state_dict(model, state_dict)
    _write(model, output)
    parameters = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    modules = dict.fromkeys(name.rpartition(".")[0] or name for name in unused)
    logger.info(
        "Wrote %s: %d tensors of %s, %s trainable parameters. Not needed: %d tensors%s",
        output,
        len(model.weights),
        checkpoint,
        f"{parameters:,}",
        len(unused),
        f" of {', '.join(modules)}" if modules else "",
    )


def _write(model: keras.Model, output: Path) -> None:
    """Writes the weights, or the whole model; the file gets its name once it has been read back, equal."""
    with whole_file(output) as partial:
        if output.suffix == ".keras":
            model.save(partial)
            written = keras.saving.load_model(partial)
        else:
            model.save_weights(partial)
            written = keras.models.clone_model(model)
            written.load_weights(partial)
        for weight, read in zip(model.weights, written.weights, strict=True):
            if not np.array_equal(*map(keras.ops.convert_to_numpy, (weight, read))):
                raise OSError(
                    f"{output} was written wrong: {weight.path} differs. Is the disk full?"
                )


def _settings(assignments: Sequence[str]) -> dict:
    settings = {}
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals or not key.isidentifier():
            raise ValueError(f"Expected --set key=value. Received: --set {assignment}")
        if key in NOT_SETTINGS:
            raise ValueError(
                f"Expected {NOT_SETTINGS[key]} in place of --set {assignment}"
            )
        try:
            settings[key] = ast.literal_eval(text)
        except (ValueError, SyntaxError):
            settings[key] = text
    return settings


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m keras_medformers.porting",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "name", metavar="MODEL", help="name of the model, for example hifuse_tiny"
    )
    parser.add_argument(
        "checkpoint",
        metavar="CHECKPOINT",
        type=Path,
        help="official checkpoint: .safetensors, or .pt, .pth, .bin with the model's state_dict at the top "
        "level or under state_dict, model or net; a pickled model is refused: reading it would run its code",
    )
    parser.add_argument(
        "output",
        metavar="OUT",
        type=Path,
        help="file to write: .weights.h5, or .keras, which holds the architecture, too",
    )
    parser.add_argument(
        "--num-classes",
        type=int,
        metavar="N",
        help="size of the classifier (default: the checkpoint's)",
    )
    parser.add_argument(
        "--set",
        nargs="+",
        action="extend",
        default=[],
        metavar="KEY=VALUE",
        dest="assignments",
        help='other settings of the model, for example "input_shape=(448, 448, 3)"',
    )

    return parser


if __name__ == "__main__":
    raise SystemExit(main())
