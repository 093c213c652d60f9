"""Cost of re-attention: `python -m benchmarks.re_attention`.

A training step (forward and backward) of one attention layer at Efficient Scopeformer's size, 384 tokens of
64 and 16 heads. Ours mixes the maps and normalises them in one matrix product, with the statistics taken from
the heads' covariance; the other way is what the formula says literally, a 1 x 1 convolution over heads, then
BatchNorm. Softmax attention, which does neither, is the limit. All rows alternate, warm, in one process;
medians.
"""

import sys
from collections.abc import Sequence

from benchmarks.rounds import check_rounds, make_parser, median_seconds, write_result
from keras_medformers.support import command_line
from keras_medformers.support.quiet_tensorflow import import_tensorflow

TOKENS, CHANNELS, HEADS = 384, 64, 16
OURS = "ours: one matrix product"
OTHER = "1 x 1 convolution, then BatchNorm"


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the benchmark, prints its table and writes it as JSON."""
    parser = make_parser(
        "re_attention",
        "Training step of a re-attention layer against the literal form.",
    )
    parser.add_argument("--batch-size", type=int, default=8, help="slices per step")
    arguments = parser.parse_args(argv)
    check_rounds(arguments.rounds)

    medians_ms = measure(arguments.batch_size, arguments.rounds)
    write_result(
        arguments.output,
        {
            "milliseconds": medians_ms,
            "batch_size": arguments.batch_size,
            "rounds": arguments.rounds,
        },
    )
    sys.stdout.write(table(medians_ms))


def measure(batch_size: int, rounds: int) -> dict[str, float]:
    """Median milliseconds of a step, by row."""
    steps = {name: _step(layer, batch_size) for name, layer in _layers().items()}
    return {
        name: 1000 * seconds for name, seconds in median_seconds(steps, rounds).items()
    }


def table(medians_ms: dict[str, float]) -> str:
    """The result as lines of text."""
    lines = [f"{'what':36} {'ms/step':>9} {'literal':>9} {'ratio':>7}"]
    for name, figure in medians_ms.items():
        lines.append(
            f"{name:36} {figure:9.0f} {medians_ms[OTHER]:9.0f} {figure / medians_ms[OTHER]:7.2f}"
        )
    return "\n".join(lines) + "\n"


def _layers():
    import_tensorflow()
    from keras import ops

    from keras_medformers.layers import ReAttention, SelfAttention

    class LiteralReAttention(ReAttention):
        """Convolution over heads, then Keras' BatchNorm, on the maps themselves."""

        def transform_attention(self, attention, training):
            mixed = ops.einsum("bhqk,hg->bgqk", attention, self.head_mixing)
            return self.norm(
                mixed + ops.reshape(self.head_bias, (1, -1, 1, 1)), training=training
            )

    return {
        OURS: ReAttention(HEADS),
        OTHER: LiteralReAttention(HEADS),
        "softmax attention alone": SelfAttention(HEADS),
    }


def _step(layer, batch_size):
    import tensorflow as tf

    tokens = tf.random.stateless_normal((batch_size, TOKENS, CHANNELS), seed=(0, 0))
    layer.build(tokens.shape)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(layer(tokens, training=True) ** 2)
        return tape.gradient(
            loss, [variable.value for variable in layer.trainable_variables]
        )

    return lambda: [gradient.numpy() for gradient in step()]


if __name__ == "__main__":
    sys.exit(command_line.run(main))
