"""A training step of DTViT on CPU: `python -m benchmarks.dtvit_step`.

Full size (ViT-Large, 224 x 224), both tasks' cross-entropies, AdamW, each batch size in a process of its own.
Peak memory is that of the whole process. The same is measured with `recompute`, which computes each encoder
a second time for its gradients. Where timm and torch are installed, their ViT-Large with one head of as many
classes is measured beside it, in the same way.
"""

import importlib.util
import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Sequence

import numpy as np

from benchmarks.rounds import check_rounds, make_parser, write_result
from benchmarks.sides import peak_mib
from keras_medformers.support import command_line
from keras_medformers.support.errors import UserError
from keras_medformers.support.quiet_tensorflow import import_tensorflow

OURS, RECOMPUTED, TIMM = "ours", "recomputed", "timm"
SIZE_PX, CLASSES = 224, 5
LEARNING_RATE, WEIGHT_DECAY = 2e-5, 0.01


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the benchmark, prints its table and writes it as JSON."""
    parser = make_parser("dtvit_step", "Time and memory of a training step of DTViT.")
    parser.add_argument(
        "--model",
        default="dtvit_large",
        help="timm is measured beside dtvit_large alone",
    )
    parser.add_argument("--batches", nargs="+", type=int, default=(1, 8))
    parser.add_argument(
        "--sides",
        nargs="+",
        choices=(OURS, RECOMPUTED, TIMM),
        help="what to measure (default: all there is)",
    )
    parser.add_argument(
        "--precision",
        choices=("float32", "mixed_bfloat16"),
        default="float32",
        help="of ours",
    )
    arguments = parser.parse_args(argv)
    check_rounds(arguments.rounds)
    if min(arguments.batches) < 1:
        raise UserError(
            f"--batches is {list(arguments.batches)}, expected at least 1 each"
        )

    rows = []
    with_timm = arguments.model == "dtvit_large" and _has_timm()
    if TIMM in (arguments.sides or ()) and not with_timm:
        raise UserError(
            "--sides timm needs timm and torch installed, and --model dtvit_large"
        )
    sides = arguments.sides or [OURS, RECOMPUTED, *([TIMM] if with_timm else [])]
    sys.stdout.write(HEADER)
    for batch in arguments.batches:
        for side in sides:
            seconds, memory_mib = measure(
                side, arguments.model, batch, arguments.precision, arguments.rounds
            )
            rows.append(
                {
                    "side": side,
                    "batch": batch,
                    "seconds": seconds,
                    "memory_mib": memory_mib,
                }
            )
            sys.stdout.write(
                f"{side:10} {batch:6} {seconds:9.2f} {seconds / batch:9.2f} {memory_mib:9.0f}\n"
            )
            sys.stdout.flush()
    settings = {
        "model": arguments.model,
        "precision": arguments.precision,
        "rounds": arguments.rounds,
    }
    write_result(arguments.output, settings | {"cores": os.cpu_count(), "rows": rows})


HEADER = f"{'side':10} {'batch':>6} {'s/step':>9} {'s/slice':>9} {'peak MiB':>9}\n"


def measure(
    side: str, model: str, batch: int, precision: str, rounds: int
) -> tuple[float, float]:
    """Median seconds of a step after a first one, and the most memory that its process held, in MiB."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_measured, (side, model, batch, precision, rounds))


def _has_timm():
    return all(importlib.util.find_spec(name) for name in ("timm", "torch"))


def _measured(side, model, batch, precision, rounds):
    step = (
        _timm_step(batch)
        if side == TIMM
        else _our_step(model, batch, precision, side == RECOMPUTED)
    )
    step()
    seconds = []
    for _ in range(rounds):
        started_s = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - started_s)
    return statistics.median(seconds), peak_mib()


def _images_and_classes(batch):
    generator = np.random.default_rng(0)
    images = generator.normal(0, 1, (batch, SIZE_PX, SIZE_PX, 3)).astype("float32")
    return images, generator.integers(0, 3, batch)


def _our_step(model, batch, precision, recompute):
    import_tensorflow()
    import keras

    import keras_medformers
    from training.fit.stepwise import stepwise
    from training.tasks.multi_task import MultiTask

    keras.config.set_dtype_policy(precision)
    network = keras_medformers.create_model(model, input_shape=(SIZE_PX, SIZE_PX, 3))
    task = MultiTask.of_model(model)
    network = task.with_one_output(network)
    if recompute:
        network = stepwise(network, recompute=True, block_ends=("encoder_*",))
    network.compile(
        keras.optimizers.AdamW(LEARNING_RATE, weight_decay=WEIGHT_DECAY), task.loss()
    )
    images, locations = _images_and_classes(batch)
    labels = np.concatenate(
        [np.eye(2)[np.ones(batch, int)], np.eye(3)[locations]], axis=1
    ).astype("float32")
    return lambda: network.train_on_batch(images, labels)


def _timm_step(batch):
    import timm
    import torch

    network = timm.create_model(
        "vit_large_patch16_224", pretrained=False, num_classes=CLASSES
    )
    optimizer = torch.optim.AdamW(
        network.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY
    )
    images, locations = _images_and_classes(batch)
    images, classes = (
        torch.from_numpy(images.transpose(0, 3, 1, 2).copy()),
        torch.from_numpy(locations),
    )

    def step():
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(network(images), classes).backward()
        optimizer.step()

    return step


if __name__ == "__main__":
    sys.exit(command_line.run(main))
