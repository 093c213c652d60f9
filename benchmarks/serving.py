"""What serving a model costs, before and after its export: `python -m benchmarks.serving`.

A model with drawn weights (backbones untrained) answers for raw pixels by `model.predict`, by the plain call
`model(x)`, by its export, by the same with one operation at a time, and by each variant of the export:
latency at batch 1, throughput at larger batches, cold start (a fresh process: imports, loading, the first
answer) and size on disk. Each side has a process of its own; the SavedModels' have no Keras. They take turns,
one at a time in memory, on the same pixels; medians. All of them have to give the same probabilities.
"""

import multiprocessing
import os
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from benchmarks.rounds import check_rounds, make_parser, write_result
from benchmarks.serving_sides import CALL, IN_TURN, PREDICT, Side
from keras_medformers.support import command_line
from keras_medformers.support.errors import UserError
from keras_medformers.support.quiet_tensorflow import import_tensorflow

EXPORT = "export"
VARIANTS = ("frozen", "bfloat16", "xla")
CALLS = 3
"""Of each batch that are timed in each round."""

LARGEST_DIFFERENCE = {"bfloat16": 1e-2}
"""Of probabilities; 1e-4 for others."""


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the benchmark, prints its table and writes it as JSON."""
    parser = make_parser(
        "serving", "Latency, throughput, cold start and size of an exported model."
    )
    parser.add_argument("--model", default="efficient_scopeformer")
    parser.add_argument(
        "--variants",
        nargs="*",
        choices=VARIANTS,
        default=VARIANTS[:2],
        help="of the export; XLA takes long to compile on CPU",
    )
    parser.add_argument("--batches", nargs="+", type=int, default=(1, 8, 32))
    arguments = parser.parse_args(argv)
    check_rounds(arguments.rounds)
    if min(arguments.batches) < 1:
        raise UserError(
            f"--batches is {list(arguments.batches)}, expected at least 1 each"
        )

    with tempfile.TemporaryDirectory(prefix="serving-") as folder:
        result = measure(
            arguments.model,
            arguments.variants,
            arguments.batches,
            arguments.rounds,
            Path(folder),
        )

    write_result(arguments.output, result)
    sys.stdout.write(table(result["rows"], arguments.batches))


def measure(
    model: str,
    variants: Sequence[str],
    batches: Sequence[int],
    rounds: int,
    folder: Path,
) -> dict[str, object]:
    """Figures of every side.

    Args:
        model: Name of the model.
        variants: Of the export.
        batches: Images at a time.
        rounds: Starts of each side.
        folder: Where the model and its exports go.

    Returns:
        The settings and, as `rows`, for each side `seconds` by batch, `cold_start_s` and `mib`.
    """
    sys.stderr.write(
        f"Exporting {', '.join([model, *variants])}: some minutes for a large network\n"
    )
    with multiprocessing.get_context("spawn").Pool(
        1
    ) as pool:  # whose memory is free again afterwards
        folders, pixels = pool.apply(_export, (model, variants, folder))

    rows = _take_turns(folders, model, pixels, batches, rounds)
    return {
        "model": model,
        "rounds": rounds,
        "cores": os.cpu_count(),
        "load": os.getloadavg(),
        "rows": rows,
    }


def table(rows: Sequence[Mapping], batches: Sequence[int]) -> str:
    """Figures, and their ratios to those of `model.predict` and of `model(x)`."""
    by_name = {row["side"]: row for row in rows}
    titles = [f"batch {batch}, ms (images/s)" for batch in batches]
    lines = [
        f"{'':14}"
        + "".join(f"{title:>28}" for title in titles)
        + f"{'cold start, s':>15}{'MiB':>8}"
    ]

    for row in rows:
        figures = [
            f"{1000 * row['seconds'][batch]:.1f} ({batch / row['seconds'][batch]:.1f})"
            for batch in batches
        ]
        lines.append(
            f"{row['side']:14}"
            + "".join(f"{figure:>28}" for figure in figures)
            + f"{row['cold_start_s']:15.1f}{row['mib']:8.0f}"
        )
        for other in (PREDICT, CALL):
            if other != row["side"] and row["side"] not in (PREDICT, CALL):
                ratios = [
                    row["seconds"][batch] / by_name[other]["seconds"][batch]
                    for batch in batches
                ]
                lines.append(
                    f"  / {other:10}" + "".join(f"{ratio:28.2f}" for ratio in ratios)
                )

    return "\n".join(lines) + "\n"


def _export(name, variants, folder):
    """Makes the model, its export and the variants. Returns what each side loads, and pixels for all."""
    import_tensorflow()
    import keras

    import keras_medformers
    from keras_medformers.modalities import get_modality
    from keras_medformers.serving import export_saved_model
    from keras_medformers.serving.optimize import optimize_saved_model

    keras.utils.set_random_seed(0)
    model = keras_medformers.create_model(name, classifier_activation="sigmoid")
    for weight in model.trainable_weights:
        if len(weight.shape) > 1 and not np.any(
            weight
        ):  # heads start at zero and would answer 0.5 to all
            weight.assign(keras.random.normal(weight.shape, stddev=0.1, seed=0))
    for weight in model.weights:
        if (
            len(weight.shape) == 1 and weight.dtype == "float32"
        ):  # shifts of 0 would be left out in folding
            weight.assign(
                weight + keras.random.uniform(weight.shape, 0.01, 0.05, seed=0)
            )
    path = folder / "model.keras"
    model.save(path)
    preprocessor = keras_medformers.preprocessor(name)
    modality = get_modality(keras_medformers.registry.model_entry(name).modalities[0])
    # Some are not resized on their way.
    samples = modality.draw_samples(
        *([[model.input_shape[1:3]]] if modality.keeps_size else [])
    )
    outputs = model.output if isinstance(model.output, dict) else {"": model.output}
    labels = {
        key: [f"label {index}" for index in range(x.shape[-1])]
        for key, x in outputs.items()
    }
    version = export_saved_model(
        model,
        preprocessor,
        labels.get("", labels),
        folder / name,
        keras_medformers.registry.model_entry(name).layers.features,
        modality=modality,
        activation="linear",
        samples=samples,
    )
    folders = {PREDICT: path, CALL: path, EXPORT: version, IN_TURN: version}
    folders |= {
        variant: optimize_saved_model(version, variant, samples=samples)
        for variant in variants
    }
    return folders, samples[0]


def _take_turns(folders, model, pixels, batches, rounds):
    """Starts each side anew in each round, so that one at a time is in memory. Returns the rows."""
    cold_starts = {name: [] for name in folders}
    seconds = {name: {batch: [] for batch in batches} for name in folders}
    probabilities = {}
    for name in tqdm(list(folders) * rounds, desc="Starting and asking"):
        with Side(name, folders[name], model, pixels) as side:
            cold_starts[name].append(side.cold_start_s)
            probabilities[name] = side.probabilities(pixels)
            _check_alike(probabilities)
            for batch in batches:
                images = np.repeat(pixels, batch, axis=0)
                side.seconds(images)  # warm
                seconds[name][batch] += [side.seconds(images) for _ in range(CALLS)]

    return [
        {
            "side": name,
            "seconds": {
                batch: statistics.median(seconds[name][batch]) for batch in batches
            },
            "cold_start_s": statistics.median(cold_starts[name]),
            "mib": _mib(path),
        }
        for name, path in folders.items()
    ]


def _check_alike(probabilities: Mapping[str, np.ndarray]) -> None:
    expected = probabilities[PREDICT]
    for name, received in probabilities.items():
        difference = float(np.abs(received - expected).max())
        if not difference <= LARGEST_DIFFERENCE.get(name, 1e-4):
            raise RuntimeError(f"{name} differs from {PREDICT} by {difference:.3g}")


def _mib(path: Path) -> float:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file()) / 2**20


if __name__ == "__main__":
    sys.exit(command_line.run(main))
