"""The server's files: read by TensorFlow Serving's own messages, by YAML, and by the shell."""

import http.server
import re
import subprocess
import threading

import pytest
import yaml
from google.protobuf import (
    descriptor_pb2,
    descriptor_pool,
    message_factory,
    text_format,
    wrappers_pb2,
)

from keras_medformers.serving import server_files
from keras_medformers.serving.server_files import named_exports, write_server_files

model_server_config_pb2 = pytest.importorskip(
    "tensorflow_serving.config.model_server_config_pb2"
)


def make_export(folder, *versions):
    """A folder that looks like an export."""
    for version in versions:
        (folder / str(version)).mkdir(parents=True)
        (folder / str(version) / "saved_model.pb").write_bytes(b"")
    return folder


@pytest.fixture
def exports(tmp_path):
    return {
        "scopeformer": make_export(
            tmp_path / "runs" / "a" / "export" / "scopeformer", 1, 2
        ),
        "narrow": make_export(tmp_path / "runs" / "b" / "export" / "hifuse_narrow", 1),
    }


FIELD = descriptor_pb2.FieldDescriptorProto
ONE, MANY = FIELD.LABEL_OPTIONAL, FIELD.LABEL_REPEATED
INT64_VALUE, BOOL_VALUE = ".google.protobuf.Int64Value", ".google.protobuf.BoolValue"

# tensorflow-serving-api has no Python modules of these two; numbers and types are those of the published
# session_bundle_config.proto and monitoring_config.proto.
MESSAGES = {
    "BatchingParameters": [
        ("max_batch_size", 1, FIELD.TYPE_MESSAGE, ONE, INT64_VALUE),
        ("batch_timeout_micros", 2, FIELD.TYPE_MESSAGE, ONE, INT64_VALUE),
        ("max_enqueued_batches", 3, FIELD.TYPE_MESSAGE, ONE, INT64_VALUE),
        ("num_batch_threads", 4, FIELD.TYPE_MESSAGE, ONE, INT64_VALUE),
        ("allowed_batch_sizes", 6, FIELD.TYPE_INT64, MANY, None),
        ("pad_variable_length_inputs", 7, FIELD.TYPE_BOOL, ONE, None),
        ("enable_large_batch_splitting", 8, FIELD.TYPE_MESSAGE, ONE, BOOL_VALUE),
        ("max_execution_batch_size", 9, FIELD.TYPE_MESSAGE, ONE, INT64_VALUE),
    ],
    "PrometheusConfig": [
        ("enable", 1, FIELD.TYPE_BOOL, ONE, None),
        ("path", 2, FIELD.TYPE_STRING, ONE, None),
    ],
    "MonitoringConfig": [
        ("prometheus_config", 1, FIELD.TYPE_MESSAGE, ONE, ".tests.PrometheusConfig"),
    ],
}


@pytest.fixture(scope="module")
def message_types():
    """Classes of `MESSAGES`, by name."""
    file = descriptor_pb2.FileDescriptorProto(
        name="tests.proto",
        package="tests",
        syntax="proto3",
        dependency=["google/protobuf/wrappers.proto"],
    )
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        for key, number, kind, label, type_name in fields:
            message.field.add(
                name=key, number=number, type=kind, label=label, type_name=type_name
            )
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    pool.Add(file)
    find = pool.FindMessageTypeByName
    return {
        name: message_factory.GetMessageClass(find(f"tests.{name}"))
        for name in MESSAGES
    }


def models_of(output):
    text = (output / "models.config").read_text()
    config = text_format.Parse(text, model_server_config_pb2.ModelServerConfig())
    return {model.name: model for model in config.model_config_list.config}


def compose_of(output):
    return yaml.safe_load((output / "docker-compose.yml").read_text())["services"]


def test_models_and_versions(exports, tmp_path):
    write_server_files(
        exports, tmp_path / "serving", keep_versions=2, pinned={"narrow": [1]}
    )
    models = models_of(tmp_path / "serving")
    assert list(models) == ["scopeformer", "narrow"]
    assert models["scopeformer"].base_path == "/models/scopeformer"
    assert models["scopeformer"].model_platform == "tensorflow"
    assert models["scopeformer"].model_version_policy.latest.num_versions == 2
    assert list(models["narrow"].model_version_policy.specific.versions) == [1]


@pytest.mark.parametrize(
    ("largest", "sizes"), [(8, [1, 2, 4, 8]), (1, [1]), (12, [1, 2, 4, 8, 12])]
)
def test_batching(largest, sizes, exports, tmp_path, message_types):
    write_server_files(exports, tmp_path, max_batch_size=largest, batch_threads=3)
    text = (tmp_path / "batching.config").read_text()
    batching = text_format.Parse(text, message_types["BatchingParameters"]())
    assert list(batching.allowed_batch_sizes) == sizes
    # What the server demands of these three; else it does not load a model.
    assert batching.enable_large_batch_splitting.value
    assert (
        batching.max_execution_batch_size.value
        == sizes[-1]
        <= batching.max_batch_size.value
    )
    assert batching.num_batch_threads.value == 3
    assert (
        batching.batch_timeout_micros.value == 5000
        and batching.max_enqueued_batches.value == 100
    )
    assert not batching.pad_variable_length_inputs


def test_monitoring_and_prometheus_agree(exports, tmp_path, message_types):
    write_server_files(exports, tmp_path)
    text = (tmp_path / "monitoring.config").read_text()
    monitoring = text_format.Parse(
        text, message_types["MonitoringConfig"]()
    ).prometheus_config
    assert monitoring.enable and monitoring.path == "/monitoring/prometheus/metrics"
    (job,) = yaml.safe_load((tmp_path / "prometheus.yml").read_text())["scrape_configs"]
    assert job["metrics_path"] == monitoring.path
    hosts = {target.partition(":")[0] for target in job["static_configs"][0]["targets"]}
    assert hosts == {"serving", "serving-gpu"} <= set(compose_of(tmp_path))


def test_compose_mounts_what_the_server_reads(exports, tmp_path):
    output = tmp_path / "serving"
    write_server_files(exports, output, image="tensorflow/serving:9.9.9")
    services = compose_of(output)
    for name, suffix in (("serving", ""), ("serving-gpu", "-gpu")):
        service = services[name]
        assert service["image"] == f"tensorflow/serving:9.9.9{suffix}"
        mounts = {
            mount["target"]: (output / mount["source"]).resolve()
            for mount in service["volumes"]
        }
        assert all(mount["read_only"] for mount in service["volumes"])
        for model in models_of(output).values():
            assert mounts[model.base_path] == exports[model.name].resolve()
        flags = dict(flag.removeprefix("--").split("=") for flag in service["command"])
        assert flags["enable_batching"] == "true"
        for flag, path in flags.items():
            if flag.endswith("_file"):
                assert (mounts["/config"] / path.removeprefix("/config/")).is_file(), (
                    flag
                )
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    (device,) = services["serving-gpu"]["deploy"]["resources"]["reservations"][
        "devices"
    ]
    assert device["capabilities"] == ["gpu"]
    profiles = {name: service.get("profiles") for name, service in services.items()}
    assert profiles == {
        "serving": None,
        "serving-gpu": ["gpu"],
        "prometheus": ["monitoring"],
    }


def test_without_batching(exports, tmp_path):
    files = write_server_files(exports, tmp_path / "serving", batching=False)
    assert not (tmp_path / "serving" / "batching.config").exists()
    assert [path.name for path in files] == [
        "models.config",
        "monitoring.config",
        "docker-compose.yml",
        "prometheus.yml",
    ]
    assert not any(
        "batching" in flag
        for flag in compose_of(tmp_path / "serving")["serving"]["command"]
    )


@pytest.mark.parametrize("state", ["AVAILABLE", "LOADING", "UNAVAILABLE"])
def test_health_check_asks_for_every_model(state, exports, tmp_path, monkeypatch):
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            state_of = state if self.path.endswith("narrow") else "AVAILABLE"
            self.send_response(200)
            self.end_headers()
            self.wfile.write(
                b'{"model_version_status": [{"state": "%s"}]}' % state_of.encode()
            )

        def log_message(self, *arguments):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setattr(server_files, "REST_PORT", server.server_port)
        write_server_files(exports, tmp_path)
        kind, *command = compose_of(tmp_path)["serving"]["healthcheck"]["test"]
        assert kind == "CMD"
        assert (subprocess.run(command, timeout=30).returncode == 0) == (
            state == "AVAILABLE"
        )
        server.shutdown()
    assert asked == ["/v1/models/scopeformer", "/v1/models/narrow"]
    assert (
        subprocess.run(command, timeout=30, stderr=subprocess.DEVNULL).returncode != 0
    )


def test_program_names_models_and_replaces_files(exports, tmp_path):
    output = tmp_path / "serving"
    folders = [str(exports["scopeformer"]), f"narrow={exports['narrow']}"]
    arguments = ["--exports", *folders, "--output", str(output)]
    assert server_files.main(arguments) == 0
    assert (
        models_of(output)["scopeformer"].model_version_policy.latest.num_versions == 1
    )
    assert server_files.main([*arguments, "--pin", "scopeformer=1,2"]) == 0
    assert list(
        models_of(output)["scopeformer"].model_version_policy.specific.versions
    ) == [1, 2]
    assert not list(output.glob(".*"))


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (
            ["--pin", "other=1"],
            "--pin names the model other, --exports only scopeformer",
        ),
        (
            ["--pin", "scopeformer=7"],
            "--pin names version 7 of scopeformer; .* has 1, 2",
        ),
        (["--pin", "scopeformer"], "--pin must be NAME=VERSION"),
        (["--keep-versions", "0"], "--keep-versions must be at least 1. Received: 0"),
        (["--max-batch-size", "0"], "--max-batch-size must be at least 1"),
    ],
)
def test_settings_out_of_range(more, message, exports, tmp_path, capsys):
    output = tmp_path / "serving"
    arguments = [
        "--exports",
        str(exports["scopeformer"]),
        "--output",
        str(output),
        *more,
    ]
    assert server_files.main(arguments) == 2
    assert_message(capsys, message)
    assert not output.exists()


def assert_message(capsys, message):
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and re.search(message, line)


def test_folders_that_are_no_export(exports, tmp_path):
    run = tmp_path / "runs" / "a"
    for folder, message in (
        (tmp_path / "nowhere", "there is no folder"),
        (run, f"Did you mean {exports['scopeformer']}"),
        (run / "export", f"Did you mean {exports['scopeformer']}"),
        (
            exports["scopeformer"] / "1",
            f"Give the folder above: {exports['scopeformer']}",
        ),
        (tmp_path / "runs", "make one: make export"),
    ):
        with pytest.raises(ValueError, match=message):
            named_exports([str(folder)])


def test_names_of_models(exports, tmp_path):
    folder = exports["scopeformer"]
    with pytest.raises(ValueError, match="part of URLs. Received: 'a/b'"):
        named_exports([f"a/b={folder}"])
    with pytest.raises(ValueError, match="two exports are named scopeformer"):
        named_exports([str(folder), str(folder)])
    assert list(named_exports([str(folder), f"again={folder}"])) == [
        "scopeformer",
        "again",
    ]
