"""The program that shows treated slices: sheets, JPGs, the list to choose from."""

import cv2
import pytest
from ich_location_files import lay_out, make_phantoms

from data_prep.datasets import ich_location
from data_prep.modalities.head_ct.treatment import __main__ as program
from keras_medformers.support import command_line


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("treated")
    return lay_out(
        make_phantoms(folder / "phantoms", image_size_px=128, patients=4),
        folder / "data",
    )


def test_sheets_jpgs_and_a_list(data_dir, tmp_path):
    bad = next((data_dir / "deep").iterdir()) / "bad.dcm"
    bad.write_bytes(b"no slice")
    options = [
        f"--data-dir={data_dir}",
        f"--output={tmp_path}",
        "--workers=1",
        "--examples=3",
        "--jpg",
    ]
    assert command_line.run(program.main, options) == 0
    bad.unlink()
    files = ich_location.list_slices(data_dir).files
    keep = (tmp_path / "keep_list.txt").read_text().splitlines()
    assert keep[0].startswith("#") and keep[1:] == files
    assert "bad.dcm" in (tmp_path / "rejects.csv").read_text()
    patients = {"/".join(file.split("/")[:2]) for file in files}
    found = tmp_path.glob("patients/*/*.png")
    sheets = {path.relative_to(tmp_path / "patients").with_suffix("") for path in found}
    assert {sheet.as_posix() for sheet in sheets} == patients
    for file in files:
        picture = cv2.imread(
            str(tmp_path / "slices" / f"{file}.jpg"), cv2.IMREAD_UNCHANGED
        )
        assert (
            picture.shape == (128, 128)
            and picture[:5, :5].max() == 0
            and picture.max() > 200
        )
    steps = cv2.imread(str(tmp_path / "steps.png"), cv2.IMREAD_UNCHANGED)
    assert steps.shape[0] % 3 == 0 and steps.shape[1] % 7 == 0
    # An edited list is left as it is, and can be shown.
    (tmp_path / "keep_list.txt").write_text(files[0] + "\n")
    options[1] = f"--output={tmp_path / 'chosen'}"
    assert (
        command_line.run(
            program.main, [*options, f"--keep-list={tmp_path / 'keep_list.txt'}"]
        )
        == 0
    )
    assert len(list((tmp_path / "chosen" / "slices").rglob("*.jpg"))) == 1


def test_mistakes_get_one_line(tmp_path, capsys):
    options = [f"--data-dir={tmp_path / 'absent'}", f"--output={tmp_path}"]
    assert command_line.run(program.main, options) == 2
    assert "absent does not exist" in capsys.readouterr().err
    assert command_line.run(program.main, [*options, "--workers=0"]) == 2
    assert "--workers must be at least 1" in capsys.readouterr().err
