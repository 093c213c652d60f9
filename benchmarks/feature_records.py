"""What stored features save: `python -m benchmarks.feature_records`, on phantoms made for it.

First table: training, with the frozen backbones' features read from records, and with the backbones run in
every step, as one would without them; both as `make train` does it, with its input pipeline. The row
"projections and head" is a model without encoders: the saving where the trained part costs next to nothing.
Second table: storing the features of the four backbones in one pass over the slices, against four passes of
one each.
"""

import dataclasses
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.rounds import (
    check_rounds,
    make_parser,
    median_seconds,
    medians,
    write_result,
)
from data_prep.phantoms import head_ct as phantom_head_ct
from data_prep.records.build import build
from data_prep.records.build_config import BuildConfig
from data_prep.records.workers import available_cores
from keras_medformers.support import command_line
from keras_medformers.support.errors import UserError
from keras_medformers.support.quiet_tensorflow import import_tensorflow

PATIENTS, SLICES_PER_SERIES = 16, 4
STEPS = 2
NO_ENCODERS = "projections and head"
MODELS = ("efficient_scopeformer", "scopeformer_small")
STORED, RUN = "stored features", "backbones run"
ONE_PASS, FOUR_PASSES = "one pass, all backbones", "a pass for each backbone"


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the benchmark, prints its tables and writes them as JSON."""
    parser = make_parser(
        "feature_records", "Training on stored features against running the backbones."
    )
    parser.add_argument(
        "--models", nargs="+", default=MODELS, help="members of the Scopeformer family"
    )
    parser.add_argument("--batch-size", type=int, default=8, help="slices per step")
    parser.add_argument(
        "--input-size",
        type=int,
        default=256,
        help="side of the network's input in pixels",
    )
    arguments = parser.parse_args(argv)
    check_rounds(arguments.rounds)
    if arguments.batch_size < 1:
        raise UserError(f"--batch-size is {arguments.batch_size}, expected at least 1")

    with tempfile.TemporaryDirectory() as folder:
        config = _config(Path(folder), arguments.batch_size, arguments.input_size)
        sys.stdout.write(_heads("training, ms/slice", STORED, RUN))
        training = {}
        for name in (NO_ENCODERS, *arguments.models):
            training[name] = _in_new_process(
                measure_training, _of_model(config, name), arguments.rounds
            )
            sys.stdout.write(_line(name, training[name][STORED], training[name][RUN]))
            sys.stdout.flush()
        passes = _in_new_process(
            measure_passes, _of_model(config, NO_ENCODERS), arguments.rounds
        )
    sys.stdout.write(_heads("storing, ms/slice", "one pass", "four passes"))
    sys.stdout.write(
        _line("features of the backbones", passes[ONE_PASS], passes[FOUR_PASSES])
    )
    write_result(
        arguments.output,
        {
            "training_ms_per_slice": training,
            "storing_ms_per_slice": passes,
            "rounds": arguments.rounds,
            "batch_size": arguments.batch_size,
            "input_size": arguments.input_size,
        },
    )


def _in_new_process(measure: Callable, *arguments) -> dict[str, float]:
    """Memory that TensorFlow has taken is free again only when its process ends."""
    with multiprocessing.get_context("spawn").Pool(
        1, initializer=import_tensorflow
    ) as pool:
        return pool.apply(measure, arguments)


def measure_training(config, rounds: int) -> dict[str, float]:
    """Median milliseconds a slice of an optimizer step in either way, alternating in this process."""
    rows = {
        STORED: _steps(config),
        RUN: _steps(dataclasses.replace(config, feature_records="never")),
    }
    return {name: 1000 * seconds for name, seconds in medians(rows, rounds).items()}


def measure_passes(config, rounds: int) -> dict[str, float]:
    """Median milliseconds a slice of storing all backbones' features together, and one after the other."""
    import keras

    from keras_medformers.models.scopeformer import split_backbones
    from training.input.feature_store import store_features
    from training.input.pipeline import image_source
    from training.runs.workbench import FEATURE_BATCH_SIZE, Workbench

    bench = Workbench(config)
    extractor, _ = split_backbones(bench.model)
    source = image_source(bench.info, "validation", bench.preprocessor)

    def store(names):
        """A pass into a folder of its own, since a store that is there already would be used."""
        maps = {name: extractor.output[name] for name in names}
        with tempfile.TemporaryDirectory() as root:
            store_features(
                keras.Model(extractor.input, maps),
                bench.backbones,
                {"validation": source},
                bench.info,
                root=root,
                batch_size=FEATURE_BATCH_SIZE,
                preprocessing={},
            )

    rows = {
        ONE_PASS: lambda: store(list(bench.backbones)),
        FOUR_PASSES: lambda: [store([name]) for name in bench.backbones],
    }
    seconds = median_seconds(rows, rounds)
    return {name: 1000 * value / source.count for name, value in seconds.items()}


def _config(folder: Path, batch_size: int, input_size: int):
    """Settings for records of phantoms, which are made below `folder`."""
    import_tensorflow()
    from training.runs.recipes import recipe
    from training.runs.resolve import resolve

    phantoms = phantom_head_ct.PhantomConfig(
        patients=PATIENTS, slices_per_series=SLICES_PER_SERIES
    )
    phantom_head_ct.make(folder / "phantoms", phantoms, available_cores())
    records = BuildConfig("phantom_head_ct", shards=1)
    build(records, folder / "phantoms", folder / "records", available_cores())
    config = recipe("scopeformer_phantoms", records=str(folder / "records"))
    settings = {
        "batch_size": batch_size,
        "input_size": input_size,
        "precision": "float32",
    }
    return resolve(dataclasses.replace(config, **settings))


def _of_model(config, name: str):
    if name == NO_ENCODERS:
        return dataclasses.replace(config, model_config={"num_layers": 0})
    return dataclasses.replace(config, model=name)


def _steps(config) -> Callable[[], float]:
    """A function that trains some steps and gives their seconds per slice."""
    from training.fit.optimizers import make_optimizer
    from training.input.pipeline import training_batches
    from training.runs.workbench import Workbench

    bench = Workbench(config)
    model, source = bench.trained_part, bench.source("train")
    model.compile(make_optimizer(config, STEPS), loss=bench.task.loss())
    batches = iter(
        training_batches(
            source, config.batch_size, 0, 0, 1_000_000, config.shuffle_buffer
        )
    )

    def steps():
        started_s = time.perf_counter()
        for _ in range(STEPS):
            model.train_on_batch(*next(batches))
        return (time.perf_counter() - started_s) / (STEPS * config.batch_size)

    return steps


def _heads(what: str, ours: str, other: str) -> str:
    return f"{what:28} {ours:>16} {other:>16} {'ratio':>7}\n"


def _line(what: str, ours: float, other: float) -> str:
    return f"{what:28} {ours:16.1f} {other:16.1f} {ours / other:7.3f}\n"


if __name__ == "__main__":
    sys.exit(command_line.run(main))
