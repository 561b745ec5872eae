"""A foreign graph with our edges: pixels 0..255 in, points 0..1 over the crop's edges out."""

import tempfile
from pathlib import Path
from typing import Any

from efld.errors import InputError, one_line
from efld.quiet import native_stderr
from export import foreign_edges, onnx_hard
from export.foreign_model import ForeignModel
from export.onnx_graph import OPSET, finish, tf2onnx_mended

Model = Any  # onnx.ModelProto, which has no types


def write(foreign: ForeignModel, path: Path) -> dict[str, int]:
    """Writes the ONNX file of ours that computes what `foreign` does.

    Returns:
        How many ops of each kind the graph has.

    Raises:
        InputError: a file that onnx cannot read.
        StepError: as `onnx_graph.finish`.
    """
    model = _plain(_read(foreign), foreign)
    onnx_hard.spell_out(model)
    foreign_edges.put(model.graph, foreign)
    return finish(model, foreign.spec, path)


def _read(foreign: ForeignModel) -> Model:
    """The foreign graph as ONNX, whatever its format; a .tflite's channels come first as well."""
    import onnx

    if foreign.path.suffix == ".onnx":
        return onnx.load(foreign.path)
    import tf2onnx

    source = [] if foreign.channels_first else [foreign.input.name]
    try:
        with tf2onnx_mended(), native_stderr():
            return tf2onnx.convert.from_tflite(
                str(foreign.path), opset=OPSET, inputs_as_nchw=source
            )[0]
    except Exception as error:  # tf2onnx raises whatever it meets
        raise InputError(
            f"{foreign.path}: tf2onnx cannot convert it ({one_line(error)}). Give the ONNX file "
            "that it was made from."
        ) from None


def _plain(model: Model, foreign: ForeignModel) -> Model:
    """A batch of 1, one output; what depends on no picture is computed once and for all."""
    import onnx
    import onnxruntime
    from onnx.utils import Extractor

    model.ir_version = max(model.ir_version, 4)  # before, constants were inputs as well
    _fix_edges(model.graph, foreign.output)
    output = model.graph.output[foreign.output].name
    model = Extractor(model).extract_model([model.graph.input[0].name], [output])
    with tempfile.TemporaryDirectory() as folder:
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(Path(folder) / "plain.onnx")
        providers = ["CPUExecutionProvider"]
        onnxruntime.InferenceSession(model.SerializeToString(), options, providers=providers)
        model = onnx.load(options.optimized_model_filepath)
    used = {node.domain for node in model.graph.node}
    foreign_edges.replace(model.opset_import, [o for o in model.opset_import if o.domain in used])
    return model


def _fix_edges(graph: Any, output: int) -> None:
    """One picture at a time; constants are no inputs. Other outputs may have any shape, or none."""
    constants = {constant.name for constant in graph.initializer}
    foreign_edges.replace(graph.input, [e for e in graph.input if e.name not in constants])
    for edge in (*graph.input, graph.output[output]):
        edge.type.tensor_type.shape.dim[0].dim_value = 1
