"""Shows what a run's network sees.

    python -m training.explain --run runs/NAME
    python -m training.explain --run runs/NAME --run runs/OTHER
    python -m training.explain --run runs/NAME picture.jpg folder/ ...

Of one run, over images of its own records: similarity.png, how alike its encoders' outputs are;
feature_maps_*.png, its backbones' maps of one image; redundancy.png, how much the maps have in common;
attention_first.png and attention_last.png, the heads of its first and last encoder; contact_sheet.png,
where it finds a label in the images of which it is most sure (Grad-CAM). Numbers are in .csv files of these
names. What a network does not have is left out. Of a run on mammograms: receptive_field.png, profiles of its
effective receptive field, and receptive_field_maps.png, by side of the breast where records were made with
--keep-laterality.

Of several runs: similarity.png and .csv of all; of runs on mammograms their receptive fields.

Of files: Grad-CAM over each, NAME_LABEL.png, of the picture's size; contact_sheet.png, each picture beside
its overlay; explain.csv, the predicted and the shown label with its probability; rejects.csv, files that
cannot be read. The label shown is the one with the highest probability, unless --label names one. A network
that sees the middle of a picture leaves the rest without colour.
"""

import argparse
import logging
from pathlib import Path

from keras_medformers.modalities import get_modality
from keras_medformers.support import command_line
from keras_medformers.support.errors import UserError
from training.explain import IMAGES
from training.explain.explainer import Explainer
from training.explain.files import explain_files
from training.explain.records import (
    compare_encoders,
    compare_receptive_fields,
    explain_records,
)
from training.predict.files import find_files
from training.runs.config import Config

logger = logging.getLogger(__name__)


def main(argv: list[str] | None = None) -> None:
    """The program behind `make explain`."""
    arguments = make_parser().parse_args(argv)
    for name, value in (
        ("--batch-size", arguments.batch_size),
        ("--images", arguments.images),
    ):
        if value < 1:
            raise UserError(f"expected {name} of at least 1, received {value}")

    runs = [Path(run) for run in arguments.run]
    if len(runs) > 1 and arguments.paths:
        raise UserError(
            "expected one --run to explain files with, or several --run and no files"
        )
    if len(runs) > 1:
        _several_runs(runs, arguments)
        return

    output = Path(arguments.output or runs[0] / "explain")
    if arguments.paths:
        _files(runs[0], output, arguments)
    else:
        _one_run(runs[0], output, arguments)


def make_parser() -> argparse.ArgumentParser:
    """The program's arguments."""
    parser = argparse.ArgumentParser(
        prog="python -m training.explain",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "paths",
        nargs="*",
        metavar="PATH",
        help="pictures, or DICOM files for a run on CT, or folders of them",
    )
    parser.add_argument(
        "--run",
        required=True,
        action="append",
        help="folder of a trained run; several to compare their encoders or receptive fields",
    )
    parser.add_argument(
        "--output",
        metavar="DIR",
        help="folder for the results (default: RUN/explain; of several, similarity or "
        "receptive_fields beside the first)",
    )
    parser.add_argument(
        "--label", metavar="NAME", help="label to show (default: the predicted one)"
    )
    grad_cam = parser.add_argument_group("Grad-CAM")
    grad_cam.add_argument(
        "--layer",
        metavar="NAME",
        help="layer of the network whose map is used (default: feature_map; of a network "
        "of tokens alone, the last encoder but one)",
    )
    grad_cam.add_argument(
        "--batch-size",
        type=int,
        default=8,
        metavar="N",
        help="images run at a time (default: %(default)s)",
    )
    records = parser.add_argument_group("images of the run's own records")
    records.add_argument(
        "--split",
        default="test",
        choices=("train", "validation", "test"),
        help="split they are taken from (default: %(default)s)",
    )
    records.add_argument(
        "--images",
        type=int,
        default=IMAGES,
        metavar="N",
        help="how many are looked at (default: %(default)s)",
    )
    records.add_argument(
        "--show",
        metavar="ID",
        help="source id of the image whose maps are drawn (default: among the images looked "
        "at, the positive one that was found most surely)",
    )
    records.add_argument(
        "--records", metavar="DIR", help="their folder (default: that of the run)"
    )

    return parser


def _files(run, output, arguments):
    paths = [
        path
        for path in find_files(arguments.paths)
        if output.resolve() not in path.resolve().parents
    ]
    explainer = Explainer(run, arguments.layer, arguments.label)
    _make_folder(output)
    rows, rejects = explain_files(paths, explainer, output, arguments.batch_size)
    logger.info(
        "%d of %d files explained, %d set aside; overlays, contact_sheet.png and explain.csv in %s. "
        "Not for clinical use.",
        len(rows),
        len(paths),
        len(rejects),
        output,
    )


def _one_run(run, output, arguments):
    explainer = Explainer(run, arguments.layer, arguments.label)
    pictures, tables = explain_records(
        explainer,
        arguments.records,
        arguments.split,
        arguments.images,
        arguments.show,
        arguments.label,
        arguments.batch_size,
    )
    _write(output, pictures, tables)


def _several_runs(runs, arguments):
    modalities = {run: get_modality(Config.load(run).modality) for run in runs}
    with_fields = {run: one.has_receptive_fields for run, one in modalities.items()}
    if len(set(with_fields.values())) > 1:
        others = ", ".join(str(run) for run in runs if not with_fields[run])
        nouns = next(one.nouns for run, one in modalities.items() if with_fields[run])
        raise UserError(
            f"expected runs that are all on {nouns}, or none; these are not: {others}"
        )
    compare, folder = compare_encoders, "similarity"
    if with_fields[runs[0]]:
        compare, folder = compare_receptive_fields, "receptive_fields"
    output = Path(arguments.output or runs[0].parent / folder)
    _write(output, *compare(runs, arguments.records, arguments.split, arguments.images))


def _write(output, pictures, tables):
    _make_folder(output)
    for name, png in pictures.items():
        (output / name).write_bytes(png)
    for name, table in tables.items():
        table.to_csv(output / name, index=False)
    logger.info(
        "%s in %s. Not for clinical use.", ", ".join([*pictures, *tables]), output
    )


def _make_folder(output):
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot make folder {output}: {error.strerror}") from error


if __name__ == "__main__":
    raise SystemExit(command_line.run(main))
