"""A picture archive for tests: Orthanc with its DICOMweb plugin, on a port of its own."""

import contextlib
import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

PLUGINS = (Path("/usr/share/orthanc/plugins"), Path("/usr/local/share/orthanc/plugins"))
USER, PASSWORD = "reader", "not a secret"
START_S = 60


@contextlib.contextmanager
def orthanc(folder):
    """Runs the server with its files in `folder` and gives the root of its DICOMweb service."""
    program = shutil.which("Orthanc") or shutil.which("Orthanc", path="/usr/sbin")
    plugins = [
        path for place in PLUGINS for path in place.glob("libOrthancDicomWeb.so*")
    ]
    if program is None or not plugins:
        pytest.skip(
            "needs Orthanc and its DICOMweb plugin: apt-get install orthanc orthanc-dicomweb"
        )
    port = _free_port()
    settings = {
        "Name": "tests",
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "HttpPort": port,
        "DicomServerEnabled": False,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": True,
        "RegisteredUsers": {USER: PASSWORD},
        "Plugins": [str(plugins[0])],
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
    }
    (folder / "orthanc.json").write_text(json.dumps(settings))
    with (folder / "orthanc.log").open("wb") as log:
        server = subprocess.Popen(
            [program, str(folder / "orthanc.json")], stdout=log, stderr=log
        )
    try:
        _wait(server, port, folder / "orthanc.log")
        yield f"http://127.0.0.1:{port}/dicom-web"
    finally:
        server.terminate()
        try:
            server.wait(START_S)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def _wait(server, port, log):
    """Returns once the server asks for a password."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    until = time.monotonic() + START_S
    while time.monotonic() < until and server.poll() is None:
        try:
            opener.open(f"http://127.0.0.1:{port}/dicom-web/studies", timeout=5)
        except urllib.error.HTTPError as answer:
            assert answer.code == 401
            return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(
        f"Orthanc did not start: {log.read_text(errors='replace')[-2000:]}"
    )
