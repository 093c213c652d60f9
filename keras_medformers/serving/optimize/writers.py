"""Ways to write an exported model anew: frozen, with bfloat16 weights, compiled by XLA."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from keras_medformers.serving.optimize.flat_graph import (
    FlatGraph,
    constant_node,
    output_nodes,
    read_flat_graph,
    v1,
)
from keras_medformers.serving.optimize.folding import fold_scales_and_shifts

SAVED_MODEL = "saved_model.pb"
LARGEST_FILE = 2**31 - 1
"""Bytes of a message of the Protocol Buffers, which `saved_model.pb` is."""

DEFAULT = tf.saved_model.DEFAULT_SERVING_SIGNATURE_DEF_KEY

COMPILED = "_XlaMustCompile"
"""Attribute of functions, and of calls to them, that `tf.function(jit_compile=True)` sets."""


def write_frozen(plain: Path, path: Path) -> None:
    """Writes the SavedModel `plain` with constants for variables, folded, as `path`."""
    flat = _folded(plain)
    size = sum(values.nbytes for values in flat.weights.values()) + flat.graph_def.ByteSize()
    if size > LARGEST_FILE:
        raise ValueError(
            f"This model cannot be frozen: its {size / 2**30:.1f} GiB of constants are more than the 2 GiB "
            f"that {SAVED_MODEL} takes. Take bfloat16, or serve it as it is"
        )
    saved_model = saved_model_pb2.SavedModel(saved_model_schema_version=1)
    meta_graph = saved_model.meta_graphs.add()
    meta_graph.meta_info_def.tags.append(tf.saved_model.SERVING)
    meta_graph.meta_info_def.tensorflow_version = tf.__version__
    for name, signature in flat.signatures.items():
        meta_graph.signature_def[name].CopyFrom(signature)
    meta_graph.graph_def.versions.CopyFrom(flat.graph_def.versions)
    meta_graph.graph_def.library.CopyFrom(flat.graph_def.library)
    for node in flat.graph_def.node:
        values = flat.weights.pop(node.name, None)
        meta_graph.graph_def.node.append(node if values is None else constant_node(node.name, values))
    path.mkdir()
    (path / SAVED_MODEL).write_bytes(saved_model.SerializeToString(deterministic=True))


def write_bfloat16(plain: Path, path: Path) -> None:
    """Writes the SavedModel `plain` folded, its weights stored as bfloat16, as `path`.

    Loading casts them to float32 once, and all is computed in float32, on any processor. Biases and the
    parameters of norms stay as they are.
    """
    flat = _folded(plain)
    with tf.Graph().as_default(), v1.Session() as session:
        stored, casts, served = {}, [], {}
        for name, values in flat.weights.items():
            stored[name] = _variable(f"{name}/stored", values.shape, tf.bfloat16)
            stored[name].load(values.astype(tf.bfloat16.as_numpy_dtype), session)
            variable = _variable(name, values.shape, tf.as_dtype(values.dtype))
            casts.append(variable.assign(tf.cast(stored[name], variable.dtype), read_value=False))
            served[f"{name}:0"] = variable.read_value()
        without_weights = v1.GraphDef(versions=flat.graph_def.versions, library=flat.graph_def.library)
        without_weights.node.extend(node for node in flat.graph_def.node if node.name not in flat.weights)
        v1.import_graph_def(without_weights, name="", input_map=served)
        builder = v1.saved_model.Builder(str(path))
        builder.add_meta_graph_and_variables(
            session,
            [tf.saved_model.SERVING],
            signature_def_map=flat.signatures,
            main_op=tf.group(*casts),
            saver=v1.train.Saver(stored),
        )
        builder.save()


def write_xla(plain: Path, path: Path) -> None:
    """Writes the SavedModel `plain`, the network of `serving_default` compiled by XLA, as `path`.

    The network is the function that reads the variables; what comes before and after, such as checks of
    pixels and label names, stays outside, and so do networks that only other signatures use. XLA compiles at
    the first call, and anew for each number of images in a batch.
    """
    saved_model = saved_model_pb2.SavedModel.FromString((plain / SAVED_MODEL).read_bytes())
    graph_def = saved_model.meta_graphs[0].graph_def
    functions = {function.signature.name: function for function in graph_def.library.function}
    outputs = output_nodes({0: saved_model.meta_graphs[0].signature_def[DEFAULT]})
    callers = [node for node in graph_def.node if node.name in outputs]
    networks = []
    while callers:
        node = callers.pop()
        function = functions.get(node.attr["f"].func.name) if "f" in node.attr else None
        if function is None:
            continue
        if any(inner.op == "ReadVariableOp" for inner in function.node_def):
            networks.append(function)
            node.attr[COMPILED].b = function.attr[COMPILED].b = True
        callers.extend(function.node_def)
    if not networks:
        raise ValueError(f"{plain} has no function that reads variables, so XLA has nothing to compile")
    shutil.copytree(plain, path)
    (path / SAVED_MODEL).write_bytes(saved_model.SerializeToString(deterministic=True))


def _folded(plain: Path) -> FlatGraph:
    flat = read_flat_graph(plain)
    fold_scales_and_shifts(flat)
    return flat


def _variable(name: str, shape: Sequence[int], dtype: tf.DType) -> tf.Variable:
    return v1.Variable(lambda: tf.zeros(shape, dtype), name=name, use_resource=True, trainable=False)
