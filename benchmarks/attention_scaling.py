"""How attention grows with the number of tokens: `python -m benchmarks.attention_scaling`.

Forward pass of one layer on one map of tokens, compiled: Performer with the ReLU and the softmax kernel,
Nystrom attention with as many landmarks as the map's longer side, and exact attention by Keras' own layer,
`MultiHeadAttention`, which takes the backend's fused product where there is one. Each layer has a process of
its own for each number of tokens; the layers alternate, warm, medians. Memory is what the process holds at
most beyond the imported libraries.

Growth is the exponent b of a * tokens^b fitted to the logarithms, over the numbers of tokens from a sixteenth
of the largest up, as below that a call's own cost counts.
"""

import math
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack

import numpy as np

from benchmarks.rounds import check_rounds, make_parser, write_result
from benchmarks.sides import LIBRARIES, Side, median_milliseconds, peak_mib
from keras_medformers.support import command_line
from keras_medformers.support.errors import UserError
from keras_medformers.support.quiet_tensorflow import import_tensorflow

RELU, SOFTMAX, NYSTROM, EXACT = (
    "Performer, ReLU",
    "Performer, softmax",
    "Nystrom",
    "exact",
)
LAYERS = (RELU, SOFTMAX, NYSTROM, EXACT)
FORWARD = "forward"
TOKENS = tuple(2**power for power in range(8, 17))
CHANNELS, HEADS = 64, 8
"""Those of HCT's first AC block, whose map of a 3328 x 2560 image has 8,320 tokens."""

EXACT_UP_TO = 8192
"""With 8 heads, its two matrices of tokens by tokens then take 4 GiB, four times that at twice the tokens."""

FITTED_SHARE = 16
LARGEST_EXPONENT = 1.05


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the benchmark, prints its tables and writes the figures as JSON."""
    parser = make_parser(
        "attention_scaling", "Time and memory of attention against tokens."
    )
    parser.add_argument(
        "--tokens", nargs="+", type=int, default=TOKENS, help="powers of two"
    )
    parser.add_argument(
        "--exact-up-to",
        type=int,
        default=EXACT_UP_TO,
        help="tokens; memory grows by their square",
    )
    parser.add_argument("--channels", type=int, default=CHANNELS)
    parser.add_argument("--heads", type=int, default=HEADS)
    arguments = parser.parse_args(argv)
    check_rounds(arguments.rounds)
    tokens = sorted(set(arguments.tokens))
    if tokens[0] < 4 or any(count & (count - 1) for count in tokens):
        raise UserError(f"--tokens is {tokens}, expected powers of two from 4")
    if arguments.channels % arguments.heads:
        raise UserError(
            f"--channels is {arguments.channels}, expected a multiple of --heads {arguments.heads}"
        )

    rows = []
    sys.stdout.write(HEADER)
    for count in tokens:
        layers = [
            layer
            for layer in LAYERS
            if layer != EXACT or count <= arguments.exact_up_to
        ]
        rows += measure(
            layers, count, arguments.channels, arguments.heads, arguments.rounds
        )
        sys.stdout.write(lines_of(rows[-len(layers) :]))
        sys.stdout.flush()
    growth = {layer: growth_of(rows, layer) for layer in LAYERS}
    crossings = {layer: crossing(rows, layer) for layer in LAYERS if layer != EXACT}
    sys.stdout.write(summary(growth, crossings))
    settings = {
        "channels": arguments.channels,
        "heads": arguments.heads,
        "rounds": arguments.rounds,
    }
    write_result(
        arguments.output,
        settings | {"rows": rows, "growth": growth, "crossings": crossings},
    )


def measure(
    layers: Sequence[str], tokens: int, channels: int, heads: int, rounds: int
) -> list[dict]:
    """Per layer: `layer`, `tokens`, `milliseconds` (median) and `memory_mib` beyond the libraries'."""
    with ExitStack() as stack:
        sides = [
            stack.enter_context(
                Side(
                    _make,
                    layer,
                    tokens,
                    channels,
                    heads,
                    name=f"{layer}, {tokens} tokens",
                )
            )
            for layer in layers
        ]
        milliseconds = median_milliseconds(sides, FORWARD, rounds)
        memory = [side.memory_mib() for side in sides]
    return [
        {
            "layer": layer,
            "tokens": tokens,
            "milliseconds": median,
            "memory_mib": peak - libraries,
        }
        for layer, median, (peak, libraries) in zip(
            layers, milliseconds, memory, strict=True
        )
    ]


def growth_of(rows: Sequence[Mapping], layer: str) -> dict[str, float | None]:
    """Exponents of `milliseconds` and `memory_mib`; None with fewer than three numbers of tokens."""
    of_layer = [row for row in rows if row["layer"] == layer]
    largest = max((row["tokens"] for row in of_layer), default=0)
    fitted = [row for row in of_layer if row["tokens"] * FITTED_SHARE >= largest]
    found = {}
    for key in ("milliseconds", "memory_mib"):
        points = [(row["tokens"], row[key]) for row in fitted if row[key] > 0]
        found[key] = (
            float(np.polyfit(*np.log(np.transpose(points)), 1)[0])
            if len(points) > 2
            else None
        )
    return found


def crossing(rows: Sequence[Mapping], layer: str) -> float | None:
    """Number of tokens from which a layer is faster than exact attention on, between the measured ones."""
    times = {(row["layer"], row["tokens"]): row["milliseconds"] for row in rows}
    both = sorted(
        tokens
        for of_layer, tokens in times
        if of_layer == EXACT and (layer, tokens) in times
    )
    leads = [math.log(times[EXACT, tokens] / times[layer, tokens]) for tokens in both]
    behind = [place for place, lead in enumerate(leads) if lead <= 0]
    if not both or behind and behind[-1] == len(both) - 1:
        return None
    if not behind:
        return float(both[0])

    last = behind[-1]
    share = leads[last] / (leads[last] - leads[last + 1])
    return float(both[last] * (both[last + 1] / both[last]) ** share)


HEADER = f"{'layer':20} {'tokens':>8} {'ms':>10} {'MiB':>8}\n"


def lines_of(rows: Sequence[Mapping]) -> str:
    """The rows as lines of text, below `HEADER`."""
    return "".join(
        f"{row['layer']:20} {row['tokens']:8,} {row['milliseconds']:10.2f} {row['memory_mib']:8.0f}\n"
        for row in rows
    )


def summary(
    growth: Mapping[str, Mapping], crossings: Mapping[str, float | None]
) -> str:
    """Exponents, and from how many tokens each layer is faster than exact attention."""
    lines = [
        f"{'layer':20} {'time':>12} {'memory':>12} {'faster than exact from':>24} {'aim':>12}"
    ]
    for layer, of_layer in growth.items():
        time, memory = (_power(of_layer[key]) for key in ("milliseconds", "memory_mib"))
        faster = crossings.get(layer)
        words = "-" if faster is None else f"{faster:,.0f} tokens"
        limit = _power(LARGEST_EXPONENT if layer in (RELU, SOFTMAX) else None)
        lines.append(f"{layer:20} {time:>12} {memory:>12} {words:>24} {limit:>12}")
    return "\n".join(lines) + "\n"


def _power(exponent):
    return "-" if exponent is None else f"tokens^{exponent:.2f}"


def _make(layer, tokens, channels, heads):
    tf = import_tensorflow()
    import keras

    from keras_medformers.layers import NystromAttention, PerformerAttention

    libraries_mib = peak_mib()
    power = tokens.bit_length() - 1
    shape = (1, 2 ** (power // 2), 2 ** (power - power // 2), channels)
    if layer == EXACT:
        shape = (1, tokens, channels)
        attention = keras.layers.MultiHeadAttention(heads, channels // heads)
        attention.build(shape, shape)
        compiled = tf.function(lambda x: attention(x, x), autograph=False)
    else:
        attention = {
            RELU: lambda: PerformerAttention(heads, "relu"),
            SOFTMAX: lambda: PerformerAttention(heads, "softmax"),
            NYSTROM: lambda: NystromAttention(heads),
        }[layer]()
        attention.build(shape)
        compiled = tf.function(attention, autograph=False)
    x = tf.random.stateless_normal(shape, seed=(0, 0))
    return {FORWARD: lambda: compiled(x).numpy(), LIBRARIES: libraries_mib}


if __name__ == "__main__":
    sys.exit(command_line.run(main))
