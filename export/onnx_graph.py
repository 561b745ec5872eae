"""Keras -> ONNX."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ordered_set import OrderedSet

from efld.errors import StepError
from efld.spec import METADATA_NAME, ModelSpec

if TYPE_CHECKING:
    import keras

OPSET = 17
INPUT, OUTPUT = "image", "landmarks"


def write(model: "keras.Model", spec: ModelSpec, path: Path) -> dict[str, int]:
    """Converts a Keras model to ONNX with a fixed batch of 1, and embeds its spec.

    ONNX graphs have channels first: input `image` float32 `(1, channels, input_px, input_px)`;
    output `landmarks` float32 `(1, points, 2)` as in Keras.

    Returns:
        How many ops of each kind the graph has.

    Raises:
        StepError: edges that are not as above.
    """
    import tensorflow as tf
    import tf2onnx

    function = tf.function(lambda image: {OUTPUT: model(image, training=False)})
    signature = [tf.TensorSpec(spec.input_shape, tf.float32, name=INPUT)]
    with tf2onnx_mended():
        graph, _ = tf2onnx.convert.from_function(
            function, input_signature=signature, opset=OPSET, inputs_as_nchw=[INPUT]
        )
    return finish(graph, spec, path)


def finish(model: Any, spec: ModelSpec, path: Path) -> dict[str, int]:
    """Names a graph's values, embeds the spec, checks and saves; returns and raises as `write`."""
    import onnx

    graph = model.graph
    graph.name, graph.doc_string = spec.model, ""  # tf2onnx counts its functions there
    name_values(graph)
    model.metadata_props.append(
        onnx.StringStringEntryProto(key=METADATA_NAME, value=spec.to_json())
    )
    onnx.checker.check_model(model, full_check=True)
    _check_edges(graph, spec)
    onnx.save(model, str(path))
    return dict(Counter(node.op_type for node in graph.node).most_common())


def name_values(graph: Any) -> None:
    """Names nodes and values by the op that computes or first reads them, and sorts constants.

    tf2onnx numbers its names through all graphs of a process, and with them differ the bytes of all
    files made from this one.
    """
    names = {edge.name: edge.name for edge in (*graph.input, *graph.output)} | {"": ""}
    for i, node in enumerate(graph.node):
        node.name = f"{node.op_type.lower()}_{i}"
        for kind, values in (("in", node.input), ("out", node.output)):
            for j, value in enumerate(values):
                values[j] = names.setdefault(value, f"{node.name}/{kind}{j}")
    for constant in graph.initializer:
        constant.name = names[constant.name]
    graph.initializer.sort(key=lambda constant: constant.name)
    del graph.value_info[:]  # shapes of values by their old names; onnx infers them


def _check_edges(graph: Any, spec: ModelSpec) -> None:
    n, height, width, channels = spec.input_shape
    found = [(edge.name, _shape(edge)) for edge in (*graph.input, *graph.output)]
    expected = (INPUT, (n, channels, height, width))
    if [name for name, _ in found] != [INPUT, OUTPUT] or found[0] != expected:
        raise StepError(f"step onnx: edges {found}, expected {expected} and {OUTPUT!r}.")


def _shape(edge: Any) -> tuple[int, ...]:
    return tuple(side.dim_value for side in edge.type.tensor_type.shape.dim)


@contextmanager
def tf2onnx_mended() -> Iterator[None]:
    """Two faults of tf2onnx 1.17.0.

    It gives up removing *any* Transpose where a constant is a scalar (`x + 3`): its handler takes
    `max(())` over such a constant's shape. A scalar fits every layout.

    It walks sets of names, whose order differs from run to run: one graph in twenty has another
    order of ops or one constant more.
    """
    import tf2onnx.graph
    from tf2onnx.optimizer.transpose_optimizer import TransposeOptimizer

    original = TransposeOptimizer._add_handler

    def add_handler(self: Any, transpose: Any, node: Any) -> Any:
        for value in node.inputs:
            if value.is_const() and value.get_tensor_value(as_list=False).ndim == 0:
                return self._handle_node_having_branches(transpose, node)
        return original(self, transpose, node)

    TransposeOptimizer._add_handler = add_handler
    tf2onnx.graph.set = OrderedSet  # what a module calls `set` is looked up there first
    try:
        yield
    finally:
        TransposeOptimizer._add_handler = original
        del tf2onnx.graph.set
