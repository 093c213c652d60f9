"""Real DICOM files from pydicom's own test data and the package pydicom-data, in RSNA's layout."""

import shutil
from pathlib import Path

from pydicom.data import get_testdata_file

CT_SAMPLES = (
    "693_UNCR.dcm",  # head, 14 bits signed, uncompressed, padded with -2000
    "693_J2KR.dcm",  # the same, JPEG 2000 lossless
    "693_UNCI.dcm",  # the same after a lossy round trip
    "693_J2KI.dcm",  # the lossy file itself
    "J2K_pixelrep_mismatch.dcm",  # head, tilted gantry; header says signed, the JPEG 2000 stream unsigned
    "CT_small.dcm",  # 128 x 128, 16 bits signed
    "bad_sequence.dcm",  # neck, 12 bits unsigned, JPEG lossless
    "explicit_VR-UN.dcm",  # 16 bits signed, JPEG 2000 lossless, elements of unknown type
)
NOT_CT_SAMPLES = {
    "MR_small.dcm": "Modality (0008,0060) is MR",
    "rtplan.dcm": "is not a DICOM image",
    "SC_rgb.dcm": "Modality (0008,0060) is OT",
    "eCT_Supplemental.dcm": "Enhanced CT Image Storage",
    "dicomdirtests/98892001/CT2N/6293": "LOCALIZER",
    "emri_small.dcm": "Modality (0008,0060) is MR",
}
SUBTYPES = (
    "epidural",
    "intraparenchymal",
    "intraventricular",
    "subarachnoid",
    "subdural",
)


def sample(name: str) -> Path:
    """Path of a sample; never downloads."""
    path = get_testdata_file(name, download=False)
    assert path is not None, (
        f"sample {name} is missing: install the package pydicom-data"
    )
    return Path(path)


def slice_id(index: int) -> str:
    """Name of a sample in the layout: `CT_SAMPLES` count from 0, `NOT_CT_SAMPLES` follow."""
    return f"ID_{index:09x}"


def lay_out_as_rsna(target_dir: Path, not_ct: bool = True) -> Path:
    """Copies the samples into `target_dir` as RSNA's stage 2 data come; labels are made up.

    Args:
        target_dir: Folder to fill.
        not_ct: Whether files that have to be set aside are among them.

    Returns:
        `target_dir`.
    """
    folder = target_dir / "stage_2_train"
    folder.mkdir(parents=True, exist_ok=True)
    rows = ["ID,Label"]
    for index, name in enumerate([*CT_SAMPLES, *(NOT_CT_SAMPLES if not_ct else ())]):
        shutil.copyfile(sample(name), folder / f"{slice_id(index)}.dcm")
        positive = SUBTYPES[index % len(SUBTYPES)] if index % 2 else None
        values = {subtype: int(subtype == positive) for subtype in SUBTYPES} | {
            "any": int(positive is not None)
        }
        rows += [
            f"{slice_id(index)}_{label},{value}" for label, value in values.items()
        ]
    (target_dir / "stage_2_train.csv").write_text("\n".join(rows) + "\n")
    return target_dir
