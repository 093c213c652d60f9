"""BatchNorm at inference, a scale and a shift of each channel, taken into the convolution before it."""

import hashlib
from collections import defaultdict

import numpy as np
import tensorflow as tf

from keras_medformers.serving.optimize.flat_graph import (
    FlatGraph,
    constant_node,
    node_name,
    v1,
)

CONVOLUTIONS = ("Conv2D", "DepthwiseConv2dNative")
ADDITIONS = ("Add", "AddV2")
ACTIVATIONS = ("Elu", "LeakyRelu", "Relu", "Relu6", "Sigmoid", "Tanh")
"""Those that TensorFlow fuses with a sum before them."""


def fold_scales_and_shifts(flat: FlatGraph) -> None:
    """Changes the graph: `scale * (conv(x, w) + bias) + shift` becomes `conv(x, w * scale) + new bias`.

    Scale and shift are constants with a value per channel. The bias is added by `BiasAdd`, which TensorFlow
    fuses with the convolution when it loads the graph. In exact arithmetic both are the same; in float32 they
    differ by rounding.
    """
    _Folding(flat).run()
    flat.prune()


class _Folding:
    def __init__(self, flat: FlatGraph):
        self.flat = flat
        self.nodes = {node.name: node for node in flat.graph_def.node}
        self.added = []
        self.users = defaultdict(list)
        for node in flat.graph_def.node:
            for tensor in node.input:
                self.users[node_name(tensor)].append(node)
        for name in flat.outputs:
            self.users[name].append(None)  # a signature

    def run(self) -> None:
        # The order of the nodes is of no meaning, so scales first: a shift comes after them.
        for node in list(self.nodes.values()):
            if node.op == "Mul":
                self._fold_scale(node)
        for node in list(self.nodes.values()):
            if node.op in ADDITIONS:
                self._fold_shift(node)
        for node in self.nodes.values():
            if node.op != "BiasAdd" or node.attr["data_format"].s != b"NHWC":
                continue
            if any(map(self._stops_fusion, self.users[node.name])):
                node.op = "AddV2"
                del node.attr["data_format"]
        self.flat.graph_def.node.extend(self.added)

    def _stops_fusion(self, user: v1.NodeDef | None) -> bool:
        """Whether a bias must not come before this node.

        Where an activation and something else read a sum with a bias in it, as in Xception, TensorFlow's
        remapper (2.21: "fanout exists for missing node") fails, and nothing in the whole graph is fused.
        """
        if user is None or user.op not in ADDITIONS:
            return False
        readers = self.users[user.name]
        return len(readers) > 1 and any(
            node is not None and node.op in ACTIVATIONS for node in readers
        )

    def _fold_scale(self, mul: v1.NodeDef) -> None:
        before, scale = self._split(mul)
        convolution, bias = self._convolution_and_bias(before)
        if convolution is None or not self._fits(convolution, scale):
            return
        weights = convolution.input[1]
        if weights not in self.flat.weights:
            return
        convolution.input[1] = self._scaled(weights, scale, convolution.op)
        if bias is not None:
            before.input[1] = self._constant(scale * bias)
        self._replace(mul, before)

    def _fold_shift(self, add: v1.NodeDef) -> None:
        before, shift = self._split(add)
        convolution, bias = self._convolution_and_bias(before)
        if convolution is None or not self._fits(convolution, shift):
            return
        if bias is not None:
            before.input[1] = self._constant(shift + bias)
            self._replace(add, before)
            return
        controls = [x for x in add.input if x.startswith("^")]
        del add.input[:]
        add.input.extend([convolution.name, self._constant(shift), *controls])
        add.op = "BiasAdd"  # whose attribute T is the addition's
        add.attr["data_format"].s = b"NHWC"

    def _split(self, node: v1.NodeDef) -> tuple[v1.NodeDef, np.ndarray | None]:
        """The operand that is computed, and the constant one."""
        first, second = (self.nodes[node_name(x)] for x in node.input[:2])
        if first.op == "Const":
            first, second = second, first
        return first, self._values(second)

    def _convolution_and_bias(
        self, node: v1.NodeDef
    ) -> tuple[v1.NodeDef | None, np.ndarray | None]:
        """The convolution that `node` is, or adds a bias to, if nothing else uses it, and the bias."""
        bias = None
        if node.op == "BiasAdd" and len(self.users[node.name]) == 1:
            bias = self._values(self.nodes[node_name(node.input[1])])
            node = self.nodes[node_name(node.input[0])] if bias is not None else node
        ours = node.op in CONVOLUTIONS and node.attr["data_format"].s == b"NHWC"
        return (
            (node, bias) if ours and len(self.users[node.name]) == 1 else (None, None)
        )

    def _values(self, node: v1.NodeDef) -> np.ndarray | None:
        return (
            tf.make_ndarray(node.attr["value"].tensor) if node.op == "Const" else None
        )

    def _fits(self, convolution: v1.NodeDef, values: np.ndarray | None) -> bool:
        """Whether there is one value per channel, and in the last axis alone."""
        kernel = self.flat.weights.get(convolution.input[1])
        if values is None or kernel is None or values.ndim not in (1, 4):
            return False
        channels = kernel.shape[-1]
        if convolution.op == "DepthwiseConv2dNative":
            channels *= kernel.shape[-2]
        return values.shape[-1] == values.size == channels

    def _scaled(self, weights: str, scale: np.ndarray, op: str) -> str:
        """The kernel times the scale, one for all signatures."""
        name = f"{weights}/times/{_digest(scale)}"
        if name not in self.flat.weights:
            kernel = self.flat.weights[weights]
            shape = kernel.shape[-2:] if op == "DepthwiseConv2dNative" else (-1,)
            self.flat.weights[name] = kernel * scale.reshape(shape)
            placeholder = v1.NodeDef()
            placeholder.CopyFrom(self.nodes[weights])
            placeholder.name = name
            self._add(placeholder)
        return name

    def _constant(self, values: np.ndarray) -> str:
        values = values.reshape(-1)
        name = f"folded/{_digest(values)}"
        if name not in self.nodes:
            self._add(constant_node(name, values))
        return name

    def _add(self, node: v1.NodeDef) -> None:
        self.nodes[node.name] = node
        self.added.append(node)

    def _replace(self, old: v1.NodeDef, new: v1.NodeDef) -> None:
        """Gives those who used the node `old` the node `new`, whose only user it was."""
        self.users[new.name] = self.users.pop(old.name)
        for user in self.users[new.name]:
            for index, tensor in enumerate(user.input):
                if node_name(tensor) == old.name:
                    user.input[index] = (
                        f"^{new.name}" if tensor.startswith("^") else new.name
                    )


def _digest(values: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()[:16]
