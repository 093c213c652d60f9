"""Exports a trained run as the next version of a SavedModel for TensorFlow Serving.

    python -m training.export --run runs/NAME

The export is compared with the run's model on images of its validation split before it gets its place in
`RUN/export/MODEL/VERSION/`; a version that stands there is never changed. Ends with commands that serve it.
"""

import argparse
import logging
import shlex
from pathlib import Path

from keras_medformers.serving.optimize import VARIANTS
from keras_medformers.serving.server_files import IMAGE
from keras_medformers.support import command_line
from training.runs import session

logger = logging.getLogger(__name__)

GRPC_PORT, REST_PORT = 8500, 8501
PLAIN = "plain"


def main(argv: list[str] | None = None) -> None:
    """The program behind `make export`."""
    parser = argparse.ArgumentParser(
        prog="python -m training.export",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--run", required=True, help="folder of a trained run")
    parser.add_argument(
        "--variant",
        choices=(PLAIN, *VARIANTS),
        default=PLAIN,
        help="also writes MODEL_VARIANT beside MODEL: frozen, what parameters alone decide computed "
        "beforehand; bfloat16, the same in half the size; xla, compiled at the first call (default: plain, "
        "which is MODEL alone)",
    )
    arguments = parser.parse_args(argv)
    variant = None if arguments.variant == PLAIN else arguments.variant
    for line in serve_commands(session.export(arguments.run, variant)):
        logger.info("%s", line)


def serve_commands(version: Path) -> list[str]:
    """Commands that serve an export: from the public image, and with a server on this machine.

    Args:
        version: The version's folder.

    Returns:
        Lines to print.
    """
    name, folder = version.parent.name, str(version.parent.resolve())
    docker = [
        "docker",
        "run",
        "--rm",
        "-p",
        f"{GRPC_PORT}:{GRPC_PORT}",
        "-p",
        f"{REST_PORT}:{REST_PORT}",
        "-v",
        f"{folder}:/models/{name}:ro",
        "-e",
        f"MODEL_NAME={name}",
        IMAGE,
    ]
    server = [
        "tensorflow_model_server",
        f"--port={GRPC_PORT}",
        f"--rest_api_port={REST_PORT}",
        f"--model_name={name}",
        f"--model_base_path={folder}",
    ]

    return [
        f"Serve it with:   {shlex.join(docker)}",
        f"without Docker:  {shlex.join(server)}",
    ]


if __name__ == "__main__":
    raise SystemExit(command_line.run(main))
