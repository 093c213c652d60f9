"""The program on real files: with an export here, on a server, and with what goes wrong in between."""

import json
import re
import time

import cv2
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
import tiny_exports
import trustme
from ct_files import write_ct
from dicom_study import PATIENT, write_study
from mammogram_files import breast, write_mammogram
from orthanc_server import PASSWORD, USER, orthanc
from prediction_server import Refused, Served, grpc_server, rest_server
from tiny_exports import CT_LABELS, MAMMOGRAM_LABELS, PICTURE_LABELS

from data_prep.modalities.head_ct.dicom import read_slice
from data_prep.modalities.head_ct.treatment.treatment import treat
from data_prep.modalities.mammogram.records import MammogramSettings, read
from data_prep.modalities.photograph.pictures import read_photograph
from keras_medformers.serving.client import client
from keras_medformers.support import command_line
from training.predict import __main__ as program


@pytest.fixture(autouse=True)
def fast_retries(monkeypatch):
    monkeypatch.setattr(client, "LONGEST_WAIT_S", 0.02)


def run(*arguments):
    return command_line.run(program.main, [str(argument) for argument in arguments])


def error_of(capsys, *arguments):
    assert run(*arguments) == command_line.USER_ERROR_EXIT_CODE
    (line,) = [
        line
        for line in capsys.readouterr().err.splitlines()
        if line.startswith("error: ")
    ]
    return line


def probabilities(version, pixels, signature="serving_default"):
    model = tf.saved_model.load(str(version))
    return [
        model.signatures[signature](pixels=tf.constant(one[None]))[
            "probabilities"
        ].numpy()[0]
        for one in pixels
    ]


def hu_of(folder, number):
    return read_slice(folder / f"{number}.dcm").hu


def slices_of(folder):
    return [hu_of(folder, number)[..., None] for number in range(6)]


def test_words_that_stand_for_themselves():
    assert program.PROTOCOLS == client.PROTOCOLS


def test_an_export_alone(tiny_exports, folder, tmp_path, caplog):
    caplog.set_level("INFO")
    output = tmp_path / "out"
    assert run("--export", tiny_exports["ct"].parent, folder, "--output", output) == 0
    table = pd.read_csv(output / "predictions.csv")
    assert list(table) == ["file", "study", "position_mm", *CT_LABELS]
    assert list(table["file"]) == [str(folder / f"{number}.dcm") for number in range(6)]
    assert list(table["study"]) == ["study 1"] * 3 + ["study 2"] * 3
    expected = probabilities(tiny_exports["ct"], slices_of(folder))
    np.testing.assert_allclose(table[list(CT_LABELS)], expected, atol=1e-5)

    studies = pd.read_csv(output / "studies.csv")
    assert list(studies) == ["study", "slices", "rule", *CT_LABELS]
    assert studies["slices"].tolist() == [3, 3] and set(studies["rule"]) == {"max"}
    np.testing.assert_allclose(
        studies.loc[1, list(CT_LABELS)].astype(float),
        np.max(expected[3:], axis=0),
        atol=1e-5,
    )

    rejects = pd.read_csv(output / "rejects.csv").set_index("file")["reason"]
    assert sorted(rejects.index) == [
        str(folder / name) for name in ("letter.txt", "scout.dcm")
    ]
    assert "Modality (0008,0060) is MR" in rejects[str(folder / "scout.dcm")]

    content = json.loads((output / "predictions.json").read_text())
    assert content["complete"] and "Not for clinical use" in content["warning"]
    assert content["model"]["name"] == "tiny_ct" and content["model"]["version"] == 1
    np.testing.assert_allclose(
        [
            [one["probabilities"]["probabilities"][label] for label in CT_LABELS]
            for one in content["images"]
        ],
        expected,
        atol=1e-5,
    )
    assert content["studies"][0]["study"] == "study 1" and len(content["rejects"]) == 2

    text = "".join(path.read_text() for path in output.iterdir()) + caplog.text
    assert "ecret" not in text.replace(str(tmp_path), "")
    assert (
        "6 slices classified, 2 files set aside" in caplog.text
        and "set aside: " in caplog.text
    )
    assert sorted(path.name for path in output.iterdir()) == [
        "predictions.csv",
        "predictions.json",
        "rejects.csv",
        "studies.csv",
    ]


@pytest.mark.parametrize(
    "protocol, server", [("grpc", grpc_server), ("rest", rest_server)]
)
def test_a_server_gives_what_the_export_gives(
    protocol, server, tiny_exports, folder, tmp_path
):
    assert (
        run(
            "--export",
            tiny_exports["ct"],
            folder,
            "--output",
            tmp_path / "here",
            "--overlays",
        )
        == 0
    )
    with server(Served(tiny_ct=tiny_exports["ct"])) as (address, _):
        asked = (
            "--export",
            tiny_exports["ct"],
            "--server",
            address,
            "--protocol",
            protocol,
            "--overlays",
        )
        assert (
            run(*asked, folder, "--output", tmp_path / "there", "--batch-size", 2) == 0
        )
    here, there = (
        pd.read_csv(tmp_path / name / "predictions.csv") for name in ("here", "there")
    )
    pd.testing.assert_frame_equal(here, there, atol=1e-5)
    for name in here["overlay"]:
        one, other = (
            cv2.imread(str(tmp_path / where / "overlays" / name))
            for where in ("here", "there")
        )
        assert np.abs(one.astype(int) - other).max() <= 1


def test_an_encrypted_server(tiny_exports, folder, tmp_path, capsys):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "hospital.pem")
    certificate = authority.issue_cert("localhost")
    with grpc_server(Served(tiny_ct=tiny_exports["ct"]), certificate=certificate) as (
        address,
        _,
    ):
        ask = (
            "--export",
            tiny_exports["ct"],
            "--server",
            address,
            "--output",
            tmp_path / "out",
            folder,
        )
        assert run(*ask, "--tls-authorities", tmp_path / "hospital.pem") == 0
        assert len(pd.read_csv(tmp_path / "out" / "predictions.csv")) == 6
        again = (*ask[:-2], tmp_path / "not", folder)
        assert "trusted here" in error_of(capsys, *again, "--tls", "--retries", 0)
        assert "(PEM)" in error_of(
            capsys, *again, "--tls-authorities", tmp_path / "absent.pem"
        )


def test_slices_are_treated_as_the_records_were(tmp_path, folder):
    version = tiny_exports.export_two_tasks(tmp_path / "tiny_dtvit", treatment="mask")
    write_ct(folder / "air.dcm", np.zeros((48, 48), np.uint16))
    assert run("--export", version, folder, "--output", tmp_path / "out") == 0
    table = pd.read_csv(tmp_path / "out" / "predictions.csv", keep_default_na=False)
    names = [name for names in tiny_exports.TASK_LABELS.values() for name in names]
    assert list(table) == [
        "file",
        "study",
        "position_mm",
        "treated",
        "hemorrhage",
        "location",
        *names,
    ]
    model = tf.saved_model.load(str(version))
    for number, row in table.iterrows():
        treated = treat(hu_of(folder, number), "mask").hu
        assert (treated != hu_of(folder, number)).any() and row["treated"]
        outputs = model.signatures["serving_default"](
            pixels=tf.constant(treated[None, ..., None])
        )
        wanted = np.concatenate([outputs[task][0] for task in tiny_exports.TASK_LABELS])
        np.testing.assert_allclose(row[names].to_numpy(float), wanted, atol=1e-5)
        assert row["hemorrhage"] == ("ich" if row["ich"] > row["normal"] else "normal")
        assert bool(row["location"]) == (row["hemorrhage"] == "ich")
    studies = pd.read_csv(tmp_path / "out" / "studies.csv")
    np.testing.assert_allclose(studies[["normal", "ich"]].sum(axis=1), 1, atol=1e-5)
    rejects = pd.read_csv(tmp_path / "out" / "rejects.csv").set_index("file")["reason"]
    assert rejects[str(folder / "air.dcm")].startswith("shows no head")

    assert (
        run(
            "--export",
            version,
            folder,
            "--output",
            tmp_path / "raw",
            "--treatment",
            "as-they-are",
        )
        == 0
    )
    raw = pd.read_csv(tmp_path / "raw" / "predictions.csv")
    assert "treated" not in raw
    untreated = raw.set_index("file").loc[table["file"], "ich"].to_numpy()
    assert np.abs(untreated - table["ich"]).max() > 1e-4


def test_pictures(tiny_exports, pictures, tmp_path, caplog):
    caplog.set_level("INFO")
    output = tmp_path / "out"
    assert (
        run(
            "--export",
            tiny_exports["pictures"],
            pictures,
            "--output",
            output,
            "--overlays",
        )
        == 0
    )
    table = pd.read_csv(output / "predictions.csv")
    assert list(table) == ["file", "class", *PICTURE_LABELS, "overlay"]
    files = sorted(pictures.glob("*.png"))
    expected = probabilities(
        tiny_exports["pictures"], [read_photograph(path) for path in files]
    )
    np.testing.assert_allclose(table[list(PICTURE_LABELS)], expected, atol=1e-5)
    assert list(table["class"]) == [PICTURE_LABELS[np.argmax(one)] for one in expected]
    assert not (output / "studies.csv").exists()
    assert "4 photographs classified, 1 files set aside" in caplog.text
    for path, name in zip(files, table["overlay"], strict=True):
        assert (
            cv2.imread(str(output / "overlays" / name)).shape
            == read_photograph(path).shape
        )


def test_mammograms_are_cut_out_as_for_records(tmp_path):
    settings = {"image_height_px": 52, "source_height_px": 104, "flip": True}
    version = tiny_exports.export_mammograms(tmp_path / "tiny_hct", settings)
    folder = tmp_path / "files"
    folder.mkdir()
    left = np.rint(4095 * breast("left")).astype(np.uint16)
    for name, stored, side in (("a", left, "L"), ("b", left[:, ::-1], "R")):
        write_mammogram(
            folder / f"{name}.dcm",
            stored,
            ImageLaterality=side,
            StudyInstanceUID="1.2.3.4",
        )
    write_ct(folder / "slice.dcm", np.zeros((8, 8), np.uint16))
    assert (
        run("--export", version, folder, "--output", tmp_path / "out", "--overlays")
        == 0
    )
    table = pd.read_csv(tmp_path / "out" / "predictions.csv")
    assert list(table) == [
        "file",
        "study",
        "laterality",
        "class",
        *MAMMOGRAM_LABELS,
        "overlay",
    ]
    assert (
        list(table["laterality"]) == ["left", "right"]
        and list(table["study"]) == ["study 1"] * 2
    )
    config = MammogramSettings(image_size=52, source_height=104, flip=True)
    pixels = read(folder / "a.dcm", config).pixels
    (expected,) = probabilities(version, [pixels])
    # A right breast is flipped: the same mirror image gives the same.
    np.testing.assert_allclose(table[list(MAMMOGRAM_LABELS)], [expected] * 2, atol=1e-5)
    assert cv2.imread(
        str(tmp_path / "out" / "overlays" / table["overlay"][0])
    ).shape == (52, 40, 3)
    rejects = pd.read_csv(tmp_path / "out" / "rejects.csv")
    assert rejects["reason"].tolist() == ["Modality (0008,0060) is CT, expected MG"]
    assert "ecret" not in "".join(
        p.read_text() for p in (tmp_path / "out").iterdir() if p.is_file()
    )


def test_overlays_of_labels(tiny_exports, folder, tmp_path, capsys):
    ask = ("--export", tiny_exports["ct"], folder, "--overlays")
    assert run(*ask, "--output", tmp_path / "all", "--label", "all") == 0
    assert len(list((tmp_path / "all" / "overlays").iterdir())) == 6 * len(CT_LABELS)
    assert run(*ask, "--output", tmp_path / "one", "--label", "epidural") == 0
    table = pd.read_csv(tmp_path / "one" / "predictions.csv")
    assert list(table["overlay"]) == [f"{number}_epidural.png" for number in range(6)]
    error = error_of(
        capsys, *ask, "--output", tmp_path / "none", "--label", "epidurall"
    )
    assert (
        "expected --label to be all, likeliest, or among any, epidural, subdural"
        in error
    )


def test_files_of_one_name_get_overlays_of_their_own(tiny_exports, folder, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "1.dcm").write_bytes((folder / "2.dcm").read_bytes())
    ask = (
        "--export",
        tiny_exports["ct"],
        folder / "1.dcm",
        tmp_path / "other",
        "--overlays",
    )
    assert run(*ask, "--output", tmp_path / "out") == 0
    first, second = pd.read_csv(tmp_path / "out" / "predictions.csv")["overlay"]
    assert first != second and first.startswith("1_") and second.startswith("1_")
    assert len(list((tmp_path / "out" / "overlays").iterdir())) == 2


def test_a_server_that_dies_half_way(tiny_exports, folder, tmp_path, capsys, caplog):
    caplog.set_level("INFO")
    served, output = Served(tiny_ct=tiny_exports["ct"]), tmp_path / "out"
    ask = (
        "--export",
        tiny_exports["ct"],
        folder,
        "--output",
        output,
        "--batch-size",
        1,
        "--concurrency",
        1,
        "--retries",
        1,
    )
    with grpc_server(served) as (address, end):

        def die():
            end()
            raise Refused("UNAVAILABLE", "dying")

        served.faults += [lambda: None] * 3 + [die]
        error = error_of(capsys, *ask, "--server", address)
    assert f"no server answers at {address} over grpc" in error
    # The fourth slice is in the second chunk of two, which was not asked to the end.
    assert (
        "3 of 8 files have an answer" in error and "the same command goes on" in error
    )
    table = pd.read_csv(output / "predictions.csv")
    assert list(table["file"]) == [str(folder / f"{number}.dcm") for number in range(3)]
    assert not json.loads((output / "predictions.json").read_text())["complete"]
    assert not (output / "studies.csv").exists()
    journal = (output / ".predict" / "journal.jsonl").read_text()
    assert journal.count("\n") == 4 and "ecret" not in journal.replace(
        str(tmp_path), ""
    )

    served.requests.clear()
    with grpc_server(served, port=address.rpartition(":")[2]) as (again, _):
        assert again == address
        assert run(*ask, "--server", address) == 0
    assert "Going on after 3 files" in caplog.text
    assert len(served.requests) == 3
    assert sorted(path.name for path in output.iterdir()) == [
        "predictions.csv",
        "predictions.json",
        "rejects.csv",
        "studies.csv",
    ]
    table = pd.read_csv(output / "predictions.csv")
    expected = probabilities(tiny_exports["ct"], slices_of(folder))
    np.testing.assert_allclose(table[list(CT_LABELS)], expected, atol=1e-5)
    assert list(table["study"]) == ["study 1"] * 3 + ["study 2"] * 3


def test_a_slow_server(tiny_exports, folder, tmp_path, capsys):
    served = Served(tiny_ct=tiny_exports["ct"])
    with grpc_server(served) as (address, _):
        served.faults.append(lambda: time.sleep(0.5))
        ask = (
            "--export",
            tiny_exports["ct"],
            folder,
            "--output",
            tmp_path,
            "--server",
            address,
        )
        assert "within 0.1 s; allow more time" in error_of(
            capsys, *ask, "--timeout", 0.1
        )


def test_images_that_the_model_refuses_are_set_aside(tiny_exports, folder, tmp_path):
    # Without air: a part of a slice, or no Hounsfield units.
    write_ct(folder / "grey.dcm", np.full((48, 48), 1100, np.uint16))
    with grpc_server(Served(tiny_ct=tiny_exports["ct"])) as (address, _):
        ask = ("--export", tiny_exports["ct"], "--server", address, folder)
        assert run(*ask, "--output", tmp_path / "out") == 0
    assert len(pd.read_csv(tmp_path / "out" / "predictions.csv")) == 6
    rejects = pd.read_csv(tmp_path / "out" / "rejects.csv").set_index("file")["reason"]
    assert rejects[str(folder / "grey.dcm")].startswith(
        "the model refuses it: expected Hounsfield units"
    )


def test_a_server_without_anything_that_tells_of_its_model(
    tiny_exports, folder, tmp_path, capsys
):
    with grpc_server(Served(tiny_ct=tiny_exports["ct"])) as (address, _):
        ask = ("--server", address, folder, "--output", tmp_path / "out")
        assert "expected --model-name" in error_of(capsys, *ask)
        ask += ("--model-name", "tiny_ct")
        assert "say it by --treatment (as-they-are: they were not)" in error_of(
            capsys, *ask
        )
        ask += ("--treatment", "as-they-are")
        assert "heat maps need --run or --export" in error_of(
            capsys, *ask, "--overlays"
        )
        assert run(*ask) == 0
        assert "no signature 'explain'" not in capsys.readouterr().err
        assert "does not serve a model 'tinny'" in error_of(
            capsys, *ask, "--model-name", "tinny"
        )
    table = pd.read_csv(tmp_path / "out" / "predictions.csv")
    np.testing.assert_allclose(
        table[list(CT_LABELS)],
        probabilities(tiny_exports["ct"], slices_of(folder)),
        atol=1e-5,
    )


@pytest.mark.parametrize("rule, share", [("mean", 3), ("top2", 2), ("top99", 3)])
def test_rules_for_studies(rule, share, tiny_exports, folder, tmp_path):
    ask = (
        "--export",
        tiny_exports["ct"],
        folder,
        "--output",
        tmp_path,
        "--study-rule",
        rule,
    )
    assert run(*ask) == 0
    slices, studies = (
        pd.read_csv(tmp_path / name) for name in ("predictions.csv", "studies.csv")
    )
    highest = slices.loc[:2, "epidural"].sort_values()[-share:]
    assert (
        studies.loc[0, "epidural"] == pytest.approx(highest.mean())
        and studies.loc[0, "rule"] == rule
    )


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["absent"], "there is no file or folder absent"),
        (
            ["x.dcm", "--batch-size=0"],
            "expected --batch-size of at least 1, received 0",
        ),
        (
            ["x.dcm", "--study-rule=median"],
            "--study-rule must be max, mean, or topK such as top3",
        ),
        (["x.dcm", "--study-rule=top0"], "--study-rule must be"),
        (
            ["x.dcm", "--export=absent"],
            "--export absent is no SavedModel and has no versions",
        ),
        (["x.dcm", "--run=absent"], "absent is not the folder of a run"),
        ([], "expected files or folders, or --dicomweb"),
        (
            ["--dicomweb=http://localhost:8042/dicom-web"],
            "expected --dicomweb and --study together",
        ),
        (["x.dcm", "--store"], "expected --store with --dicomweb and --report"),
        (
            ["x.dcm", "--server=localhost", "--model-name=m"],
            "`server` must be host:port",
        ),
    ],
)
def test_mistakes(arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_ct(tmp_path / "x.dcm", np.zeros((8, 8), np.uint16))
    if not any(re.match("--(run|export|server)", argument) for argument in arguments):
        arguments = [*arguments, "--export=absent"]
    assert message in error_of(capsys, *arguments)
    assert [path.name for path in tmp_path.iterdir()] == ["x.dcm"]


def test_no_model_is_named(capsys):
    assert "expected --run, --export or --server" in error_of(capsys, "x.dcm")


def test_files_of_another_modality(tiny_exports, folder, pictures, tmp_path, capsys):
    ask = ("--export", tiny_exports["pictures"], folder, "--output", tmp_path / "out")
    assert "none of the 8 files is a picture that can be read" in error_of(capsys, *ask)
    assert len(pd.read_csv(tmp_path / "out" / "rejects.csv")) == 8
    assert "--report is for DICOM files" in error_of(capsys, *ask, "--report", "sr")
    assert "--treatment is for CT slices" in error_of(
        capsys, *ask, "--treatment", "mask"
    )
    with grpc_server(Served(tiny_ct=tiny_exports["ct"])) as (address, _):
        ask += ("--server", address, "--model-name", "tiny_ct")
        assert (
            "is about photographs, uint8 pixels with 3 channel(s), and the model at localhost"
            in error_of(capsys, *ask)
        )


def test_output_that_is_a_file(tiny_exports, folder, tmp_path, capsys):
    (tmp_path / "table.csv").touch()
    ask = ("--export", tiny_exports["ct"], folder, "--output", tmp_path / "table.csv")
    assert "table.csv cannot be made: File exists; it is a folder" in error_of(
        capsys, *ask
    )


def test_results_among_the_files_are_left_out(tiny_exports, folder, capsys):
    ask = ("--export", tiny_exports["ct"], folder, "--output", folder)
    assert run(*ask) == 0 and run(*ask) == 0
    assert len(pd.read_csv(folder / "rejects.csv")) == 2
    ask = ("--export", tiny_exports["ct"], folder / "rejects.csv", "--output", folder)
    assert "the files named are all results" in error_of(capsys, *ask)


def test_reports(tiny_exports, tmp_path, caplog):
    pytest.importorskip("highdicom")
    import pydicom

    caplog.set_level("INFO")
    write_study(tmp_path / "files", slices=2)
    ask = (
        "--export",
        tiny_exports["ct"],
        tmp_path / "files",
        "--report",
        "sr",
        "--report",
        "sc",
    )
    assert run(*ask, "--output", tmp_path / "out") == 0
    reports = tmp_path / "out" / "reports"
    report = pydicom.dcmread(reports / "study_1.dcm")
    assert (report.Modality, report.PatientID) == ("SR", PATIENT["PatientID"])
    captures = sorted((reports / "study_1").iterdir())
    assert [pydicom.dcmread(path).Modality for path in captures] == ["OT", "OT"]
    texts = [
        path.read_text() for path in (tmp_path / "out").iterdir() if path.is_file()
    ]
    assert "ecret" not in ("".join(texts) + caplog.text).replace(str(tmp_path), "")


def test_report_that_cannot_be_written_leaves_the_results(
    tiny_exports, folder, tmp_path, capsys
):
    pytest.importorskip("highdicom")
    write_study(folder, slices=2)
    ask = (
        "--export",
        tiny_exports["ct"],
        folder,
        "--report",
        "sr",
        "--output",
        tmp_path / "out",
    )
    assert "no report of study 1: " in error_of(capsys, *ask)
    assert len(pd.read_csv(tmp_path / "out" / "predictions.csv")) == 8
    # RSNA's kind of identifiers fits no report; those of the second study do.
    assert [path.name for path in (tmp_path / "out" / "reports").iterdir()] == [
        "study_2.dcm"
    ]


def test_from_an_archive_and_back(tiny_exports, tmp_path, monkeypatch):
    pytest.importorskip("highdicom")
    pytest.importorskip("dicomweb_client")
    import pydicom

    from training.predict import dicomweb

    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("DICOMWEB_USER", USER)
    monkeypatch.setenv("DICOMWEB_PASSWORD", PASSWORD)
    files = write_study(tmp_path / "files", slices=2)
    study_uid = pydicom.dcmread(files[0]).StudyInstanceUID
    (tmp_path / "archive").mkdir()
    with orthanc(tmp_path / "archive") as url:
        dicomweb.store(url, files)
        ask = ("--export", tiny_exports["ct"], "--dicomweb", url, "--study", study_uid)
        assert run(*ask, "--output", tmp_path / "out", "--report", "sr", "--store") == 0
        (report,) = dicomweb.fetch_study(
            url, study_uid, tmp_path / "back", modalities=("SR",)
        )
    assert pydicom.dcmread(report).PatientID == PATIENT["PatientID"]
    table = pd.read_csv(tmp_path / "out" / "predictions.csv")
    expected = probabilities(
        tiny_exports["ct"], [read_slice(path).hu[..., None] for path in files]
    )
    np.testing.assert_allclose(table[list(CT_LABELS)], expected, atol=1e-5)
