"""Studies from a picture archive (PACS), and reports back to it, by DICOMweb.

QIDO-RS finds a study's slices, WADO-RS fetches them as they are stored, STOW-RS stores files (PS3.18). Needs
the package dicomweb-client.

Name and password come from the environment, DICOMWEB_USER and DICOMWEB_PASSWORD, or from ~/.netrc or $NETRC:
never from a command line, where any user of the machine can read them.
Messages and file names hold no identifiers of the study.
"""

import concurrent.futures
import contextlib
import logging
import os
import urllib.parse
from collections.abc import Iterator, Sequence
from pathlib import Path

import pydicom
from pydicom import config as pydicom_config
from pydicom.errors import InvalidDicomError
from pydicom.uid import UID
from tqdm import tqdm

from keras_medformers.support.errors import UserError
from training.predict.dicom_objects import save
from training.predict.discretion import silent_libraries

logger = logging.getLogger(__name__)

USER_VARIABLE = "DICOMWEB_USER"
PASSWORD_VARIABLE = "DICOMWEB_PASSWORD"

TIMEOUT_S = 60.0
ATTEMPTS = 4
FIRST_WAIT_MS = 250
CONCURRENCY = 4

STORED_AS_THEY_ARE = (("application/dicom", "*"),)
"""Any transfer syntax: the server need not decompress, and nothing is compressed anew."""

_SERIES_UID, _MODALITY = "0020000E", "00080060"
_INSTANCE_UID, _INSTANCE_NUMBER = "00080018", "00200013"


def fetch_study(
    url: str,
    study_uid: str,
    folder: str | Path,
    *,
    user: str | None = None,
    modalities: Sequence[str] = ("CT",),
    timeout_s: float = TIMEOUT_S,
) -> list[Path]:
    """Fetches the images of a study into a folder that only its owner can read.

    Slices that are there already, from an interrupted call, are not fetched again. The files are numbered in
    the order of series and instance numbers.

    Args:
        url: Root of the service, such as `https://pacs.example.org/dicom-web`.
        study_uid: StudyInstanceUID.
        folder: Where to; made if absent.
        user: Name at the server; by default that of `USER_VARIABLE`. The password is `PASSWORD_VARIABLE`'s.
        modalities: Modalities of the series to fetch; reports and other series are left where they are.
        timeout_s: Longest wait for an answer.

    Returns:
        The files, as DICOM.

    Raises:
        UserError: If there is no such server, study or series, or the server refuses.
    """
    if not UID(study_uid, validation_mode=pydicom_config.IGNORE).is_valid:
        raise UserError(
            "the study must be given by its StudyInstanceUID: numbers with dots between them"
        )
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _client(url, user, timeout_s) as client:
        places = _find_instances(client, url, study_uid, modalities)
        names = [
            folder / f"slice_{number:05d}.dcm" for number in range(1, len(places) + 1)
        ]

        def fetch(place: tuple[str, str], path: Path) -> None:
            if not _is_instance(path, place[1]):
                with _explained(url, f"fetching {path.name}"):
                    dataset = client.retrieve_instance(
                        study_uid, *place, media_types=STORED_AS_THEY_ARE
                    )
                    save(dataset, path)

        with concurrent.futures.ThreadPoolExecutor(CONCURRENCY) as pool:
            waiting = [
                pool.submit(fetch, place, path)
                for place, path in zip(places, names, strict=True)
            ]
            try:
                finished = concurrent.futures.as_completed(waiting)
                for done in tqdm(
                    finished, total=len(waiting), unit="file", desc="fetch"
                ):
                    done.result()
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
    logger.info("Fetched %d files of the study", len(names))
    return names


def store(
    url: str,
    files: Sequence[str | Path],
    *,
    user: str | None = None,
    timeout_s: float = TIMEOUT_S,
) -> None:
    """Stores DICOM files at a server. A file that is there already is replaced or kept, as the server likes.

    Args:
        url: Root of the service.
        files: DICOM files, such as reports.
        user: Name at the server; by default that of `USER_VARIABLE`.
        timeout_s: Longest wait for an answer.

    Raises:
        UserError: If a file is not DICOM, there is no server, or the server refuses. Files before the one
            named are stored.
    """
    with _client(url, user, timeout_s) as client:
        for path in map(Path, files):
            dataset = _read(path)
            with _explained(url, f"storing {path.name}"):
                answer = client.store_instances([dataset])
            if failed := answer.get("FailedSOPSequence"):
                code = failed[0].get("FailureReason", 0)
                raise UserError(
                    f"{_shown(url)} refused to store {path.name}: failure reason {code:#06x} (PS3.18 I.2.2)"
                )
    logger.info("Stored %d files at %s", len(files), _shown(url))


def _find_instances(
    client, url: str, study_uid: str, modalities: Sequence[str]
) -> list[tuple[str, str]]:
    """SeriesInstanceUID and SOPInstanceUID of each image of the study, in order."""
    unknown = f"{_shown(url)} has no study with this StudyInstanceUID"
    with _explained(url, "looking for the study", unknown):
        found = client.search_for_series(
            study_uid, fields=["Modality", "SeriesNumber"], get_remaining=True
        )

    if not found:
        raise UserError(unknown)

    there = [
        (_first(series, _MODALITY), _first(series, _SERIES_UID)) for series in found
    ]
    wanted = sorted(uid for modality, uid in there if modality in modalities)
    if not wanted:
        raise UserError(
            f"the study has no series of modality {' or '.join(modalities)}, only of "
            f"{', '.join(sorted({str(modality) for modality, _ in there}))}"
        )

    places = []
    for series_uid in wanted:
        with _explained(url, "looking for the study's images"):
            instances = client.search_for_instances(
                study_uid, series_uid, fields=["InstanceNumber"], get_remaining=True
            )
        numbers = (
            int(_first(instance, _INSTANCE_NUMBER) or 0) for instance in instances
        )
        uids = (_first(instance, _INSTANCE_UID) for instance in instances)
        places += [
            (series_uid, uid) for _, uid in sorted(zip(numbers, uids, strict=True))
        ]

    return places


def _first(found: dict, tag: str):
    """First value of an element in DICOM's JSON (PS3.18 F), or None."""
    values = found.get(tag, {}).get("Value")
    return values[0] if values else None


@contextlib.contextmanager
def _client(url: str, user: str | None, timeout_s: float) -> Iterator:
    try:  # inside, since they are an extra
        import requests
        from dicomweb_client.api import DICOMwebClient
    except ImportError as error:
        raise UserError(
            'DICOMweb needs the package dicomweb-client: pip install "keras_medformers[reports]"'
        ) from error

    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UserError(
            f"--dicomweb must be like https://host:port/dicom-web. Received: {_shown(url)}"
        )
    if parts.username or parts.password:
        raise UserError(
            f"--dicomweb must hold no name or password; set {USER_VARIABLE} and {PASSWORD_VARIABLE}, or use "
            "~/.netrc"
        )

    session = requests.Session()
    user = user or os.environ.get(USER_VARIABLE)
    if user:
        if PASSWORD_VARIABLE not in os.environ:
            raise UserError(
                f"there is a user for the DICOMweb server, but {PASSWORD_VARIABLE} is not set"
            )
        session.auth = (user, os.environ[PASSWORD_VARIABLE])
        if parts.scheme == "http" and parts.hostname not in (
            "localhost",
            "127.0.0.1",
            "::1",
        ):
            logger.warning(
                "The password and the images go to %s unencrypted: use https",
                _shown(url),
            )

    client = DICOMwebClient(
        url.rstrip("/"), session=session, timeout=timeout_s, permissive_uid=True
    )
    client.set_http_retry_params(
        max_attempts=ATTEMPTS, wait_exponential_multiplier=FIRST_WAIT_MS
    )
    # Their messages name studies, instances and whole addresses.
    with session, silent_libraries("dicomweb_client", "retrying", "urllib3"):
        yield client


@contextlib.contextmanager
def _explained(url: str, doing: str, unknown: str | None = None) -> Iterator[None]:
    """Turns what can go wrong between here and a server into a `UserError` without identifiers."""
    # Inside, since they come with an extra.
    import requests
    import retrying

    server = _shown(url)
    try:
        yield
    except requests.exceptions.SSLError as error:
        raise UserError(
            f"{server}: its certificate is not trusted; name your authority's file in REQUESTS_CA_BUNDLE"
        ) from error
    except requests.exceptions.Timeout as error:
        raise UserError(
            f"{server} did not answer in time while {doing}; try again: it goes on from there"
        ) from error
    except requests.exceptions.HTTPError as error:
        raise UserError(
            _refusal(server, doing, error.response.status_code, unknown)
        ) from error
    except retrying.RetryError as error:
        status = error.last_attempt.value.status_code
        raise UserError(
            f"{server} is overloaded: status {status} while {doing}, {ATTEMPTS} times; try again later"
        ) from error
    except requests.exceptions.ConnectionError as error:
        raise UserError(
            f"no DICOMweb server answers at {server}, or it broke off while {doing}; is it running, and are "
            "host and port right?"
        ) from error
    except (ValueError, KeyError, InvalidDicomError) as error:
        raise UserError(
            f"{server} answered with something else than DICOMweb while {doing}; is the path right, such "
            "as /dicom-web?"
        ) from error


def _refusal(server: str, doing: str, status: int, unknown: str | None) -> str:
    if status == 401:
        return (
            f"{server} wants a name and a password it knows; set {USER_VARIABLE} and {PASSWORD_VARIABLE}, or "
            "put them into ~/.netrc"
        )
    if status == 403:
        return f"{server} does not allow this user {doing} (status 403)"
    if status == 404:
        return f"{unknown or f'{server} has nothing there (404) while {doing}'}; is the address right, too?"
    return f"{server} refused with status {status} while {doing}"


def _shown(url: str) -> str:
    """The address without what may be secret in it."""
    parts = urllib.parse.urlsplit(url)
    host = f"{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}"
    return (
        f"{parts.scheme}://{host}{parts.path}"
        if parts.scheme
        else url.rpartition("@")[2]
    )


def _is_instance(path: Path, instance_uid: str) -> bool:
    """Whether a whole file of this instance is there."""
    if not path.is_file():
        return False
    try:
        there = pydicom.dcmread(
            path, specific_tags=["SOPInstanceUID"], stop_before_pixels=True
        )
    except InvalidDicomError:
        return False
    return there.get("SOPInstanceUID") == instance_uid


def _read(path: Path) -> pydicom.Dataset:
    try:
        return pydicom.dcmread(path)
    except (OSError, InvalidDicomError) as error:
        raise UserError(
            f"{path} cannot be stored: it is not there, or not a DICOM file"
        ) from error
