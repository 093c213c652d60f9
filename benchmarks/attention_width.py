"""What attention costs as the feature map gets wider: `python -m benchmarks.attention_width`.

A training step (forward and backward) of one attention layer of Scopeformer over an 8 x 8 map of d channels.
Plain: the 64 positions are tokens of d. Transposed, as in Efficient Scopeformer: the d features are tokens
of 64. Each in a process of its own, whose peak memory beyond that of the imported libraries is told, too. The
growth is the exponent of d fitted to each column.

Reference: Barhoumi et al., "Efficient Scopeformer", section IV.E and Table 1.
"""

import multiprocessing
import sys
from collections.abc import Sequence

import numpy as np

from benchmarks.rounds import check_rounds, make_parser, median_seconds, write_result
from benchmarks.sides import peak_mib
from keras_medformers.support import command_line
from keras_medformers.support.errors import UserError
from keras_medformers.support.quiet_tensorflow import import_tensorflow

POSITIONS, HEADS = 64, 16
PLAIN, TRANSPOSED = "plain", "transposed"
WIDTHS = (128, 256, 512, 1024)
COLUMNS = ("parameters", "map_elements", "milliseconds", "memory_mib")


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the benchmark, prints its table and writes it as JSON."""
    parser = make_parser(
        "attention_width", "Cost of attention over positions and over features."
    )
    parser.add_argument(
        "--widths", nargs="+", type=int, default=WIDTHS, help="channels d of the map"
    )
    parser.add_argument(
        "--attention",
        choices=("mhsa", "mhra"),
        default="mhra",
        help="eq. (1) or eq. (2)",
    )
    parser.add_argument("--batch-size", type=int, default=8, help="slices per step")
    arguments = parser.parse_args(argv)
    check_rounds(arguments.rounds)
    if len(set(arguments.widths)) < 2 or min(arguments.widths) < 1:
        raise UserError(
            f"--widths is {arguments.widths}, expected at least two different ones, each above 0"
        )

    rows = measure(
        sorted(set(arguments.widths)),
        arguments.attention,
        arguments.batch_size,
        arguments.rounds,
    )
    growth = {
        form: growth_exponents([row for row in rows if row["form"] == form])
        for form in (PLAIN, TRANSPOSED)
    }
    write_result(
        arguments.output,
        {
            "rows": rows,
            "growth": growth,
            "attention": arguments.attention,
            "batch_size": arguments.batch_size,
            "rounds": arguments.rounds,
        },
    )
    sys.stdout.write(table(rows, growth))


def measure(
    widths: Sequence[int], attention: str, batch_size: int, rounds: int
) -> list[dict]:
    """Figures of both forms at each width: `width`, `form` and those of `COLUMNS`."""
    start = multiprocessing.get_context("spawn")
    rows = []
    for width in widths:
        for form in (PLAIN, TRANSPOSED):
            with start.Pool(1) as pool:
                figures = pool.apply(
                    _figures, (form, width, attention, batch_size, rounds)
                )
            rows.append({"width": width, "form": form, **figures})
    return rows


def growth_exponents(rows: Sequence[dict]) -> dict[str, float]:
    """By column the exponent p of width ** p, fitted to the rows by least squares of the logarithms."""
    widths = np.log([row["width"] for row in rows])
    return {
        column: float(
            np.polyfit(widths, np.log([max(row[column], 1e-9) for row in rows]), 1)[0]
        )
        for column in COLUMNS
    }


def table(rows: Sequence[dict], growth: dict) -> str:
    """The result as lines of text; the ratio is that of the transposed form's time to the plain form's."""
    heads = f"{'d':>6} {'form':12} {'parameters':>12} {'map elements':>13}"
    lines = [f"{heads} {'ms/step':>9} {'MiB':>7} {'ratio':>7}"]
    plain_ms = {
        row["width"]: row["milliseconds"] for row in rows if row["form"] == PLAIN
    }
    for row in rows:
        ratio = row["milliseconds"] / plain_ms[row["width"]]
        lines.append(
            f"{row['width']:6} {row['form']:12} {row['parameters']:12,} {row['map_elements']:13,} "
            f"{row['milliseconds']:9.1f} {row['memory_mib']:7.0f} {ratio:7.2f}"
        )

    for form, exponents in growth.items():
        lines.append(
            f"{'growth':>6} {form:12} {exponents['parameters']:12.2f} {exponents['map_elements']:13.2f} "
            f"{exponents['milliseconds']:9.2f} {exponents['memory_mib']:7.2f}"
        )

    return "\n".join(lines) + "\n"


def _figures(
    form: str, width: int, attention: str, batch_size: int, rounds: int
) -> dict:
    import_tensorflow()
    import tensorflow as tf

    from keras_medformers.layers import ReAttention, SelfAttention

    layer = {"mhsa": SelfAttention, "mhra": ReAttention}[attention](HEADS)
    tokens, channels = (POSITIONS, width) if form == PLAIN else (width, POSITIONS)
    inputs = tf.random.stateless_normal((batch_size, tokens, channels), seed=(0, 0))
    layer.build(inputs.shape)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            loss = tf.reduce_mean(layer(inputs, training=True) ** 2)
        return tape.gradient(
            loss, [inputs, *(variable.value for variable in layer.trainable_variables)]
        )

    before_mib = peak_mib()
    seconds = median_seconds(
        {form: lambda: [gradient.numpy() for gradient in step()]}, rounds
    )[form]
    return {
        "parameters": layer.count_params(),
        "map_elements": HEADS * tokens**2,
        "milliseconds": 1000 * seconds,
        "memory_mib": peak_mib() - before_mib,
    }


if __name__ == "__main__":
    sys.exit(command_line.run(main))
