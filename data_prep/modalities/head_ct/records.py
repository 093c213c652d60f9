"""CT slices on their way into records: Hounsfield units at one size."""

from pathlib import Path

from data_prep.modalities.head_ct.dicom import UnreadableSlice, read_header, read_slice
from data_prep.modalities.head_ct.treatment.treatment import NONE, NoHead, treat
from data_prep.modalities.modality import EncodedImage, Header, Modality
from data_prep.records import schema
from data_prep.records.build_config import BuildConfig
from keras_medformers.modalities import HEAD_CT

TWELVE_BIT = "twelve_bit"
UNTREATED = "untreated"
NO_HEAD = "shows no head: no tissue is thicker than a head holder's walls"


def header_of_slice(path: Path) -> Header:
    """Reads the names by which slices are grouped and ordered.

    Raises:
        UnreadableSlice: See `dicom_ct.read_header`; or nothing in it keeps the slice to one split.
    """
    header = read_header(path)
    if not (header.patient_id or header.study_id or header.series_id):
        raise UnreadableSlice(
            path,
            "no PatientID (0010,0020), StudyInstanceUID or SeriesInstanceUID to keep it to one split",
        )
    return Header(
        # Without a patient's name the study is the narrowest thing known to be of one patient.
        header.patient_id or header.study_id or header.series_id,
        header.study_id,
        header.series_id,
        header.position_mm,
        header.rows,
        header.columns,
    )


def encode_slice(path: Path, config: BuildConfig) -> EncodedImage:
    """Reads a slice, treats it and encodes its Hounsfield units at the size asked for.

    Raises:
        UnreadableSlice: See `dicom_ct.read_slice`; or it is to be treated and there is no head in it.
    """
    ct_slice = read_slice(path, config.twelve_bit_correction)
    hu, done = ct_slice.hu, {TWELVE_BIT: ct_slice.corrected_twelve_bit}
    if config.treatment:
        try:
            hu, treated = treat(hu, config.treatment)
        except NoHead as error:
            raise UnreadableSlice(path, NO_HEAD) from error
        done[UNTREATED] = config.treatment != NONE and not treated
    image_format = format_of_records(config)
    return EncodedImage(
        encoded=schema.encode_hu(hu, config.image_size, image_format),
        image_format=image_format,
        height=config.image_size,
        width=config.image_size,
        channels=1,
        corrections=tuple(kind for kind, was_done in done.items() if was_done),
    )


def format_of_records(config: BuildConfig) -> str:
    """The image format that the settings ask for."""
    return schema.HU_ZLIB if config.compression else schema.HU_RAW


def shape_of_records(config: BuildConfig) -> tuple[int, int]:
    """Height and width of every record."""
    return config.image_size, config.image_size


CT = Modality(
    name=HEAD_CT.name,
    noun="slice",
    group_noun="patient",
    image_format=format_of_records,
    image_shape=shape_of_records,
    windows=schema.WINDOWS_HU,
    corrections={
        TWELVE_BIT: "12-bit correction",
        UNTREATED: "Left untreated, since treatment would have lost the head",
    },
    read_header=header_of_slice,
    encode=encode_slice,
)
