"""The CT reader against real files, small files with one thing wrong, and arithmetic by hand."""

import warnings

import numpy as np
import pydicom
import pytest
from ct_files import write_ct
from real_dicom import CT_SAMPLES, NOT_CT_SAMPLES, sample

from data_prep.modalities.head_ct.dicom import UnreadableSlice, read_header, read_slice

STORED = np.array([[0, 24, 1024, 1100], [4095, 2000, 1064, 1], [5, 6, 7, 8]], np.uint16)


@pytest.mark.parametrize("name", CT_SAMPLES)
def test_real_slices_equal_pydicoms_pixels_rescaled(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = pydicom.dcmread(sample(name))
        expected = dataset.pixel_array * float(dataset.RescaleSlope) + float(
            dataset.RescaleIntercept
        )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ct_slice = read_slice(sample(name))
    np.testing.assert_array_equal(ct_slice.hu, np.maximum(expected, -1024))
    assert ct_slice.hu.dtype == np.int16
    assert not ct_slice.corrected_twelve_bit


@pytest.mark.parametrize(
    "pair", [("693_UNCR.dcm", "693_J2KR.dcm"), ("693_UNCI.dcm", "693_J2KI.dcm")]
)
def test_compressed_and_uncompressed_files_of_one_slice_agree(pair):
    first, second = (read_slice(sample(name)).hu for name in pair)
    np.testing.assert_array_equal(first, second)


def test_signed_header_over_unsigned_jpeg_2000_stream_gives_air_and_bone():
    hu = read_slice(sample("J2K_pixelrep_mismatch.dcm")).hu
    assert hu[0, 0] == -1024
    assert 1000 < hu.max() < 3000
    assert abs(np.median(hu[(hu > 0) & (hu < 100)]) - 30) < 20


@pytest.mark.parametrize("name, reason", NOT_CT_SAMPLES.items())
def test_what_is_no_ct_slice_is_refused_with_a_reason(name, reason):
    for read in (read_header, read_slice):
        with pytest.raises(UnreadableSlice) as caught:
            read(sample(name))
        assert reason in caught.value.reason


def test_rescale_by_hand(tmp_path):
    hu = read_slice(write_ct(tmp_path / "ID_1.dcm", STORED)).hu
    np.testing.assert_array_equal(hu[0], [-1024, -1000, 0, 76])
    assert hu[1, 0] == 3071
    half = read_slice(
        write_ct(tmp_path / "ID_2.dcm", STORED, slope=0.5, intercept=-1000.5)
    ).hu
    np.testing.assert_array_equal(half[0], [-1000, -988, -488, -450])


def test_values_beyond_int16_are_clipped(tmp_path):
    hu = read_slice(write_ct(tmp_path / "ID_1.dcm", STORED, slope=100)).hu
    assert hu.max() == 32767 and hu.min() == -1024


def test_twelve_bit_fault_is_corrected_and_said(tmp_path):
    true_hu = np.array([[-1000, -10, 0, 40], [100, 1000, 2000, -500]])
    path = write_ct(
        tmp_path / "ID_1.dcm", (true_hu % 4096).astype(np.uint16), intercept=0
    )
    corrected = read_slice(path)
    np.testing.assert_array_equal(corrected.hu, true_hu)
    assert corrected.corrected_twelve_bit
    as_is = read_slice(path, correct_twelve_bit=False)
    np.testing.assert_array_equal(as_is.hu, true_hu % 4096)
    assert not as_is.corrected_twelve_bit


def test_twelve_bit_correction_leaves_right_and_signed_files_alone(tmp_path):
    assert not read_slice(
        write_ct(tmp_path / "a.dcm", STORED, intercept=-1024)
    ).corrected_twelve_bit
    signed = np.array([[-1000, 40], [0, 100]], np.int16)
    ct_slice = read_slice(write_ct(tmp_path / "b.dcm", signed, intercept=0))
    assert not ct_slice.corrected_twelve_bit
    np.testing.assert_array_equal(ct_slice.hu, signed)


def test_padding_becomes_air(tmp_path):
    stored = np.array([[-2000, 40], [3000, 3005]], np.int16)
    path = write_ct(
        tmp_path / "a.dcm",
        stored,
        intercept=0,
        PixelPaddingValue=3000,
        PixelPaddingRangeLimit=3010,
    )
    np.testing.assert_array_equal(read_slice(path).hu, [[-1024, 40], [-1024, -1024]])


def test_monochrome1_keeps_hounsfield_units_and_turns_inverted_values_around(tmp_path):
    stored = np.full((6, 6), 24, np.uint16)
    stored[2:4, 2:4] = 1064
    expected = stored.astype(int) - 1024
    plain = write_ct(
        tmp_path / "a.dcm", stored, PhotometricInterpretation="MONOCHROME1"
    )
    np.testing.assert_array_equal(read_slice(plain).hu, expected)
    inverted = write_ct(
        tmp_path / "b.dcm",
        (4095 - stored).astype(np.uint16),
        PhotometricInterpretation="MONOCHROME1",
    )
    np.testing.assert_array_equal(read_slice(inverted).hu, expected)


def test_position_is_along_the_normal_of_a_tilted_slice(tmp_path):
    tilt = np.deg2rad(20)
    orientation = [1.0, 0.0, 0.0, 0.0, float(np.cos(tilt)), float(-np.sin(tilt))]
    normal = np.array([0, np.sin(tilt), np.cos(tilt)])
    path = write_ct(
        tmp_path / "a.dcm", STORED, ImageOrientationPatient=orientation,
        ImagePositionPatient=[float(v) for v in 42.5 * normal + np.array([-100.0, 0, 0])],
    )  # fmt: skip
    assert read_header(path).position_mm == pytest.approx(42.5, abs=1e-6)


def test_position_is_nan_when_the_file_does_not_say(tmp_path):
    path = write_ct(tmp_path / "a.dcm", STORED, without=("ImagePositionPatient",))
    assert np.isnan(read_header(path).position_mm)


def test_rsna_like_file_without_modality_reads_in_silence(tmp_path):
    path = write_ct(tmp_path / "ID_1.dcm", STORED, without=("Modality",))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        header = read_header(path)
        read_slice(path)
    assert (header.patient_id, header.source_id) == ("ID_0a", "ID_1")
    assert (header.rows, header.columns) == STORED.shape


def test_file_without_preamble_and_meta_information_reads(tmp_path):
    bare = read_slice(write_ct(tmp_path / "bare.dcm", STORED, preamble=False))
    np.testing.assert_array_equal(bare.hu, STORED.astype(int) - 1024)


@pytest.mark.parametrize(
    "changes, reason",
    [
        ({"intercept": None}, "RescaleIntercept (0028,1052) is missing"),
        ({"slope": 0}, "RescaleSlope (0028,1053) is 0"),
        ({"RescaleType": "Z_EFF"}, "RescaleType (0028,1054)"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"}, "Secondary Capture"),
        (
            {"ImageType": ["DERIVED", "SECONDARY"], "ConversionType": "WSD"},
            "secondary capture",
        ),
        ({"NumberOfFrames": 2}, "NumberOfFrames"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "PhotometricInterpretation"),
        ({"BitsAllocated": 8}, "BitsAllocated"),
        ({"without": ("PixelData",)}, "PixelData (7FE0,0010) is missing"),
        ({"Rows": 1000}, "cannot be decoded"),
    ],
)
def test_one_thing_wrong_is_named(tmp_path, changes, reason):
    path = write_ct(tmp_path / "a.dcm", STORED, patient="Doe^Jane", **changes)
    with pytest.raises(UnreadableSlice) as caught:
        read_slice(path)
    assert reason in caught.value.reason
    assert "Doe" not in caught.value.reason


@pytest.mark.parametrize("name", ["693_UNCR.dcm", "693_J2KR.dcm", "bad_sequence.dcm"])
def test_truncated_file_is_refused(tmp_path, name):
    path = tmp_path / "a.dcm"
    data = sample(name).read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(UnreadableSlice):
        read_slice(path)


@pytest.mark.parametrize("content", [b"", b"no image\n" * 100, bytes(500)])
def test_what_is_no_dicom_is_refused(tmp_path, content):
    path = tmp_path / "a.dcm"
    path.write_bytes(content)
    with pytest.raises(UnreadableSlice):
        read_slice(path)
    with pytest.raises(UnreadableSlice, match="cannot be opened"):
        read_header(tmp_path / "absent.dcm")
