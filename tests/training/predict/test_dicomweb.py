"""Studies from a real archive and files back to it; servers that refuse, stall and break off."""

import contextlib
import http.server
import logging
import threading
import time

import numpy as np
import pydicom
import pytest
import requests
from dicom_study import write_study
from orthanc_server import PASSWORD, USER, orthanc
from pydicom.uid import generate_uid

from data_prep.modalities.head_ct.dicom import read_slice
from keras_medformers.support.errors import UserError
from training.predict import dicomweb

pytest.importorskip(
    "dicomweb_client", reason="needs dicomweb-client: pip install .[reports]"
)

STUDY_UID = "1.2.826.0.1.3680043.8.498.99"


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """The server's address, and the files of the study that it holds."""
    folder = tmp_path_factory.mktemp("orthanc")
    with orthanc(folder) as url:
        paths = write_study(folder / "study")
        report = pydicom.dcmread(paths[0])
        report.SeriesInstanceUID, report.SOPInstanceUID = generate_uid(), generate_uid()
        report.file_meta.MediaStorageSOPInstanceUID = report.SOPInstanceUID
        report.Modality = "OT"
        report.save_as(folder / "other_series.dcm")
        session = requests.Session()
        session.auth, session.trust_env = (USER, PASSWORD), False
        for path in [*paths, folder / "other_series.dcm"]:
            answer = session.post(
                f"{url.removesuffix('/dicom-web')}/instances", data=path.read_bytes()
            )
            answer.raise_for_status()
        yield url, paths


@pytest.fixture(autouse=True)
def environment(monkeypatch, tmp_path):
    """A user's with a password, and without a proxy."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv(dicomweb.USER_VARIABLE, USER)
    monkeypatch.setenv(dicomweb.PASSWORD_VARIABLE, PASSWORD)


def uid_of(paths):
    return pydicom.dcmread(paths[0], stop_before_pixels=True).StudyInstanceUID


@contextlib.contextmanager
def small_server(answer):
    """A server that gives each request's handler to `answer`."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            answer(self)

        def log_message(self, *arguments):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/dicom-web"
    finally:
        server.shutdown()
        server.server_close()


def reply(handler, status, body=b"", kind="application/dicom+json"):
    handler.send_response(status)
    handler.send_header("Content-Type", kind)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def test_fetches_the_slices_of_a_study_as_they_are_stored(archive, tmp_path, caplog):
    url, paths = archive
    caplog.set_level(logging.DEBUG)
    fetched = dicomweb.fetch_study(url, uid_of(paths), tmp_path / "private")
    assert [path.name for path in fetched] == [
        "slice_00001.dcm",
        "slice_00002.dcm",
        "slice_00003.dcm",
    ]
    for there, here in zip(paths, fetched, strict=True):
        assert (
            pydicom.dcmread(here).SOPInstanceUID
            == pydicom.dcmread(there).SOPInstanceUID
        )
        np.testing.assert_array_equal(read_slice(here).hu, read_slice(there).hu)
    assert (tmp_path / "private").stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in fetched} == {0o600}
    assert [record.getMessage() for record in caplog.records] == [
        "Fetched 3 files of the study"
    ]


def test_goes_on_where_it_was_interrupted(archive, tmp_path):
    url, paths = archive
    fetched = dicomweb.fetch_study(url, uid_of(paths), tmp_path)
    fetched[0].unlink()
    fetched[1].write_bytes(fetched[1].read_bytes()[:100])
    before = fetched[2].stat().st_mtime_ns
    again = dicomweb.fetch_study(url, uid_of(paths), tmp_path)
    assert again == fetched
    assert [read_slice(path).position_mm for path in again] == [0.0, 5.0, 10.0]
    assert fetched[2].stat().st_mtime_ns == before
    assert sorted(tmp_path.iterdir()) == fetched


def test_stores_files_and_finds_them_again(archive, tmp_path):
    url, _ = archive
    paths = write_study(tmp_path / "new", slices=2, seed=7)
    dicomweb.store(url, paths)
    dicomweb.store(url, paths[:1])
    assert len(dicomweb.fetch_study(url, uid_of(paths), tmp_path / "back")) == 2


def test_netrc_names_the_user(archive, tmp_path, monkeypatch):
    url, paths = archive
    monkeypatch.delenv(dicomweb.USER_VARIABLE)
    monkeypatch.delenv(dicomweb.PASSWORD_VARIABLE)
    (tmp_path / "netrc").write_text(
        f'machine 127.0.0.1 login {USER} password "{PASSWORD}"\n'
    )
    assert len(dicomweb.fetch_study(url, uid_of(paths), tmp_path / "private")) == 3


def test_unknown_study_and_other_modality(archive, tmp_path):
    url, paths = archive
    with pytest.raises(UserError, match="has no study with this StudyInstanceUID"):
        dicomweb.fetch_study(url, "1.2.3.4", tmp_path)
    with pytest.raises(UserError, match="no series of modality MG, only of CT, OT"):
        dicomweb.fetch_study(url, uid_of(paths), tmp_path, modalities=("MG",))
    with pytest.raises(UserError, match="StudyInstanceUID: numbers with dots"):
        dicomweb.fetch_study(url, "ID_0a", tmp_path)


def test_wrong_password_and_no_password(archive, tmp_path, monkeypatch):
    url, paths = archive
    monkeypatch.setenv(dicomweb.PASSWORD_VARIABLE, "wrong-password")
    with pytest.raises(UserError, match="wants a name and a password") as refused:
        dicomweb.fetch_study(url, uid_of(paths), tmp_path)
    assert "wrong-password" not in str(refused.value) and USER not in str(refused.value)
    with pytest.raises(UserError, match="wants a name and a password"):
        dicomweb.store(url, paths)
    monkeypatch.delenv(dicomweb.PASSWORD_VARIABLE)
    with pytest.raises(UserError, match="DICOMWEB_PASSWORD is not set"):
        dicomweb.fetch_study(url, uid_of(paths), tmp_path)


def test_address_without_service(archive, tmp_path):
    url, paths = archive
    with pytest.raises(UserError, match="is the address right"):
        dicomweb.fetch_study(f"{url}-elsewhere", uid_of(paths), tmp_path)


def test_what_is_no_dicom_is_not_stored(archive, tmp_path):
    (tmp_path / "note.txt").write_text("no DICOM")
    for name in ("note.txt", "missing.dcm"):
        with pytest.raises(UserError, match=f"{name} cannot be stored"):
            dicomweb.store(archive[0], [tmp_path / name])


def test_no_server(tmp_path, monkeypatch):
    monkeypatch.setattr(dicomweb, "FIRST_WAIT_MS", 1)
    with small_server(reply) as url:
        pass
    with pytest.raises(
        UserError,
        match="no DICOMweb server answers at http://127.0.0.1:.* is it running",
    ):
        dicomweb.fetch_study(url, STUDY_UID, tmp_path)


def test_overloaded_server_is_asked_again(tmp_path, monkeypatch):
    monkeypatch.setattr(dicomweb, "FIRST_WAIT_MS", 1)
    requests_seen = []

    def overloaded(handler):
        requests_seen.append(handler.path)
        reply(handler, 503)

    with (
        small_server(overloaded) as url,
        pytest.raises(UserError, match="overloaded: status 503 .* 4 times"),
    ):
        dicomweb.fetch_study(url, STUDY_UID, tmp_path)
    assert len(requests_seen) == 4

    def overloaded_once(handler):
        requests_seen.append(handler.path)
        reply(handler, *((503,) if len(requests_seen) == 1 else (200, b"[]")))

    requests_seen.clear()
    with (
        small_server(overloaded_once) as url,
        pytest.raises(UserError, match="has no study"),
    ):
        dicomweb.fetch_study(url, STUDY_UID, tmp_path)
    assert len(requests_seen) == 2


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (
            lambda handler: reply(handler, 403),
            "does not allow this user looking for the study",
        ),
        (lambda handler: reply(handler, 500), "refused with status 500"),
        (
            lambda handler: reply(handler, 200, b"<p>Welcome</p>", "text/html"),
            "something else than DICOMweb",
        ),
        (
            lambda handler: reply(handler, 200, b"{not json"),
            "something else than DICOMweb",
        ),
        (lambda handler: handler.connection.close(), "broke off"),
        (lambda handler: time.sleep(1.5), "did not answer in time"),
    ],
    ids=["forbidden", "failing", "a page", "broken", "closing", "stalling"],
)
def test_answers_that_help_nobody(answer, message, tmp_path, monkeypatch):
    monkeypatch.setattr(dicomweb, "FIRST_WAIT_MS", 1)
    monkeypatch.setattr(dicomweb, "ATTEMPTS", 2)
    with small_server(answer) as url, pytest.raises(UserError, match=message) as raised:
        dicomweb.fetch_study(url, STUDY_UID, tmp_path, timeout_s=0.5)
    assert STUDY_UID not in str(raised.value) and PASSWORD not in str(raised.value)


@pytest.mark.parametrize(
    "url", ["pacs/dicom-web", "ftp://pacs/dicom-web", "https:///dicom-web"]
)
def test_address_of_another_form(url, tmp_path):
    with pytest.raises(UserError, match="--dicomweb must be like https://"):
        dicomweb.fetch_study(url, STUDY_UID, tmp_path)


def test_password_in_the_address_is_refused_and_not_shown(tmp_path):
    with pytest.raises(UserError, match="must hold no name or password") as refused:
        dicomweb.fetch_study("https://me:hidden@pacs/dicom-web", STUDY_UID, tmp_path)
    assert "hidden" not in str(refused.value)


def test_unencrypted_password_is_warned_of(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(dicomweb, "FIRST_WAIT_MS", 1)
    with pytest.raises(UserError, match="no DICOMweb server"):
        dicomweb.fetch_study("http://pacs.invalid/dicom-web", STUDY_UID, tmp_path)
    assert "unencrypted: use https" in caplog.text
    assert PASSWORD not in caplog.text and STUDY_UID not in caplog.text
