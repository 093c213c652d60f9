"""Exports a trained run as the next version of a SavedModel for TensorFlow Serving.

    python -m training.export --run runs/NAME
"""

import argparse
import logging

from data_prep import command_line
from data_prep.quiet_tensorflow import import_tensorflow

logger = logging.getLogger(__name__)


def main(argv=None):
    """The program behind `make export`."""
    parser = argparse.ArgumentParser(
        prog="python -m training.export",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--run", required=True, help="folder of a trained run")
    arguments = parser.parse_args(argv)
    import_tensorflow()
    from training import session  # after TensorFlow came in quietly

    version = session.export(arguments.run)
    logger.info("Serve it with: tensorflow_model_server --rest_api_port=8501 --model_name=%s "
                "--model_base_path=%s", version.parent.name, version.parent.resolve())


if __name__ == "__main__":
    raise SystemExit(command_line.run(main))
