"""An exported model as one flat graph, the weights beside it.

TensorFlow Serving loads a SavedModel as a graph of calls to functions that read variables. Flattened, what
depends on parameters alone is a constant, and a signature's copy of the network costs nodes but no weights.
"""

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import config_pb2
from tensorflow.python.grappler import tf_optimizer

v1 = tf.compat.v1

LARGE = 2**16
"""Values from which a parameter is kept out of the graph; kernels of convolutions always are."""

INITIALIZER = "__saved_model_init_op"
"""What a SavedModel lists among its signatures, but is none."""

WEIGHTS = "weights"
"""Beginning of the names of the placeholders for weights."""


@dataclasses.dataclass
class FlatGraph:
    """A network without functions and variables.

    Attributes:
        graph_def: The graph of all signatures; its weights are placeholders.
        weights: Values by name of their placeholder, each once for all signatures.
        signatures: `SignatureDef` by name.
    """

    graph_def: v1.GraphDef
    weights: dict[str, np.ndarray]
    signatures: dict

    @property
    def outputs(self) -> list[str]:
        """Names of the nodes that some signature gives."""
        return output_nodes(self.signatures)

    def prune(self) -> None:
        """Takes out nodes and weights that no signature needs."""
        self.graph_def = v1.graph_util.extract_sub_graph(self.graph_def, self.outputs)
        needed = {node.name for node in self.graph_def.node}
        self.weights = {
            name: values for name, values in self.weights.items() if name in needed
        }


def read_flat_graph(version: Path) -> FlatGraph:
    """Reads a SavedModel, inlines its functions, and computes what depends on small parameters alone.

    Raises:
        ValueError: If a variable is used otherwise than by reading it.
    """
    with tf.Graph().as_default() as graph, v1.Session(graph=graph) as session:
        meta_graph = v1.saved_model.load(
            session, [tf.saved_model.SERVING], str(version)
        )
        signatures = {
            name: of
            for name, of in meta_graph.signature_def.items()
            if name != INITIALIZER
        }
        graph_def = graph.as_graph_def()
        graph_def = _optimized(
            graph_def, signatures, "function", "pruning", "dependency"
        )
        reads, handles = _reads_and_handles(graph_def)
        values = session.run(
            {
                name: tf.raw_ops.ReadVariableOp(
                    resource=handle, dtype=handle.op.get_attr("dtype")
                )
                for name in sorted(set(reads.values()))
                for handle in graph.get_operation_by_name(name).outputs
            }
        )

    weights = _parameters_in_place_of_reads(graph_def, reads, handles, values)
    graph_def = _optimized(graph_def, signatures, "constfold", "dependency")
    return FlatGraph(graph_def, weights, signatures)


def output_nodes(signatures: Mapping) -> list[str]:
    """Names of the nodes that some signature gives."""
    outputs = (
        tensor
        for signature in signatures.values()
        for tensor in signature.outputs.values()
    )
    return sorted({node_name(tensor.name) for tensor in outputs})


def node_name(tensor: str) -> str:
    """The node that a tensor, or a control dependency, comes from."""
    return tensor.removeprefix("^").partition(":")[0]


def constant_node(name: str, values: np.ndarray) -> v1.NodeDef:
    """A node with these values."""
    node = v1.NodeDef(name=name, op="Const")
    node.attr["dtype"].type = tf.as_dtype(values.dtype).as_datatype_enum
    node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(values))
    return node


def _optimized(
    graph_def: v1.GraphDef, signatures: Mapping, *optimizers: str
) -> v1.GraphDef:
    """Runs TensorFlow's own graph optimizers, those that servers run, ahead of time."""
    settings = config_pb2.ConfigProto()
    rewrites = settings.graph_options.rewrite_options
    rewrites.min_graph_nodes = -1  # small graphs, too
    rewrites.optimizers.extend(optimizers)
    meta_graph = v1.MetaGraphDef(graph_def=graph_def)
    meta_graph.collection_def["train_op"].node_list.value.extend(
        output_nodes(signatures)
    )
    return tf_optimizer.OptimizeGraph(settings, meta_graph)


def _reads_and_handles(graph_def: v1.GraphDef) -> tuple[dict[str, str], set[str]]:
    """The nodes that read a variable, with the variable's name, and those that are or pass on its handle."""
    nodes = {node.name: node for node in graph_def.node}

    def source(tensor: str) -> v1.NodeDef:
        node = nodes[node_name(tensor)]
        return source(node.input[0]) if node.op == "Identity" else node

    reads, handles = {}, set()
    for node in graph_def.node:
        variables = [
            x.name for x in map(source, _data_inputs(node)) if x.op == "VarHandleOp"
        ]
        if node.op == "VarHandleOp" or (variables and node.op == "Identity"):
            handles.add(node.name)
        elif variables and node.op == "ReadVariableOp":
            reads[node.name] = variables[0]
        elif variables:
            raise ValueError(
                f"This SavedModel cannot be frozen: {node.name} ({node.op}) uses the variable {variables[0]} "
                "otherwise than by reading it. Serve it as it is"
            )
    return reads, handles


def _parameters_in_place_of_reads(
    graph_def: v1.GraphDef,
    reads: Mapping[str, str],
    handles: set[str],
    values: Mapping[str, np.ndarray],
) -> dict[str, np.ndarray]:
    """Changes the graph: one constant, or for weights one placeholder, for each variable.

    Returns:
        The weights by their placeholder's name.
    """
    parameters = {f"{WEIGHTS}/{name}": x for name, x in values.items()}
    weights = {
        name: x for name, x in parameters.items() if x.ndim >= 4 or x.size >= LARGE
    }
    gone = reads.keys() | handles
    kept = [node for node in graph_def.node if node.name not in gone]
    for node in kept:
        inputs = [
            x for x in node.input if not x.startswith("^") or node_name(x) not in gone
        ]
        inputs = [
            f"{WEIGHTS}/{reads[node_name(x)]}" if node_name(x) in reads else x
            for x in inputs
        ]
        del node.input[:]
        node.input.extend(inputs)

    del graph_def.node[:]
    graph_def.node.extend(kept)
    for name, x in parameters.items():
        graph_def.node.append(
            _placeholder(name, x) if name in weights else constant_node(name, x)
        )

    return weights


def _placeholder(name: str, values: np.ndarray) -> v1.NodeDef:
    node = v1.NodeDef(name=name, op="Placeholder")
    node.attr["dtype"].type = tf.as_dtype(values.dtype).as_datatype_enum
    node.attr["shape"].shape.CopyFrom(tf.TensorShape(values.shape).as_proto())
    return node


def _data_inputs(node: v1.NodeDef) -> Iterable[str]:
    return (x for x in node.input if not x.startswith("^"))
