"""What a model costs, counted: `python -m benchmarks.multiply_adds`.

Multiply-adds are those of matrix products and convolutions, attention's two products included, for one image;
norms, activations, pooling and sums are left out, as the papers do. They are counted in the traced
TensorFlow graph, so that what is counted is what runs. The table holds them against those that the HiFuse
paper prints (Table 4), which fit its depthwise form.
"""

import argparse
import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.rounds import write_result
from keras_medformers.support import command_line
from keras_medformers.support.quiet_tensorflow import import_tensorflow

PRINTED = {"hifuse_tiny": 8.13e9, "hifuse_small": 8.84e9, "hifuse_base": 10.97e9}
FORMS = ("dense", "depthwise")
INPUT_SHAPE = (224, 224, 3)


def main(argv: Sequence[str] | None = None) -> None:
    """Counts every size and form, prints the table and writes it as JSON."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.multiply_adds",
        description="Multiply-adds of HiFuse's sizes beside the paper's.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument(
        "--output", type=Path, default=Path("benchmarks/results/multiply_adds.json")
    )
    arguments = parser.parse_args(argv)

    import_tensorflow()
    import keras_medformers

    counts = {}
    for name in PRINTED:
        for form in FORMS:
            model = keras_medformers.create_model(name, irmlp=form)
            counts[f"{name}, {form}"] = {
                "multiply_adds": multiply_adds(model, INPUT_SHAPE),
                "printed": PRINTED[name],
                "parameters": model.count_params(),
            }
    write_result(arguments.output, counts)
    sys.stdout.write(table(counts))


def table(counts: dict[str, dict[str, float]]) -> str:
    """The result as lines of text."""
    lines = [
        f"{'what':26} {'G multiply-adds':>15} {'printed':>8} {'ratio':>6} {'M parameters':>13}"
    ]
    for name, row in counts.items():
        ours, printed = row["multiply_adds"], row["printed"]
        lines.append(
            f"{name:26} {ours / 1e9:15.2f} {printed / 1e9:8.2f} {ours / printed:6.3f} "
            f"{row['parameters'] / 1e6:13.1f}"
        )
    return "\n".join(lines) + "\n"


def multiply_adds(
    model: Callable, input_shape: Sequence[int], dtype: str = "float32"
) -> int:
    """Multiply-adds of matrix products and convolutions for one image, at inference.

    Args:
        model: Keras model or layer.
        input_shape: Shape of one sample, without the batch.
        dtype: The input's.

    Returns:
        The count; one multiplication with one addition counts one.

    Raises:
        ValueError: If a product's shape is not known when traced, or products stand where they cannot be
            counted, in loops or branches.
    """
    import tensorflow as tf

    specification = tf.TensorSpec((1, *input_shape), dtype)
    traced = tf.function(lambda x: model(x, training=False), autograph=False)
    return _count(traced.get_concrete_function(specification).graph)


def _count(graph) -> int:
    total = 0
    for operation in graph.get_operations():
        if operation.type in _COUNTERS:
            total += _COUNTERS[operation.type](operation)
        elif operation.type in _CALLS:
            total += _count(graph._get_function(operation.get_attr("f").name).graph)
        elif operation.type in _UNCOUNTED:
            raise ValueError(
                f"Expected no {operation.type} in the graph. Received: {operation.name}"
            )
    return total


def _shape(tensor) -> list[int]:
    if tensor.shape.rank is None or None in tensor.shape.as_list():
        raise ValueError(
            f"Expected a known shape. Received: {tensor.shape} of {tensor.name}"
        )
    return tensor.shape.as_list()


def _of_matrix_product(operation) -> int:
    """Values of the result times the length of the axis that is summed over."""
    left = _shape(operation.inputs[0])
    name = "transpose_a" if operation.type == "MatMul" else "adj_x"
    return (
        math.prod(_shape(operation.outputs[0]))
        * left[-2 if operation.get_attr(name) else -1]
    )


def _of_convolution(operation) -> int:
    """Values of the result times values of the kernel that make one of them; kernels are `(..., in, out)`."""
    return math.prod(_shape(operation.outputs[0])) * math.prod(
        _shape(operation.inputs[1])[:-1]
    )


def _of_depthwise_convolution(operation) -> int:
    return math.prod(_shape(operation.outputs[0])) * math.prod(
        _shape(operation.inputs[1])[:2]
    )


def _of_einsum(operation) -> int:
    """Product of the lengths of all its axes."""
    inputs, _, _ = operation.get_attr("equation").decode().partition("->")
    if "." in inputs:
        raise ValueError(
            f"Expected Einsum without '...'. Received: {inputs} of {operation.name}"
        )
    lengths = {}
    for letters, tensor in zip(inputs.split(","), operation.inputs, strict=True):
        lengths.update(zip(letters, _shape(tensor), strict=True))
    return math.prod(lengths.values())


_COUNTERS = {
    "MatMul": _of_matrix_product,
    "BatchMatMul": _of_matrix_product,
    "BatchMatMulV2": _of_matrix_product,
    "BatchMatMulV3": _of_matrix_product,
    "Conv2D": _of_convolution,
    "DepthwiseConv2dNative": _of_depthwise_convolution,
    "Einsum": _of_einsum,
}
_CALLS = ("PartitionedCall", "StatefulPartitionedCall")
_UNCOUNTED = (
    "While",
    "StatelessWhile",
    "If",
    "StatelessIf",
    "Conv3D",
    "Conv2DBackpropInput",
)


if __name__ == "__main__":
    sys.exit(command_line.run(main))
