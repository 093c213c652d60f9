"""Exports the model of a run folder: `python -m keras_medformers.serving RUN_DIR [--output DIR]`."""

import argparse
import contextlib
import json
import logging
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

USER_ERROR_EXIT_CODE = 2
_NEEDED_SETTINGS = ("model", "input_size", "label_names")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the program and returns its exit code: 0, or 2 after a mistake of the user's."""
    arguments = _parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        version = export_run(arguments.run_dir, arguments.output)
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return USER_ERROR_EXIT_CODE
    print(version)
    return 0


def export_run(run_dir: str | Path, output: str | Path | None = None) -> Path:
    """Exports `RUN_DIR/model.keras` as the next version under `OUTPUT/MODEL/`.

    Args:
        run_dir: A run folder with `config.json` (`model`, `input_size`, `label_names`) and `model.keras`.
        output: Folder of the exports; `RUN_DIR/export` if not given.

    Returns:
        The version's folder.

    Raises:
        FileNotFoundError: If a file of the run folder is absent.
        ValueError: If a file is not what it should be.
    """
    run_dir = Path(run_dir)
    config = _read_config(run_dir / "config.json")
    model_path = run_dir / "model.keras"
    if not model_path.is_file():
        raise FileNotFoundError(
            f"There is no model in {model_path}. Expected what training writes there; train first"
        )
    with _quiet_tensorflow():
        import keras

        import keras_medformers
        from keras_medformers.serving.export import export_saved_model

        preprocessor = keras_medformers.preprocessor(config["model"], config["input_size"])
    try:
        model = keras.models.load_model(model_path, compile=False)
    except (OSError, TypeError, ValueError, KeyError) as error:
        raise ValueError(f"{model_path} cannot be read as a Keras model: {error}") from error
    activated = (config.get("model_config") or {}).get("classifier_activation")
    return export_saved_model(
        model,
        preprocessor,
        config["label_names"],
        (run_dir / "export" if output is None else Path(output)) / config["model"],
        activation="linear" if activated else "sigmoid",
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m keras_medformers.serving",
        description="Exports a run's model as a SavedModel for TensorFlow Serving: OUTPUT/MODEL/VERSION/, "
        "the version being the next number.",
    )
    parser.add_argument("run_dir", type=Path, metavar="RUN_DIR", help="a run folder that training wrote")
    parser.add_argument(
        "--output", type=Path, metavar="DIR", help="folder of the exports (default: RUN_DIR/export)"
    )
    return parser


def _read_config(path: Path) -> dict:
    if not path.is_file():
        raise FileNotFoundError(f"There is no {path}. Expected a run folder, as training writes it")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not valid JSON: {error}") from error
    absent = [key for key in _NEEDED_SETTINGS if not isinstance(config, dict) or key not in config]
    if absent:
        raise ValueError(
            f"{path} has no {', '.join(absent)}. Expected a run's configuration, as training writes it"
        )
    return config


@contextlib.contextmanager
def _quiet_tensorflow() -> Iterator[None]:
    """Keeps what TensorFlow's libraries write to standard error while they start; shows it if they fail."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(kept, held.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


if __name__ == "__main__":
    sys.exit(main())
