"""Structured reports and secondary captures: read back, stored in an archive, refused where they must be."""

import logging

import numpy as np
import pandas as pd
import pydicom
import pytest
from ct_files import write_ct
from dicom_study import PATIENT, write_study
from orthanc_server import PASSWORD, USER, orthanc
from PIL import Image
from pydicom.data import get_testdata_file
from pydicom.sr.codedict import codes
from pydicom.uid import (
    ComprehensiveSRStorage,
    CTImageStorage,
    SecondaryCaptureImageStorage,
)
from tiny_exports import CT_LABELS, export_ct

from data_prep.labels import HEMORRHAGE_LABELS
from data_prep.modalities.head_ct.dicom import UnreadableSlice, read_slice
from keras_medformers.support.errors import UserError
from training.predict import __main__ as predict
from training.predict import dicomweb
from training.predict.findings import SliceResult, StudyResult
from training.predict.report_codes import code_of
from training.predict.secondary_capture import (
    BAND_ROW_PX,
    with_band,
    write_secondary_captures,
)
from training.predict.structured_report import write_structured_report
from training.tasks.words import words_of

highdicom = pytest.importorskip(
    "highdicom", reason="needs highdicom: pip install .[reports]"
)
pytest.importorskip(
    "dicomweb_client", reason="needs dicomweb-client: pip install .[reports]"
)

MODEL = {"model_name": "efficient_scopeformer", "model_version": "3"}


def study_of(paths, heat_maps=False):
    """Findings that differ from slice to slice and label to label."""
    slices = []
    for number, path in enumerate(paths):
        values = {
            label: 0.1 * index + 0.01 * number
            for index, label in enumerate(HEMORRHAGE_LABELS)
        }
        maps = np.zeros((len(values), 8, 8), np.float32)
        maps[-1, 2, 6] = 1
        slices.append(
            SliceResult(
                path,
                {"probabilities": values},
                {},
                {"probabilities": maps} if heat_maps else None,
            )
        )
    highest = {
        label: slices[-1].probabilities["probabilities"][label]
        for label in HEMORRHAGE_LABELS
    }
    return StudyResult(
        "study 1", slices, {"probabilities": highest}, "max", words_of("ct")
    )


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    return write_study(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="module")
def report(paths, tmp_path_factory):
    output = tmp_path_factory.mktemp("report") / "report.dcm"
    path = write_structured_report(study_of(paths), output, **MODEL)
    assert path.stat().st_mode & 0o777 == 0o600
    return path


def texts_of(item):
    """All texts of a content tree."""
    found = [item.TextValue] if "TextValue" in item else []
    for child in item.get("ContentSequence", []):
        found += texts_of(child)
    return found


def test_report_holds_every_finding_of_study_and_slices(report, paths):
    document = highdicom.sr.srread(report)
    assert isinstance(document, highdicom.sr.ComprehensiveSR)
    groups = document.content.get_image_measurement_groups()
    assert len(groups) == (1 + len(paths)) * len(HEMORRHAGE_LABELS)
    of_study, of_slices = (
        groups[: len(HEMORRHAGE_LABELS)],
        groups[len(HEMORRHAGE_LABELS) :],
    )
    for index, (group, label) in enumerate(
        zip(of_study, HEMORRHAGE_LABELS, strict=True)
    ):
        assert group.tracking_identifier == f"study: {label}"
        assert group.source_images == []
        assert_percent(group, 100 * (0.1 * index + 0.02))
    for index, group in enumerate(of_slices):
        number, label = divmod(index, len(HEMORRHAGE_LABELS))
        assert (
            group.tracking_identifier
            == f"slice {number + 1}: {HEMORRHAGE_LABELS[label]}"
        )
        value, scheme, _ = code_of(HEMORRHAGE_LABELS[label])
        assert (group.finding_type.value, group.finding_type.scheme_designator) == (
            value,
            scheme,
        )
        (image,) = group.source_images
        source = pydicom.dcmread(paths[number])
        assert image.referenced_sop_instance_uid == source.SOPInstanceUID
        assert image.referenced_sop_class_uid == source.SOPClassUID
        assert_percent(group, 100 * (0.1 * label + 0.01 * number))


def assert_percent(group, expected):
    (measurement,) = group.get_measurements()
    assert measurement.name == codes.DCM.CertaintyOfFinding
    assert measurement.unit == codes.UCUM.Percent
    assert measurement.value == pytest.approx(expected, abs=1e-3)


def test_report_says_what_made_it_and_that_it_is_no_diagnosis(report, paths):
    document = pydicom.dcmread(report)
    assert (
        document.SOPClassUID
        == document.file_meta.MediaStorageSOPClassUID
        == ComprehensiveSRStorage
    )
    assert (
        document.CompletionFlag,
        document.VerificationFlag,
        document.PreliminaryFlag,
    ) == (
        "COMPLETE",
        "UNVERIFIED",
        "PRELIMINARY",
    )
    assert "NOT FOR CLINICAL USE" in document.SeriesDescription
    assert document.ManufacturerModelName == "efficient_scopeformer"
    assert "model version 3" in document.SoftwareVersions
    texts = texts_of(document)
    assert any(text.startswith("NOT FOR CLINICAL USE. ") for text in texts)
    assert texts.count("efficient_scopeformer") == 1 + (1 + len(paths)) * len(
        HEMORRHAGE_LABELS
    )
    assert "value of the study: max over its 3 slices" in texts
    (scheme,) = document.CodingSchemeIdentificationSequence
    assert scheme.CodingSchemeDesignator == "99KMF"


def test_report_belongs_to_the_patient_and_the_study(report, paths):
    document, source = pydicom.dcmread(report), pydicom.dcmread(paths[0])
    for keyword in [*PATIENT, "StudyInstanceUID", "SpecificCharacterSet"]:
        assert document[keyword].value == source[keyword].value, keyword
    assert document.SeriesInstanceUID != source.SeriesInstanceUID
    (study,) = document.CurrentRequestedProcedureEvidenceSequence
    (series,) = study.ReferencedSeriesSequence
    referenced = {
        image.ReferencedSOPInstanceUID for image in series.ReferencedSOPSequence
    }
    assert referenced == {pydicom.dcmread(path).SOPInstanceUID for path in paths}


def test_each_report_is_a_document_of_its_own(report, paths, tmp_path):
    again = write_structured_report(study_of(paths), tmp_path / "again.dcm", **MODEL)
    assert (
        pydicom.dcmread(again).SOPInstanceUID != pydicom.dcmread(report).SOPInstanceUID
    )


def test_two_tasks_are_reported_each(paths, tmp_path):
    probabilities = {
        "hemorrhage": {"normal": 0.2, "ich": 0.8},
        "location": {"deep": 0.5, "lobar": 0.3, "subtentorial": 0.2},
    }
    study = StudyResult(
        "study 1", [SliceResult(paths[0], probabilities)], probabilities, "mean"
    )
    document = highdicom.sr.srread(
        write_structured_report(study, tmp_path / "report.dcm", **MODEL)
    )
    found = [
        group.finding_type.meaning
        for group in document.content.get_image_measurement_groups()
    ]
    assert found[:5] == found[5:]
    assert found[1:3] == ["Intracranial hemorrhage", "Deep intracerebral hemorrhage"]


def test_real_file_of_a_scanner(tmp_path):
    path = get_testdata_file("CT_small.dcm")
    written = write_structured_report(
        study_of([path]), tmp_path / "report.dcm", **MODEL
    )
    assert highdicom.sr.srread(written).PatientID == pydicom.dcmread(path).PatientID


def test_captures_show_the_heat_and_the_warning(paths, tmp_path):
    study = study_of(paths, heat_maps=True)
    captures = write_secondary_captures(study, tmp_path / "captures", **MODEL)
    assert [path.name for path in captures] == [
        f"capture_{number:05d}.dcm" for number in (1, 2, 3)
    ]
    assert {path.stat().st_mode & 0o777 for path in captures} == {0o600}
    first, source = pydicom.dcmread(captures[0]), pydicom.dcmread(paths[0])
    assert first.SOPClassUID == SecondaryCaptureImageStorage
    assert (
        first.PatientID == source.PatientID
        and first.StudyInstanceUID == source.StudyInstanceUID
    )
    assert (
        first.SourceImageSequence[0].ReferencedSOPInstanceUID == source.SOPInstanceUID
    )
    assert first.DerivationDescription.startswith("Heat map of subdural")
    assert list(first.PatientOrientation) == ["L", "P"]
    assert len({pydicom.dcmread(path).SeriesInstanceUID for path in captures}) == 1
    pixels = first.pixel_array
    side = pixels.shape[1]
    colour = np.ptp(pixels[:side].astype(int), axis=-1)
    row, column = np.unravel_index(colour.argmax(), colour.shape)
    assert (row / side, column / side) == pytest.approx(((2.5 / 8), 6.5 / 8), abs=0.1)
    assert colour[: side // 8].max() == 0 and colour[:, : side // 2].max() == 0
    warning = pixels[side : side + BAND_ROW_PX].astype(int)
    assert (warning[..., 0] - warning[..., 1]).max() > 100
    with pytest.raises(UnreadableSlice, match="expected CT"):
        read_slice(captures[0])


def test_capture_of_a_chosen_label(paths, tmp_path):
    study = study_of(paths, heat_maps=True)
    capture = write_secondary_captures(
        study, tmp_path / "captures", label="epidural", **MODEL
    )[0]
    side = pydicom.dcmread(capture).Columns
    assert (
        np.ptp(pydicom.dcmread(capture).pixel_array[:side].astype(int), axis=-1).max()
        == 0
    )
    with pytest.raises(UserError, match="no label bleeding; it has any, epidural"):
        write_secondary_captures(
            study, tmp_path / "captures", label="bleeding", **MODEL
        )


def test_no_captures_without_heat_maps(paths, tmp_path):
    assert (
        write_secondary_captures(study_of(paths), tmp_path / "captures", **MODEL) == []
    )


def test_oblique_and_unknown_orientation(tmp_path):
    for seed, (orientation, expected) in enumerate(
        [
            ([-1, 0, 0, 0, -0.9, 0.44], ["R", "A"]),
            ([0, 1, 0, 0, 0, -1], ["P", "F"]),
            (None, ""),
        ]
    ):
        written = write_study(
            tmp_path, slices=1, seed=seed, ImageOrientationPatient=orientation
        )
        captures = write_secondary_captures(
            study_of(written, heat_maps=True), tmp_path / str(seed), **MODEL
        )
        assert pydicom.dcmread(captures[0]).PatientOrientation == expected


def test_the_text_fits_below_a_small_picture():
    banded = with_band(
        np.full((40, 100, 3), 7, np.uint8), ("subdural 50.0%", "model, version 3")
    )
    assert banded.shape[1] == 400 and (banded[:160] == 7).all()
    assert Image.fromarray(banded[160:]).getbbox()[2] < 400


def test_rsna_files_are_refused_with_the_reason(tmp_path, paths):
    path = write_ct(tmp_path / "ID_0a.dcm", np.zeros((8, 8), np.uint16))
    with pytest.raises(
        UserError,
        match=r"ID_0a.dcm: SOPClassUID \(0008,0016\) is missing, as in RSNA's",
    ):
        write_structured_report(study_of([path]), tmp_path / "report.dcm", **MODEL)
    path = write_ct(
        tmp_path / "ID_0b.dcm", np.zeros((8, 8), np.uint16), SOPClassUID=CTImageStorage
    )
    with pytest.raises(
        UserError, match=r"SOPInstanceUID \(0008,0018\) is not a valid identifier"
    ):
        write_secondary_captures(
            study_of([path], heat_maps=True), tmp_path / "captures", **MODEL
        )
    (tmp_path / "picture.jpg").write_bytes(b"no DICOM")
    with pytest.raises(
        UserError, match="picture.jpg: it is not there, or not a DICOM file"
    ):
        write_structured_report(
            study_of([tmp_path / "picture.jpg"]), tmp_path / "report.dcm", **MODEL
        )
    others = write_study(tmp_path / "other", slices=1, seed=5)
    with pytest.raises(
        UserError,
        match=r"4 files: they have more than one StudyInstanceUID \(0020,000D\)",
    ):
        write_structured_report(
            study_of([*paths, *others]), tmp_path / "report.dcm", **MODEL
        )
    assert not (tmp_path / "report.dcm").exists()


def test_faulty_and_missing_values_are_left_empty_and_never_shown(
    tmp_path, caplog, capfd
):
    caplog.set_level(logging.DEBUG)
    written = write_study(
        tmp_path,
        seed=3,
        PatientSex="unheard of",
        PatientBirthDate="in spring",
        PatientName="No Caret",
        without=("AccessionNumber", "StudyTime"),
    )
    caplog.clear()
    report = write_structured_report(
        study_of(written), tmp_path / "report.dcm", **MODEL
    )
    document = pydicom.dcmread(report)
    assert (document.PatientSex, document.PatientBirthDate, document.StudyTime) == (
        "",
        "",
        "",
    )
    assert document.PatientName == "No Caret"
    assert [record.getMessage() for record in caplog.records] == [
        f"{keyword} is not what DICOM allows there; the report leaves it empty"
        for keyword in ("PatientBirthDate (0010,0030)", "PatientSex (0010,0040)")
    ]
    shown = caplog.text + "".join(capfd.readouterr())
    secrets = ("unheard", "spring", "Caret", "secret", document.StudyInstanceUID)
    assert not any(secret in shown for secret in secrets)


@pytest.mark.filterwarnings("ignore:Unknown encoding")
def test_headers_beyond_repair_are_an_error_without_their_content(tmp_path, caplog):
    written = write_study(tmp_path, seed=4, SpecificCharacterSet="SECRET_SET")
    caplog.clear()
    with pytest.raises(
        UserError, match="the headers of the slices hold something"
    ) as refused:
        write_structured_report(study_of(written), tmp_path / "report.dcm", **MODEL)
    assert "SECRET" not in str(refused.value) + caplog.text


@pytest.fixture
def archive_user(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv(dicomweb.USER_VARIABLE, USER)
    monkeypatch.setenv(dicomweb.PASSWORD_VARIABLE, PASSWORD)


def test_an_archive_takes_reports_and_captures(paths, tmp_path, archive_user):
    study = study_of(paths, heat_maps=True)
    report = write_structured_report(study, tmp_path / "report.dcm", **MODEL)
    captures = write_secondary_captures(study, tmp_path / "captures", **MODEL)
    study_uid = pydicom.dcmread(paths[0]).StudyInstanceUID
    with orthanc(tmp_path) as url:
        dicomweb.store(url, [*paths, report, *captures])
        back = {
            modality: dicomweb.fetch_study(
                url, study_uid, tmp_path / modality, modalities=(modality,)
            )
            for modality in ("CT", "SR", "OT")
        }
    assert {modality: len(files) for modality, files in back.items()} == {
        "CT": 3,
        "SR": 1,
        "OT": 3,
    }
    assert (
        len(highdicom.sr.srread(back["SR"][0]).content.get_image_measurement_groups())
        == 24
    )
    np.testing.assert_array_equal(
        pydicom.dcmread(back["OT"][0]).pixel_array,
        pydicom.dcmread(captures[0]).pixel_array,
    )


@pytest.mark.slow
def test_program_from_the_archive_and_back(
    paths, tmp_path, archive_user, caplog, capfd
):
    export = export_ct(tmp_path / "efficient_scopeformer")
    study_uid = pydicom.dcmread(paths[0]).StudyInstanceUID
    output = tmp_path / "predictions"
    with orthanc(tmp_path) as url:
        dicomweb.store(url, paths)
        caplog.set_level(logging.DEBUG)
        predict.main(
            [
                "--export",
                str(export),
                "--output",
                str(output),
                "--dicomweb",
                url,
                "--study",
                study_uid,
                "--report",
                "sr",
                "--report",
                "sc",
                "--store",
            ]
        )
        (report,) = dicomweb.fetch_study(
            url, study_uid, tmp_path / "back", modalities=("SR",)
        )
        captures = dicomweb.fetch_study(
            url, study_uid, tmp_path / "back" / "sc", modalities=("OT",)
        )
    table = pd.read_csv(output / "predictions.csv")
    document = highdicom.sr.srread(report)
    groups = document.content.get_image_measurement_groups()[len(CT_LABELS) :]
    certainties = np.reshape(
        [group.get_measurements()[0].value for group in groups], (3, len(CT_LABELS))
    )
    np.testing.assert_allclose(certainties, 100 * table[list(CT_LABELS)], atol=1e-3)
    assert len(captures) == 3
    shown = caplog.text + "".join(capfd.readouterr())
    written = "".join(path.read_text() for path in output.glob("*.*") if path.is_file())
    secrets = (
        PASSWORD,
        study_uid,
        *(value for value in PATIENT.values() if "secret" in value.casefold()),
    )
    assert not any(secret in shown + written for secret in secrets)
