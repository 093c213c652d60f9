r"""Writes what TensorFlow Serving needs around exported models.

    python -m keras_medformers.serving.server_files --exports runs/a/export/hifuse_tiny --output serving
    python -m keras_medformers.serving.server_files --exports first=runs/a/export/hifuse_tiny \
        second=runs/b/export/hifuse_tiny --pin first=1 --output serving

Into the output folder: models.config (which models, which versions), batching.config, monitoring.config,
docker-compose.yml for the public image tensorflow/serving and its GPU twin, and prometheus.yml, to collect
the server's figures. A folder of an export holds versions, and the server takes new ones as they appear.
docs/serving.md says how the files are used.
"""

import argparse
import json
import logging
import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from keras_medformers.support.whole_files import write_text

logger = logging.getLogger(__name__)

IMAGE = "tensorflow/serving:2.20.0"
"""Image of the server; the same tag with `-gpu` behind it is its GPU twin."""

PROMETHEUS_IMAGE = "prom/prometheus:v2.53.4"

METRICS_PATH = "/monitoring/prometheus/metrics"
GRPC_PORT, REST_PORT = 8500, 8501

MAX_BATCH_SIZE = 8
BATCHES_IN_REQUEST = 16
BATCHES_IN_QUEUE = 100
BATCH_TIMEOUT_MICROS = 5000

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def main(argv=None) -> int:
    """Runs the program and gives its exit code: 2, after one line, for a mistake of the user's."""
    arguments = _parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        exports = named_exports(arguments.exports)
        files = write_server_files(
            exports,
            arguments.output,
            keep_versions=arguments.keep_versions,
            pinned=_pinned(arguments.pin),
            max_batch_size=arguments.max_batch_size,
            batch_threads=arguments.batch_threads,
            batching=not arguments.no_batching,
            image=arguments.image,
        )
    except (ValueError, OSError) as error:
        sys.stderr.write(f"error: {' '.join(str(error).split())}\n")
        return 2

    logger.info("Wrote %s for %s", ", ".join(map(str, files)), ", ".join(exports))
    logger.info(
        "Start the server: docker compose -f %s up serving",
        arguments.output / "docker-compose.yml",
    )
    return 0


def named_exports(arguments: Sequence[str]) -> dict[str, Path]:
    """Folders of exports by the name that clients use: `FOLDER`, named after itself, or `NAME=FOLDER`.

    Raises:
        ValueError: If a folder holds no version, or a name is not fit or is there twice.
    """
    exports = {}
    for argument in arguments:
        name, separator, folder = argument.partition("=")
        folder = Path(folder if separator else argument)
        _check_export(folder)
        name = name if separator else folder.resolve().name
        if not _NAME.fullmatch(name):
            raise ValueError(
                "a model's name must be letters, digits, '_', '-' and '.', since it is part of URLs. "
                f"Received: {name!r} of {argument}"
            )
        if name in exports:
            raise ValueError(
                f"two exports are named {name}: {exports[name]} and {folder}. Rename one: "
                f"--exports NEW={folder}"
            )
        exports[name] = folder
    return exports


def write_server_files(
    exports: Mapping[str, str | Path],
    output: str | Path,
    *,
    keep_versions: int = 1,
    pinned: Mapping[str, Sequence[int]] | None = None,
    max_batch_size: int = MAX_BATCH_SIZE,
    batch_threads: int = 4,
    batching: bool = True,
    image: str = IMAGE,
) -> list[Path]:
    """Writes the server's files; files of these names are replaced.

    Args:
        exports: Folders that hold versions, by the model's name.
        output: Folder for the files; made if absent.
        keep_versions: How many of each model's latest versions are served.
        pinned: Versions to serve instead, by the model's name; for going back to an earlier one.
        max_batch_size: Most images that the server runs at once.
        batch_threads: Batches that run at the same time, of all models.
        batching: Whether the server puts requests that arrive together into one batch.
        image: Image of the server, with its tag.

    Returns:
        The files.

    Raises:
        ValueError: If an argument is out of its range, a folder holds no version, or a pinned version is not
            there.
    """
    exports = {name: Path(folder) for name, folder in exports.items()}
    pinned = dict(pinned or {})
    for folder in exports.values():
        _check_export(folder)
    for setting, value in (
        ("--keep-versions", keep_versions),
        ("--max-batch-size", max_batch_size),
        ("--batch-threads", batch_threads),
    ):
        if value < 1:
            raise ValueError(f"{setting} must be at least 1. Received: {value}")

    if not exports:
        raise ValueError("expected at least one export. Received: none")

    _check_pinned(pinned, exports)
    output = Path(output)
    output.mkdir(parents=True, exist_ok=True)
    texts = {
        "models.config": models_config(exports, keep_versions, pinned),
        "monitoring.config": monitoring_config(),
        "docker-compose.yml": docker_compose(exports, output, image, batching),
        "prometheus.yml": prometheus_config(),
    }
    if batching:
        texts["batching.config"] = batching_config(max_batch_size, batch_threads)

    for (
        name,
        text,
    ) in texts.items():  # whole: a server reads models.config again and again
        write_text(output / name, text)

    return [output / name for name in texts]


def models_config(
    names: Sequence[str] | Mapping[str, Path],
    keep_versions: int = 1,
    pinned: Mapping | None = None,
) -> str:
    """A `tensorflow.serving.ModelServerConfig` as text: the models below /models and their versions."""
    blocks = []
    for name in names:
        if versions := (pinned or {}).get(name):
            policy = (
                "specific { "
                + " ".join(f"versions: {version}" for version in versions)
                + " }"
            )
        else:
            policy = f"latest {{ num_versions: {keep_versions} }}"
        blocks.append(f"""\
  config {{
    name: {_quoted(name)}
    base_path: {_quoted(_in_container(name))}
    model_platform: "tensorflow"
    model_version_policy {{ {policy} }}
  }}
""")
    return "model_config_list {\n" + "".join(blocks) + "}\n"


def batching_config(
    max_batch_size: int = MAX_BATCH_SIZE, batch_threads: int = 4
) -> str:
    """A `tensorflow.serving.BatchingParameters` as text.

    The server fills a batch up to the next allowed size, so that the model meets few shapes: powers of two up
    to the largest. A larger request is split. Requests whose images differ in size must not be padded: the
    padding would be part of the image.
    """
    sizes = [
        2**power
        for power in range(max_batch_size.bit_length())
        if 2**power < max_batch_size
    ]
    allowed = "".join(
        f"allowed_batch_sizes: {size}\n" for size in [*sizes, max_batch_size]
    )
    return f"""\
max_batch_size {{ value: {BATCHES_IN_REQUEST * max_batch_size} }}
batch_timeout_micros {{ value: {BATCH_TIMEOUT_MICROS} }}
max_enqueued_batches {{ value: {BATCHES_IN_QUEUE} }}
num_batch_threads {{ value: {batch_threads} }}
enable_large_batch_splitting {{ value: true }}
max_execution_batch_size {{ value: {max_batch_size} }}
{allowed}pad_variable_length_inputs: false
"""


def monitoring_config() -> str:
    """A `tensorflow.serving.MonitoringConfig` as text: figures for Prometheus on the REST port."""
    return f'prometheus_config {{\n  enable: true\n  path: "{METRICS_PATH}"\n}}\n'


def prometheus_config() -> str:
    """Configuration of a Prometheus server that collects the figures of docker-compose.yml's services."""
    return f"""\
global:
  scrape_interval: 15s
scrape_configs:
  - job_name: tensorflow_serving
    metrics_path: {METRICS_PATH}
    static_configs:
      - targets: ["serving:{REST_PORT}", "serving-gpu:{REST_PORT}"]
"""


def docker_compose(
    exports: Mapping[str, Path], output: Path, image: str = IMAGE, batching: bool = True
) -> str:
    """A compose file: `serving`, `serving-gpu` (profile gpu) and `prometheus` (profile monitoring).

    Folders are written relative to `output`, where the file lies, so the tree can move as a whole. The
    folder of the configuration is mounted, not its files: a file that is replaced would stay the old one.
    Ports are those of this machine alone: the server knows no users.
    """
    mounts = "".join(
        _mount(_relative(folder, output), _in_container(name))
        for name, folder in exports.items()
    )
    batching_flags = """\
      - --enable_batching=true
      - --batching_parameters_file=/config/batching.config
"""
    return f"""\
services:
  serving: &serving
    image: {_quoted(image)}
    command:
      - --model_config_file=/config/models.config
      - --model_config_file_poll_wait_seconds=30
{batching_flags if batching else ""}\
      - --monitoring_config_file=/config/monitoring.config
      - --enable_grpc_healthcheck_service=true
    ports:
      - "127.0.0.1:{GRPC_PORT}:{GRPC_PORT}"
      - "127.0.0.1:{REST_PORT}:{REST_PORT}"
    volumes:
{_mount(".", "/config")}{mounts}\
    healthcheck:
      test: ["CMD", "bash", "-c", {_quoted(health_check(exports))}]
      interval: 15s
      timeout: 10s
      start_period: 180s
    restart: unless-stopped

  serving-gpu:
    <<: *serving
    profiles: [gpu]
    image: {_quoted(f"{image}-gpu")}
    deploy:
      resources:
        reservations:
          devices:
            - driver: nvidia
              count: 1
              capabilities: [gpu]

  prometheus:
    profiles: [monitoring]
    image: {_quoted(PROMETHEUS_IMAGE)}
    ports:
      - "127.0.0.1:9090:9090"
    volumes:
{_mount("./prometheus.yml", "/etc/prometheus/prometheus.yml")}"""


def health_check(names: Sequence[str] | Mapping[str, Path]) -> str:
    """A line of bash that succeeds while a version of every model is served. The image has no curl."""
    return " && ".join(
        f"(exec 3<>/dev/tcp/127.0.0.1/{REST_PORT}; "
        f"printf 'GET /v1/models/{name} HTTP/1.0\\r\\nConnection: close\\r\\n\\r\\n' >&3; "
        "grep -q '\"AVAILABLE\"' <&3)"
        for name in names
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m keras_medformers.serving.server_files",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--exports",
        nargs="+",
        required=True,
        metavar="[NAME=]FOLDER",
        help="folders that hold versions of SavedModels, such as runs/a/export/hifuse_tiny; "
        "NAME is what clients call the model (default: the folder's own name)",
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("serving"),
        metavar="DIR",
        help="folder for the files (default: %(default)s)",
    )
    parser.add_argument(
        "--keep-versions",
        type=int,
        default=1,
        metavar="N",
        help="latest versions of each model that are served (default: %(default)s)",
    )
    parser.add_argument(
        "--pin",
        nargs="+",
        default=[],
        metavar="NAME=VERSION[,VERSION]",
        help="serve these versions of a model and no newer ones",
    )
    parser.add_argument(
        "--max-batch-size",
        type=int,
        default=MAX_BATCH_SIZE,
        metavar="N",
        help="most images run at once (default: %(default)s)",
    )
    parser.add_argument(
        "--batch-threads",
        type=int,
        default=4,
        metavar="N",
        help="batches run at the same time: the server's CPU cores, or 2 for a GPU "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--no-batching",
        action="store_true",
        help="run requests one by one; for images of different sizes at the same time",
    )
    parser.add_argument(
        "--image",
        default=IMAGE,
        help="image of the server; with -gpu added, of serving-gpu (default: %(default)s)",
    )

    return parser


def _pinned(arguments: Sequence[str]) -> dict[str, list[int]]:
    pinned = {}
    for argument in arguments:
        name, _, versions = argument.partition("=")
        if not re.fullmatch(r"\d+(,\d+)*", versions):
            raise ValueError(
                f"--pin must be NAME=VERSION[,VERSION], such as a=1,2. Received: {argument}"
            )
        pinned[name] = [int(version) for version in versions.split(",")]
    return pinned


def _check_pinned(
    pinned: Mapping[str, Sequence[int]], exports: Mapping[str, Path]
) -> None:
    for name, versions in pinned.items():
        if name not in exports:
            raise ValueError(
                f"--pin names the model {name}, --exports only {', '.join(exports)}"
            )
        there = _versions(exports[name])
        if missing := [version for version in versions if version not in there]:
            has = f"{exports[name]} has {', '.join(map(str, there))}"
            raise ValueError(f"--pin names version {missing[0]} of {name}; {has}")


def _check_export(folder: Path) -> None:
    """Raises `ValueError` unless `folder` holds versions; tells a run's or a version's folder from one."""
    if not folder.is_dir():
        raise ValueError(
            f"there is no folder {folder}; make an export: make export RUN=..."
        )
    if _versions(folder):
        return

    message = f"{folder} holds no exported version (a folder with a number and saved_model.pb in it)"
    if (folder / "saved_model.pb").is_file():
        raise ValueError(
            f"{message}: it is one. Give the folder above: {folder.parent}"
        )

    models = [
        path
        for path in sorted(folder.glob("*")) + sorted(folder.glob("export/*"))
        if path.is_dir() and _versions(path)
    ]
    if models:
        raise ValueError(f"{message}. Did you mean {' or '.join(map(str, models))}?")

    raise ValueError(f"{message}; make one: make export RUN=...")


def _versions(folder: Path) -> list[int]:
    files = folder.glob("*/saved_model.pb")
    return sorted(
        int(file.parent.name) for file in files if file.parent.name.isdecimal()
    )


def _in_container(name: str) -> str:
    return str(PurePosixPath("/models") / name)


def _relative(folder: Path, output: Path) -> str:
    return Path(os.path.relpath(folder.resolve(), output.resolve())).as_posix()


def _mount(source: str, target: str) -> str:
    return f"""\
      - type: bind
        source: {_quoted(source)}
        target: {_quoted(target)}
        read_only: true
"""


def _quoted(text: str) -> str:
    """A quoted string as both text protocol buffers and YAML read it."""
    return json.dumps(text, ensure_ascii=False)


if __name__ == "__main__":
    raise SystemExit(main())
