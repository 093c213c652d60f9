"""A study's findings as a DICOM Structured Report: a measurement report (TID 1500) in a Comprehensive SR.

It holds, for the study and for each slice, one measurement group (TID 1501) per label: the finding's code,
its certainty in percent (111012, DCM; unit %, UCUM) and the algorithm (TID 4019); the groups of a slice refer
to its image. The report is marked as unverified and preliminary, and says that it is not for clinical use.

A report carries the patient's identity over from the slices: that is how an archive knows where it belongs.
It is patient data like the slices, and its file is readable for its owner alone. Needs the package highdicom.

Reference:
    DICOM PS3.16 A, TID 1500, 1501, 300 and 4019; PS3.3 A.35.3 (Comprehensive SR).
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pydicom
from pydicom.sr.codedict import codes
from pydicom.uid import generate_uid

from keras_medformers.modalities import Modality, get_modality, list_modalities
from training.predict.dicom_objects import (
    MANUFACTURER,
    NOT_FOR_CLINICAL_USE,
    allowed_by_dicom,
    equipment,
    import_highdicom,
    save,
)
from training.predict.findings import StudyResult
from training.predict.report_codes import PRIVATE_SCHEME, PRIVATE_SCHEME_NAME, code_of
from training.predict.source_headers import read_headers

STATEMENT = (
    f"{NOT_FOR_CLINICAL_USE}. Made by a research program, which is no medical device; "
    "nobody has verified it."
)
REPORT_SERIES_NUMBER = 9801
PERCENT_DIGITS = 4


def write_structured_report(
    study: StudyResult, output: str | Path, *, model_name: str, model_version: str
) -> Path:
    """Writes the report of a study.

    Args:
        study: Findings; the patient, the study and the identifiers of the images are read from the slices'
            files.
        output: The file to write, such as `report.dcm`.
        model_name: The model's name.
        model_version: Version of its export.

    Returns:
        `output`.

    Raises:
        UserError: If highdicom is not installed, or a slice's file is not fit to be reported on, as RSNA's
            public files are not.
    """
    output = Path(output)
    highdicom = import_highdicom()
    headers = read_headers([result.path for result in study.slices])
    with allowed_by_dicom(output):
        save(_report(highdicom, study, headers, model_name, model_version), output)
    return output


def _report(
    highdicom, study: StudyResult, headers: list, model_name: str, model_version: str
) -> pydicom.Dataset:
    # Inside, since highdicom is an extra.
    from highdicom.coding_schemes import CodingSchemeIdentificationItem

    sr = highdicom.sr
    device = sr.DeviceObserverIdentifyingAttributes(
        uid=generate_uid(entropy_srcs=[MANUFACTURER, model_name, model_version]),
        name=MANUFACTURER,
        manufacturer_name=MANUFACTURER,
        model_name=model_name,
    )
    content = sr.MeasurementReport(
        observation_context=sr.ObservationContext(
            observer_device_context=sr.ObserverContext(
                observer_type=codes.DCM.Device, observer_identifying_attributes=device
            )
        ),
        procedure_reported=_procedure(headers[0]),
        imaging_measurements=list(
            _groups(sr, study, headers, model_name, model_version)
        ),
    )
    content[0].ContentSequence.insert(
        len(content[0].ContentSequence) - 1,
        sr.TextContentItem(
            name=codes.DCM.Comment,
            value=STATEMENT,
            relationship_type=sr.RelationshipTypeValues.CONTAINS,
        ),
    )
    return sr.ComprehensiveSR(
        evidence=headers,
        content=content,
        series_number=REPORT_SERIES_NUMBER,
        series_instance_uid=highdicom.UID(),
        sop_instance_uid=highdicom.UID(),
        instance_number=1,
        is_complete=True,
        is_final=False,
        coding_schemes=[
            CodingSchemeIdentificationItem(
                PRIVATE_SCHEME,
                name=PRIVATE_SCHEME_NAME,
                responsible_organization=MANUFACTURER,
            )
        ],
        **equipment(model_name, model_version),
    )


def _groups(
    sr, study: StudyResult, headers: list, model_name: str, model_version: str
) -> Iterator:
    """The measurement groups: the study's, then those of the slices in order."""
    rule = f"value of the study: {study.rule} over its {len(study.slices)} {study.words.many}"
    yield from _groups_of(
        sr,
        "study",
        study.probabilities,
        sr.AlgorithmIdentification(model_name, model_version, [rule]),
        [],
    )
    algorithm = sr.AlgorithmIdentification(model_name, model_version)
    for number, (result, header) in enumerate(
        zip(study.slices, headers, strict=True), start=1
    ):
        image = sr.SourceImageForMeasurementGroup(
            header.SOPClassUID, header.SOPInstanceUID
        )
        yield from _groups_of(
            sr, f"{study.words.one} {number}", result.probabilities, algorithm, [image]
        )


def _groups_of(
    sr,
    subject: str,
    probabilities: Mapping[str, Mapping[str, float]],
    algorithm,
    images: list,
) -> Iterator:
    for of_output in probabilities.values():
        for label, probability in of_output.items():
            yield sr.MeasurementsAndQualitativeEvaluations(
                tracking_identifier=sr.TrackingIdentifier(
                    identifier=f"{subject}: {label}"
                ),
                finding_type=_concept(sr, label),
                algorithm_id=algorithm,
                measurements=[
                    sr.Measurement(
                        name=codes.DCM.CertaintyOfFinding,
                        value=round(100 * float(probability), PERCENT_DIGITS),
                        unit=codes.UCUM.Percent,
                    )
                ],
                source_images=images or None,
            )


def _concept(sr, label: str):
    value, scheme, meaning = code_of(label)
    return sr.CodedConcept(value, scheme, meaning)


def _procedure(header: pydicom.Dataset):
    of_modality = [
        get_modality(name).procedure
        for name in list_modalities()
        if header.get("Modality") in get_modality(name).dicom_modalities
    ]
    return getattr(codes.cid100, (of_modality or [Modality.procedure])[0])
