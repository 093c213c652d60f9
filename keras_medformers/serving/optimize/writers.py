"""Ways to write an exported model anew: folded, with bfloat16 weights, compiled by XLA."""

import functools
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from keras_medformers.serving.optimize.flat_graph import (
    FlatGraph,
    output_nodes,
    read_flat_graph,
    v1,
)
from keras_medformers.serving.optimize.folding import fold_scales_and_shifts

SAVED_MODEL = "saved_model.pb"
DEFAULT = tf.saved_model.DEFAULT_SERVING_SIGNATURE_DEF_KEY

COMPILED = "_XlaMustCompile"
"""Attribute of functions, and of calls to them, that `tf.function(jit_compile=True)` sets."""


def write_frozen(plain: Path, path: Path) -> None:
    """Writes the SavedModel `plain` folded: all that depends on parameters alone is a constant, as `path`.

    Kernels stay in the variables of its checkpoint. As constants they would be no faster, take as much memory
    again for each signature, and bound the model's size by the 2 GiB of a graph.
    """
    flat = _folded(plain)
    with tf.Graph().as_default(), v1.Session() as session:
        weights = {
            name: _variable(name, values.shape, values.dtype)
            for name, values in flat.weights.items()
        }
        for name, variable in weights.items():
            variable.load(flat.weights[name], session)
        _save(session, flat, weights, weights, path)


def write_bfloat16(plain: Path, path: Path) -> None:
    """Writes the SavedModel `plain` folded, its kernels stored as bfloat16, as `path`.

    Loading casts them to float32 once, and all is computed in float32, on any processor. Biases and the
    parameters of norms stay as they are.
    """
    flat = _folded(plain)
    with tf.Graph().as_default(), v1.Session() as session:
        stored, casts, weights = {}, [], {}
        for name, values in flat.weights.items():
            stored[name] = _variable(f"{name}/stored", values.shape, tf.bfloat16)
            stored[name].load(values.astype(tf.bfloat16.as_numpy_dtype), session)
            weights[name] = _variable(name, values.shape, values.dtype)
            cast = tf.cast(stored[name], weights[name].dtype)
            casts.append(weights[name].assign(cast, read_value=False))
        _save(session, flat, weights, stored, path, tf.group(*casts))


def write_xla(plain: Path, path: Path) -> None:
    """Writes the SavedModel `plain`, the network of `serving_default` compiled by XLA, as `path`.

    The network is the function that reads the variables; what comes before and after, such as checks of
    pixels and label names, stays outside, and so do networks that only other signatures use. XLA compiles at
    the first call, and anew for each number of images in a batch.
    """
    saved_model = saved_model_pb2.SavedModel.FromString(
        (plain / SAVED_MODEL).read_bytes()
    )
    graph_def = saved_model.meta_graphs[0].graph_def
    functions = {
        function.signature.name: function for function in graph_def.library.function
    }
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
        raise ValueError(
            f"{plain} has no function that reads variables, so XLA has nothing to compile"
        )

    shutil.copytree(plain, path)
    (path / SAVED_MODEL).write_bytes(saved_model.SerializeToString(deterministic=True))


def _folded(plain: Path) -> FlatGraph:
    flat = read_flat_graph(plain)
    fold_scales_and_shifts(flat)
    return flat


def _variable(
    name: str, shape: Sequence[int], dtype: tf.DType | np.dtype
) -> tf.Variable:
    zeros = functools.partial(tf.zeros, shape, tf.as_dtype(dtype))
    return v1.Variable(zeros, name=name, use_resource=True, trainable=False)


def _save(
    session: v1.Session,
    flat: FlatGraph,
    weights: Mapping[str, tf.Variable],
    stored: Mapping[str, tf.Variable],
    path: Path,
    after_loading: tf.Operation | None = None,
) -> None:
    """Writes the graph, which reads the variables `weights`, and a checkpoint of the variables `stored`."""
    without_weights = v1.GraphDef(
        versions=flat.graph_def.versions, library=flat.graph_def.library
    )
    without_weights.node.extend(
        node for node in flat.graph_def.node if node.name not in weights
    )
    read = {f"{name}:0": variable.read_value() for name, variable in weights.items()}
    v1.import_graph_def(without_weights, name="", input_map=read)
    builder = v1.saved_model.Builder(str(path))
    builder.add_meta_graph_and_variables(
        session,
        [tf.saved_model.SERVING],
        signature_def_map=flat.signatures,
        main_op=after_loading,
        saver=v1.train.Saver(dict(stored)),
    )
    builder.save()
