"""docs/serving.md: its code runs, its commands, flags and file names are those of the programs."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from ct_files import write_ct
from tiny_exports import CT_LABELS, export_ct

from keras_medformers.serving import server_files
from training.predict import __main__ as predict

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "serving.md").read_text()
MODEL = "efficient_scopeformer"

# Flags of tensorflow_model_server that the page and docker-compose.yml name.
SERVER_FLAGS = {
    "port", "rest_api_port", "model_name", "model_base_path", "model_config_file",
    "model_config_file_poll_wait_seconds", "enable_batching", "batching_parameters_file",
    "monitoring_config_file", "enable_grpc_healthcheck_service", "ssl_config_file",
    "xla_cpu_compilation_enabled", "xla_gpu_compilation_enabled",
}  # fmt: skip


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def commands():
    """The page's commands as lists of words."""
    lines = "".join(blocks("bash")).replace("\\\n", " ").splitlines()
    return [
        words for words in (shlex.split(line, comments=True) for line in lines) if words
    ]


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    prediction_server = pytest.importorskip(
        "prediction_server", reason="needs tensorflow-serving-api"
    )
    version = export_ct(tmp_path_factory.mktemp("docs") / MODEL)
    return prediction_server, prediction_server.Served(**{MODEL: version})


@pytest.fixture
def slice_dcm(tmp_path, monkeypatch):
    y, x = np.mgrid[-1:1:64j, -1:1:64j]
    hu = np.where(np.hypot(x, y) < 0.8, 40, -1000)
    monkeypatch.chdir(tmp_path)
    return write_ct(Path("slice.dcm"), (hu + 1024).astype(np.uint16))


def run_python(code):
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_grpc_example(served, slice_dcm):
    prediction_server, models = served
    code = next(block for block in blocks("python") if "ServingClient(" in block)
    assert "localhost:8500" in code
    with prediction_server.grpc_server(models) as (address, _):
        printed = run_python(code.replace("localhost:8500", address))
    assert all(f"'{label}'" in printed for label in CT_LABELS)


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_rest_example_by_curl(served, slice_dcm):
    prediction_server, models = served
    run_python(next(block for block in blocks("python") if "request.json" in block))
    (command,) = [words for words in commands() if "@request.json" in words]
    with prediction_server.rest_server(models) as (address, _):
        words = [word.replace("localhost:8501", address) for word in command]
        words += ["--silent", "--noproxy", "*"]
        answer = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert all(
        f'"{name}"' in answer.stdout
        for name in ("outputs", "probabilities", *CT_LABELS)
    ), answer


def test_programs_take_the_options(tmp_path):
    parsers = {
        "keras_medformers.serving.server_files": server_files._parser(),
        "training.predict": predict.make_parser(),
    }
    asked = [words for words in commands() if words[:2] == ["python", "-m"]]
    assert {words[2] for words in asked} == set(parsers)
    for words in asked:
        arguments = parsers[words[2]].parse_args(words[3:])
        if words[2] == "training.predict":
            predict.check_arguments(arguments)


def test_make_targets_and_variables_exist():
    makefile = (ROOT / "Makefile").read_text()
    asked = [words[1:] for words in commands() if words[0] == "make"]
    assert {words[0] for words in asked} == {"export", "serving", "predict"}
    for target, *assignments in asked:
        assert re.search(rf"^{target}: ", makefile, re.MULTILINE), target
        for assignment in assignments:
            assert re.search(
                rf"^{assignment.partition('=')[0]} +\?=", makefile, re.MULTILINE
            ), assignment
    (options,) = [words[-1] for words in asked if words[-1].startswith("ARGS=")]
    given = options.removeprefix("ARGS=").split()
    predict.check_arguments(
        predict.make_parser().parse_args(["--run", "r", "folder", *given])
    )


def test_files_ports_and_flags_are_those_written(tmp_path):
    (tmp_path / "m" / "1").mkdir(parents=True)
    (tmp_path / "m" / "1" / "saved_model.pb").touch()
    files = server_files.write_server_files({"m": tmp_path / "m"}, tmp_path / "serving")
    table = PAGE.split("## 2.")[1].split("## 3.")[0]
    assert set(re.findall(r"^\| `([\w.-]+)` \|", table, re.MULTILINE)) == {
        path.name for path in files
    }
    compose = (tmp_path / "serving" / "docker-compose.yml").read_text()
    (alone,) = [
        " ".join(words) for words in commands() if words[0] == "tensorflow_model_server"
    ]
    assert set(re.findall(r"--([a-z_]+)=", f"{compose} {alone} {PAGE}")) <= SERVER_FLAGS
    assert server_files.IMAGE in PAGE and server_files.METRICS_PATH in PAGE
    for command in commands():
        if command[:2] == ["docker", "compose"]:
            services = command[command.index("up") + 1 :]
            assert all(f"  {service}:" in compose for service in services)
            if "--profile" in command:
                assert (
                    f"profiles: [{command[command.index('--profile') + 1]}]" in compose
                )
