"""Classifies DICOM files or pictures with an exported model, here or on a server.

    python -m training.predict --run runs/NAME slice.dcm folder/ picture.jpg ...
    python -m training.predict --export export/MODEL folder/
    python -m training.predict --run runs/NAME --server localhost:8500 folder/

A model takes what it was trained on: slices of CT, or pictures such as JPEG and PNG. Slices are treated as
those were that it was trained on.

Into the output folder: predictions.csv, one row a file with a column a label (where labels exclude each
other, the likeliest, too); studies.csv, the same per study of slices; predictions.json, both; rejects.csv,
the files that were set aside with the reason; overlays/, pictures of where the model sees what (--overlays);
reports/, DICOM objects with the findings (--report). Interrupted, or left by its server, the same command
goes on where it stopped.
"""

import argparse
from pathlib import Path

from data_prep.modalities.head_ct.treatment.treatment import TREATMENTS
from keras_medformers.serving.client.client import GRPC, PROTOCOLS
from keras_medformers.support import command_line
from keras_medformers.support.errors import UserError
from training.predict.facts import AS_THEY_ARE
from training.predict.files import find_files, without_results
from training.predict.program import predict
from training.predict.studies import slices_counted


def main(argv: list[str] | None = None) -> None:
    """The program behind `make predict`."""
    arguments = make_parser().parse_args(argv)
    check_arguments(arguments)
    output = Path(arguments.output)
    files = (
        without_results(find_files(arguments.paths), output) if arguments.paths else []
    )
    predict(files, output, arguments)


def check_arguments(arguments: argparse.Namespace) -> None:
    """Looks for what does not go together, before anything takes time.

    Raises:
        UserError: If something does not.
    """
    for name, least in (("batch_size", 1), ("concurrency", 1), ("retries", 0)):
        if getattr(arguments, name) < least:
            option = name.replace("_", "-")
            raise UserError(
                f"expected --{option} of at least {least}, received {getattr(arguments, name)}"
            )

    slices_counted(arguments.study_rule)
    if not (arguments.run or arguments.export or arguments.server):
        raise UserError(
            "expected --run, --export or --server: which model is to be asked?"
        )
    if not arguments.paths and not arguments.dicomweb:
        raise UserError(
            "expected files or folders, or --dicomweb: what is to be classified?"
        )
    if bool(arguments.dicomweb) != bool(arguments.study):
        raise UserError(
            "expected --dicomweb and --study together: where from, and which study"
        )
    if arguments.store and not (arguments.dicomweb and arguments.report):
        raise UserError(
            "expected --store with --dicomweb and --report: what is to be stored, and where?"
        )


def make_parser() -> argparse.ArgumentParser:
    """The program's arguments."""
    parser = argparse.ArgumentParser(
        prog="python -m training.predict",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "paths", nargs="*", metavar="PATH", help="files, or folders of them"
    )
    parser.add_argument(
        "--output",
        default="predictions",
        metavar="DIR",
        help="folder for the results (default: %(default)s)",
    )
    model = parser.add_argument_group("the model")
    model.add_argument(
        "--run", metavar="DIR", help="folder of a run; its latest export is taken"
    )
    model.add_argument(
        "--export",
        metavar="DIR",
        help="an export, or the folder of its versions: the latest is taken",
    )
    model.add_argument(
        "--server",
        metavar="HOST:PORT",
        help="TensorFlow Serving to ask instead; --run or --export say what it serves",
    )
    model.add_argument(
        "--protocol",
        choices=PROTOCOLS,
        default=GRPC,
        help="how to speak to it (default: %(default)s)",
    )
    model.add_argument("--tls", action="store_true", help="speak to it encrypted")
    model.add_argument(
        "--tls-authorities",
        metavar="FILE",
        help="the like, trusting the authorities in this file (PEM), such as a hospital's own",
    )
    model.add_argument(
        "--model-name",
        metavar="NAME",
        help="its name there (default: the run's or the export's)",
    )
    model.add_argument(
        "--treatment",
        choices=(AS_THEY_ARE, *TREATMENTS),
        help="treatment of CT slices (default: that of the run's records)",
    )
    asking = parser.add_argument_group("how it is asked")
    asking.add_argument(
        "--batch-size",
        type=int,
        default=8,
        metavar="N",
        help="images at a time (default: %(default)s)",
    )
    asking.add_argument(
        "--concurrency",
        type=int,
        default=4,
        metavar="N",
        help="requests to a server at a time (default: %(default)s)",
    )
    asking.add_argument(
        "--timeout",
        type=float,
        default=60.0,
        metavar="SECONDS",
        help="wait for an answer of a server (default: %(default)s)",
    )
    asking.add_argument(
        "--retries",
        type=int,
        default=5,
        metavar="N",
        help="further tries if a server is away or overloaded (default: %(default)s)",
    )
    results = parser.add_argument_group("results")
    results.add_argument(
        "--study-rule",
        default="max",
        metavar="RULE",
        help="a study's probability: max of its slices', mean, or topK, the mean of the K "
        "highest, such as top3 (default: %(default)s)",
    )
    results.add_argument(
        "--overlays",
        action="store_true",
        help="draw heat maps over the images, as PNG files",
    )
    results.add_argument(
        "--label",
        action="append",
        metavar="NAME",
        help="label whose heat map is drawn; may be given again; all, or likeliest "
        "(default: likeliest)",
    )
    results.add_argument(
        "--report",
        action="append",
        default=[],
        choices=("sr", "sc"),
        help="write a DICOM Structured Report of each study (sr), or its heat maps as "
        "secondary captures (sc); may be given again",
    )
    archive = parser.add_argument_group("from a picture archive and back")
    archive.add_argument(
        "--dicomweb", metavar="URL", help="fetch a study from here, into fetched/"
    )
    archive.add_argument("--study", metavar="UID", help="its StudyInstanceUID")
    archive.add_argument(
        "--dicomweb-user",
        metavar="NAME",
        help="name there (default: DICOMWEB_USER); the password is that in "
        "DICOMWEB_PASSWORD",
    )
    archive.add_argument("--store", action="store_true", help="store the reports there")

    return parser


if __name__ == "__main__":
    raise SystemExit(command_line.run(main))
