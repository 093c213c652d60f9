"""Mammograms are read to grey values with dark air, or refused with a tag and a reason."""

import cv2
import numpy as np
import pytest
from mammogram_files import (
    JPEG_2000,
    JPEG_LOSSLESS,
    breast,
    compress,
    voi_table,
    write_mammogram,
    write_png,
)
from real_dicom import sample

from data_prep.modalities.mammogram.dicom import (
    UnreadableMammogram,
    read_header,
    read_mammogram,
)
from data_prep.modalities.presentation import GREY_MAX

RAMP = np.arange(0, 4096, 17, dtype=np.uint16).reshape(1, -1).repeat(4, axis=0)
RAW = "1.2.840.10008.5.1.4.1.1.1.2.1"
"""Digital Mammography X-Ray Image Storage - For Processing."""


def stored(bits):
    return np.rint(breast(level=0.7) * (2**bits - 1)).astype(np.uint16)


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_stored_values_fill_the_range_whatever_their_bits(tmp_path, bits):
    values = stored(bits)
    read = read_mammogram(write_mammogram(tmp_path / "a.dcm", values, bits))
    np.testing.assert_allclose(read.grey, values / (2**bits - 1) * GREY_MAX, atol=0.51)
    assert read.grey.dtype == np.uint16 and not read.linearised
    assert (read.rows, read.columns, read.laterality) == (*values.shape, "left")
    header = read_header(tmp_path / "a.dcm")
    assert (header.rows, header.columns, header.laterality) == (*values.shape, "left")


def test_monochrome1_is_inverted(tmp_path):
    values = stored(12)
    path = write_mammogram(
        tmp_path / "a.dcm", 4095 - values, PhotometricInterpretation="MONOCHROME1"
    )
    np.testing.assert_allclose(
        read_mammogram(path).grey, values / 4095 * GREY_MAX, atol=0.51
    )


@pytest.mark.parametrize(
    "function, shown",
    [
        (
            "LINEAR",
            lambda x: (x - (1500 - 0.5)) / (2001 - 1) + 0.5,
        ),  # PS3.3 C.11.2.1.2.1
        ("LINEAR_EXACT", lambda x: (x - 1500) / 2001 + 0.5),  # C.11.2.1.3.2
        ("SIGMOID", lambda x: 1 / (1 + np.exp(-4 * (x - 1500) / 2001))),  # C.11.2.1.3.1
    ],
)
@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_windows_are_the_standards(tmp_path, function, shown, photometric):
    window = dict(
        WindowCenter=["1500", "9"], WindowWidth=["2001", "9"], VOILUTFunction=function
    )
    # Most of it is air, as in a mammogram.
    values = np.pad(
        RAMP,
        ((0, 8), (0, 0)),
        constant_values=0 if photometric == "MONOCHROME2" else 4095,
    )
    path = write_mammogram(
        tmp_path / "a.dcm", values, PhotometricInterpretation=photometric, **window
    )
    expected = np.clip(shown(values.astype(float)), 0, 1)
    if photometric == "MONOCHROME1":
        expected = 1 - expected
    np.testing.assert_allclose(read_mammogram(path).grey, expected * GREY_MAX, atol=1)


@pytest.mark.parametrize("bits", [8, 12, 16])
def test_tables_go_before_windows(tmp_path, bits):
    table = np.rint(np.linspace(0, 1, 3000) ** 2 * (2**bits - 1)).astype(int)
    window = dict(WindowCenter="9", WindowWidth="9")
    path = write_mammogram(
        tmp_path / "a.dcm", RAMP, VOILUTSequence=voi_table(table, 500, bits), **window
    )
    expected = table[np.clip(RAMP.astype(int) - 500, 0, 2999)] / (2**bits - 1)
    np.testing.assert_allclose(
        read_mammogram(path).grey, expected * GREY_MAX, atol=0.51
    )


@pytest.mark.parametrize(
    "slope, expected", [("2", RAMP / 4095), ("-2", 1 - RAMP / 4095)]
)
def test_a_rescale_without_a_window_keeps_the_order_of_its_values(
    tmp_path, slope, expected
):
    path = write_mammogram(
        tmp_path / "a.dcm", RAMP, RescaleSlope=slope, RescaleIntercept="-100"
    )
    np.testing.assert_allclose(
        read_mammogram(path).grey, expected * GREY_MAX, atol=0.51
    )


def test_signed_values_and_padding(tmp_path):
    values = stored(12).astype(np.int16) - 2000
    path = write_mammogram(
        tmp_path / "a.dcm",
        values,
        PixelPaddingValue=-1500,
        PixelPaddingRangeLimit=-1000,
    )
    grey = read_mammogram(path).grey
    padded = (values >= -1500) & (values <= -1000)
    assert padded.any() and (grey[padded] == 0).all()
    np.testing.assert_allclose(
        grey[~padded], (values[~padded] + 2048) / 4095 * GREY_MAX, atol=0.51
    )


@pytest.mark.parametrize("syntax", [JPEG_LOSSLESS, JPEG_2000])
@pytest.mark.parametrize("bits", [8, 12, 16])
def test_compressed_files_read_as_the_plain_ones(tmp_path, syntax, bits):
    plain = write_mammogram(
        tmp_path / "a.dcm", stored(bits), bits, WindowCenter="100", WindowWidth="180"
    )
    packed = compress(plain, tmp_path / "b.dcm", syntax)
    assert read_header(packed) == read_header(plain)
    np.testing.assert_array_equal(
        read_mammogram(packed).grey, read_mammogram(plain).grey
    )


@pytest.mark.parametrize(
    "signal, elements",
    [
        (
            lambda mu: 12000 * np.exp(-mu) - 1,
            {"PresentationIntentType": "FOR PROCESSING"},
        ),
        (
            lambda mu: 12000 * np.exp(-mu) - 1,
            {"PresentationIntentType": "", "SOPClassUID": RAW},
        ),
        (
            lambda mu: 16383 - (12000 * np.exp(-mu) - 1),
            {
                "PresentationIntentType": "FOR PROCESSING",
                "PixelIntensityRelationshipSign": -1,
            },
        ),
        (
            lambda mu: 12000 - 2000 * mu,
            {
                "PresentationIntentType": "FOR PROCESSING",
                "PixelIntensityRelationship": "LOG",
            },
        ),
    ],
)
def test_images_for_processing_become_attenuation(tmp_path, signal, elements):
    attenuation = 4 * breast(level=0.8, letters=False)
    values = np.rint(signal(attenuation)).astype(np.uint16)
    read = read_mammogram(
        write_mammogram(tmp_path / "a.dcm", values, bits=14, **elements)
    )
    assert read.linearised
    expected = np.clip(attenuation / np.percentile(attenuation, 99.9), 0, 1) * GREY_MAX
    np.testing.assert_allclose(read.grey, expected, atol=0.004 * GREY_MAX)


@pytest.mark.parametrize(
    "changes, reason",
    [
        ({"Modality": "CT"}, "Modality (0008,0060) is CT, expected MG"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.13.1.3"}, "Breast Tomosynthesis"),
        ({"NumberOfFrames": 40}, "NumberOfFrames (0028,0008) is 40"),
        (
            {"PhotometricInterpretation": "RGB"},
            "PhotometricInterpretation (0028,0004) is RGB",
        ),
        (
            {"PhotometricInterpretation": "PALETTE COLOR"},
            "is PALETTE COLOR with 1 samples per pixel",
        ),
        ({"SamplesPerPixel": 3}, "with 3 samples per pixel"),
        (
            {"PhotometricInterpretation": "MONOCHROME1"},
            "is MONOCHROME1, by which its air would be bright",
        ),
        ({"BitsAllocated": 32}, "BitsAllocated (0028,0100) 32"),
        ({"BitsStored": 7}, "BitsStored (0028,0101) is 7"),
        ({"without": ("PixelData",)}, "PixelData (7FE0,0010) is missing"),
        ({"PixelData": b"short"}, "PixelData (7FE0,0010) cannot be decoded"),
        (
            {"VOILUTSequence": voi_table(np.arange(9), 0, 5)},
            "VOILUTSequence (0028,3010)",
        ),
        ({"without": ("Rows",)}, "is not a DICOM image"),
    ],
)
def test_what_is_no_mammogram_is_refused_without_names(tmp_path, changes, reason):
    path = write_mammogram(tmp_path / "a.dcm", stored(12), **changes)
    with pytest.raises(UnreadableMammogram) as caught:
        read_mammogram(path)
    assert reason in caught.value.reason
    assert "secret" not in caught.value.reason.lower()


@pytest.mark.parametrize(
    "name, reason", [("CT_small.dcm", "Modality"), ("SC_rgb.dcm", "Modality")]
)
def test_real_files_of_other_kinds_are_refused_by_their_headers(name, reason):
    with pytest.raises(UnreadableMammogram, match=reason):
        read_header(sample(name))


def test_damaged_and_absent_files_are_refused(tmp_path):
    (tmp_path / "text.dcm").write_text("no image" * 99)
    with pytest.raises(UnreadableMammogram, match="is not a"):
        read_mammogram(tmp_path / "text.dcm")
    for name in ("absent.dcm", "absent.png"):
        with pytest.raises(UnreadableMammogram, match="cannot be opened"):
            read_header(tmp_path / name)


def test_png_of_16_bits_is_read_as_it_is_and_8_bits_are_spread(tmp_path):
    level = breast(level=0.6)
    path = write_png(tmp_path / "a.png", level)
    np.testing.assert_array_equal(read_mammogram(path).grey, np.rint(level * 65535))
    assert (
        read_header(path).rows == level.shape[0]
        and read_header(path).columns == level.shape[1]
    )
    cv2.imwrite(str(tmp_path / "b.png"), np.rint(level * 255).astype(np.uint8))
    np.testing.assert_array_equal(
        read_mammogram(tmp_path / "b.png").grey, np.rint(level * 255) * 257
    )


def test_png_that_cannot_be_used_is_refused(tmp_path):
    path = write_png(tmp_path / "a.png", breast())
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    cv2.imwrite(str(tmp_path / "rgb.png"), np.zeros((9, 9, 3), np.uint8))
    write_png(tmp_path / "bright.png", 1 - breast())
    (tmp_path / "jpeg.png").write_bytes(
        cv2.imencode(".jpg", np.zeros((9, 9), np.uint8))[1].tobytes()
    )
    for name, reason in {
        "a": "damaged", "rgb": "colour type 2", "bright": "its air is bright", "jpeg": "is not a PNG file"
    }.items():  # fmt: skip
        with pytest.raises(UnreadableMammogram, match=reason):
            read_mammogram(tmp_path / f"{name}.png")
