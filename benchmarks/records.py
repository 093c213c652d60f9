"""How fast records are made of CT slices, against the limits: `python -m benchmarks.records --data-dir DIR`.

Rows, in slices per second: a plain read of the files' bytes, pydicom's bare decode, our reader, our reader
with resize and encoding (with and without compression), each in one process; and the whole builder with all
its processes, from their start to finished records. The second column of figures is the bare decode in one
process. Record sizes follow. All rows run on the same files, warm, alternating; medians.
"""

import logging
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import pydicom

from benchmarks.rounds import check_rounds, make_parser, medians, write_result
from data_prep.datasets import get_dataset
from data_prep.modalities.head_ct.dicom import read_slice
from data_prep.modalities.head_ct.records import resized
from data_prep.records import schema
from data_prep.records.build import BuildConfig, build
from data_prep.records.workers import available_cores
from keras_medformers.modalities import HEAD_CT
from keras_medformers.support import command_line
from keras_medformers.support.errors import UserError
from keras_medformers.support.quiet_tensorflow import import_tensorflow

IMAGE_SIZE_PX = 256
BARE_DECODE = "bare pydicom decode"


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the benchmark, prints its table and writes it as JSON."""
    parser = make_parser("records", "Speed of the record builder against its limits.")
    parser.add_argument(
        "--dataset", default="phantom_head_ct", help="name of a data set of CT"
    )
    parser.add_argument(
        "--data-dir", type=Path, default=Path("data/phantom_head_ct"), help="its folder"
    )
    parser.add_argument(
        "--slices", type=int, default=200, help="slices for the rows of one process"
    )
    parser.add_argument(
        "--workers",
        type=int,
        default=available_cores(),
        help="processes of the builder",
    )
    arguments = parser.parse_args(argv)
    check_rounds(arguments.rounds)

    dataset = get_dataset(arguments.dataset)
    if not arguments.data_dir.is_dir():
        raise UserError(
            f"--data-dir {arguments.data_dir} does not exist; make it with `python -m data_prep.tfrecords`"
        )
    listing = dataset.list_images(arguments.data_dir)
    paths = [listing.root / file for file in listing.files]
    result = measure(
        dataset.name,
        listing.root,
        paths,
        arguments.slices,
        arguments.rounds,
        arguments.workers,
    )
    write_result(arguments.output, result)
    sys.stdout.write(table(result))


def measure(
    dataset: str,
    data_dir: Path,
    paths: list[Path],
    slices: int,
    rounds: int,
    workers: int,
) -> dict:
    """Times every row in every round.

    Returns:
        "slices_per_second": medians by row; "bytes_per_record": by image format; and the setting.
    """
    cv2.setNumThreads(1)
    import_tensorflow()
    some = paths[:slices]
    rows: dict[str, Callable[[], float]] = {
        "plain read of the bytes": lambda: _per_second(
            lambda path: path.read_bytes(), some
        ),
        BARE_DECODE: lambda: _per_second(
            lambda path: pydicom.dcmread(path).pixel_array, some
        ),
        "read to HU": lambda: _per_second(read_slice, some),
        "read, resize, store raw": lambda: _per_second(
            lambda path: _encode(path, compression=False), some
        ),
        "read, resize, compress": lambda: _per_second(
            lambda path: _encode(path, compression=True), some
        ),
        f"whole builder, {workers} processes": lambda: _build_per_second(
            dataset, data_dir, workers, len(paths)
        ),
    }

    return {
        "slices_per_second": medians(rows, rounds),
        "bytes_per_record": {
            schema.image_format(HEAD_CT, compression): statistics.mean(
                len(_encode(path, compression)) for path in some
            )
            for compression in (False, True)
        },
        "slices_in_one_process": len(some),
        "slices_of_builder": len(paths),
        "rounds": rounds,
        "workers": workers,
        "image_size_px": IMAGE_SIZE_PX,
    }


def table(result: dict) -> str:
    """The result as lines of text."""
    limit = result["slices_per_second"][BARE_DECODE]
    lines = [f"{'what':36} {'slices/s':>10} {'bare decode':>12} {'ratio':>7}"]
    for name, figure in result["slices_per_second"].items():
        lines.append(f"{name:36} {figure:10.0f} {limit:12.0f} {figure / limit:7.2f}")
    raw = result["bytes_per_record"][HEAD_CT.record_format]
    lines.append(f"{'image format':36} {'KiB/slice':>10} {'raw':>12} {'ratio':>7}")
    for name, size in result["bytes_per_record"].items():
        lines.append(
            f"{name:36} {size / 1024:10.1f} {raw / 1024:12.1f} {size / raw:7.2f}"
        )
    return "\n".join(lines) + "\n"


def _encode(path: Path, compression: bool) -> bytes:
    hu = resized(read_slice(path).hu, IMAGE_SIZE_PX)
    return schema.encode_pixels(hu, compression)


def _per_second(function: Callable[[Path], object], paths: list[Path]) -> float:
    started_s = time.perf_counter()
    for path in paths:
        function(path)
    return len(paths) / (time.perf_counter() - started_s)


def _build_per_second(dataset: str, data_dir: Path, workers: int, slices: int) -> float:
    """One build, start-up of its processes and both passes included, import of TensorFlow not."""
    logging.getLogger().setLevel(logging.WARNING)
    with tempfile.TemporaryDirectory() as records_dir:
        started_s = time.perf_counter()
        build(
            BuildConfig(dataset, settings={"image_size": IMAGE_SIZE_PX}),
            data_dir,
            Path(records_dir),
            workers,
        )
        return slices / (time.perf_counter() - started_s)


if __name__ == "__main__":
    sys.exit(command_line.run(main))
