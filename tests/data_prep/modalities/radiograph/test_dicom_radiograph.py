"""Radiographs come out as DICOM presents them, or are refused with the tag that says why."""

import numpy as np
import pytest
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForProcessing,
)
from radiograph_files import chest, voi_lut, write_png, write_radiograph

from data_prep.modalities.mammogram import dicom as mammogram_dicom
from data_prep.modalities.radiograph.dicom import (
    UnreadableRadiograph,
    read_header,
    read_radiograph,
)

RAMP = np.arange(4096).reshape(64, 64)
"""Every value of 12 bits."""


def grey_of(path):
    return read_radiograph(path).grey


def expected(level):
    return np.rint(np.clip(level, 0, 1) * 65535)


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_all_values_that_can_be_stored_are_the_range_without_a_window(
    tmp_path, bits, photometric
):
    highest = 2**bits - 1
    stored = np.linspace(0, highest, 96).round().reshape(8, 12)
    path = write_radiograph(
        tmp_path / "a.dcm", stored, bits, PhotometricInterpretation=photometric
    )
    level = stored / highest
    if photometric == "MONOCHROME1":
        level = 1 - level
    np.testing.assert_allclose(grey_of(path), expected(level), atol=1)


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_a_window_is_applied_before_turning_over(tmp_path, photometric):
    path = write_radiograph(
        tmp_path / "a.dcm",
        RAMP,
        WindowCenter=2000.5,
        WindowWidth=1001,
        PhotometricInterpretation=photometric,
    )
    level = np.clip((RAMP - 1500) / 1000, 0, 1)
    level = 1 - level if photometric == "MONOCHROME1" else level
    np.testing.assert_allclose(grey_of(path), expected(level), atol=8)


@pytest.mark.parametrize(
    "window",
    [
        {"WindowCenter": None, "WindowWidth": None},
        {"WindowCenter": 2000},
        {"WindowWidth": 1000},
        {"WindowCenter": 2000, "WindowWidth": 0},
        {"WindowCenter": 2000, "WindowWidth": 0.5},
    ],
    ids=["empty", "centre alone", "width alone", "0 wide", "less than 1 wide"],
)
@pytest.mark.parametrize("reader", ["radiograph", "mammogram"])
def test_half_a_window_is_as_if_there_were_none(tmp_path, window, reader):
    elements = {"Modality": "MG"} if reader == "mammogram" else {}
    if reader == "mammogram":
        elements["SOPClassUID"] = mammogram_dicom.SOP_CLASSES[0]
    with_it = write_radiograph(tmp_path / "a.dcm", RAMP, **elements, **window)
    without = write_radiograph(tmp_path / "b.dcm", RAMP, **elements)
    read = mammogram_dicom.read_mammogram if elements else read_radiograph
    np.testing.assert_array_equal(read(with_it).grey, read(without).grey)


def test_the_first_window_that_can_be_applied_is(tmp_path):
    two = write_radiograph(
        tmp_path / "a.dcm", RAMP, WindowCenter=[900, 2000.5], WindowWidth=[0, 1001]
    )
    one = write_radiograph(
        tmp_path / "b.dcm", RAMP, WindowCenter=2000.5, WindowWidth=1001
    )
    np.testing.assert_array_equal(grey_of(two), grey_of(one))


def test_a_table_goes_before_a_window(tmp_path):
    entries = np.linspace(4095, 0, 4096).round().astype("<u2")
    path = write_radiograph(
        tmp_path / "a.dcm",
        RAMP,
        VOILUTSequence=voi_lut((4096, 0, 12), entries.tobytes()),
        WindowCenter=100,
        WindowWidth=50,
    )
    np.testing.assert_allclose(grey_of(path), expected(1 - RAMP / 4095), atol=1)


def test_a_table_of_8_bits_may_be_packed_two_to_a_word(tmp_path):
    entries = np.arange(256)[::-1].astype(np.uint8)
    stored = np.arange(256).reshape(16, 16)
    path = write_radiograph(
        tmp_path / "a.dcm",
        stored,
        8,
        VOILUTSequence=voi_lut((256, 0, 8), entries.tobytes()),
    )
    np.testing.assert_allclose(grey_of(path), expected(1 - stored / 255), atol=1)


@pytest.mark.parametrize(("declared", "bits"), [(16, 12), (12, 16), (10, 12)])
def test_a_table_has_its_own_range_where_its_descriptor_is_wrong(
    tmp_path, declared, bits
):
    entries = np.linspace(0, 2**bits - 1, 4096).round().astype("<u2")
    path = write_radiograph(
        tmp_path / "a.dcm",
        RAMP,
        VOILUTSequence=voi_lut((4096, 0, declared), entries.tobytes()),
    )
    np.testing.assert_allclose(grey_of(path), expected(RAMP / 4095), atol=9)


def test_a_table_too_short_is_a_reason(tmp_path):
    path = write_radiograph(
        tmp_path / "a.dcm", RAMP, VOILUTSequence=voi_lut((4096, 0, 16), bytes(100))
    )
    with pytest.raises(
        UnreadableRadiograph, match=r"VOILUTSequence \(0028,3010\).*100"
    ):
        read_radiograph(path)


def test_padding_is_black_also_where_it_is_turned_over(tmp_path):
    path = write_radiograph(
        tmp_path / "a.dcm",
        RAMP,
        PixelPaddingValue=0,
        PhotometricInterpretation="MONOCHROME1",
    )
    grey = grey_of(path)
    assert grey[0, 0] == 0
    assert grey[0, 1] > 65000


def test_computed_radiography_and_old_files_are_read(tmp_path):
    path = write_radiograph(
        tmp_path / "a.dcm",
        RAMP,
        without=("PresentationIntentType", "ViewPosition"),
        SOPClassUID=ComputedRadiographyImageStorage,
        Modality="CR",
    )
    header = read_header(path)
    assert (header.rows, header.columns, header.patient_id) == (64, 64, "secret-id")
    assert header.view == ""
    np.testing.assert_allclose(grey_of(path), expected(RAMP / 4095), atol=1)


@pytest.mark.parametrize("bits", [8, 16])
def test_png_files_are_taken_as_they_are(tmp_path, bits):
    path = write_png(tmp_path / "a.png", chest(), bits)
    np.testing.assert_allclose(grey_of(path), expected(chest()), atol=65535 / 2**bits)
    assert read_header(path).patient_id == ""


@pytest.mark.parametrize(
    ("elements", "reason"),
    [
        ({"Modality": "CT"}, r"Modality \(0008,0060\) is CT, expected DX or CR"),
        ({"Modality": "MG"}, r"is MG, expected DX or CR"),
        (
            {"PresentationIntentType": "FOR PROCESSING"},
            r"PresentationIntentType \(0008,0068\) is FOR PROCESSING",
        ),
        (
            {
                "SOPClassUID": DigitalXRayImageStorageForProcessing,
                "PresentationIntentType": "",
            },
            "is FOR PROCESSING",
        ),
        ({"NumberOfFrames": 3}, r"NumberOfFrames \(0028,0008\) is 3"),
        (
            {"PhotometricInterpretation": "PALETTE COLOR"},
            r"PhotometricInterpretation \(0028,0004\)",
        ),
    ],
)
def test_what_is_no_radiograph_is_refused(tmp_path, elements, reason):
    path = write_radiograph(tmp_path / "a.dcm", RAMP, **elements)
    for read in (read_header, read_radiograph):
        with pytest.raises(UnreadableRadiograph, match=reason) as refused:
            read(path)
        assert "ecret" not in str(refused.value)


def test_what_is_no_picture_is_refused(tmp_path):
    (tmp_path / "a.png").write_bytes(b"nothing")
    with pytest.raises(UnreadableRadiograph, match="not a PNG file"):
        read_header(tmp_path / "a.png")
    with pytest.raises(UnreadableRadiograph, match="cannot be opened"):
        read_header(tmp_path / "none.dcm")
