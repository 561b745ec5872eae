"""Model files of two ops whose answer is known, made in milliseconds without TensorFlow.

Each file answers `ANSWER`, shifted to the right by `SHIFT` times the crop's mean brightness (0..1).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from efld import tflite_file
from efld.geometry import Points
from efld.spec import METADATA_NAME, ModelSpec

SHIFT = 0.1
SPEC = ModelSpec(model="tiny", input_px=16)
FLOAT32, INT8 = schema.TensorType.FLOAT32, schema.TensorType.INT8


def _answer() -> Points:
    """Spans 0.1..0.9 by 0.2..0.8, so the truth box of factor 1.25 is the whole crop."""
    points = np.random.default_rng(0).uniform((0.2, 0.3), (0.8, 0.7), (68, 2)).astype(np.float32)
    points[:2] = (0.1, 0.2), (0.9, 0.8)
    points[[36, 45]] = (0.3, 0.4), (0.7, 0.4)
    return points


ANSWER = _answer()


def weights(input_px: int) -> NDArray[np.float32]:
    """`(136, pixels)`: mean brightness moves x and leaves y."""
    matrix = np.zeros((136, input_px**2), np.float32)
    matrix[::2] = SHIFT / 255 / input_px**2
    return matrix


def embed_spec(source: Path, target: Path, spec: ModelSpec) -> None:
    """Writes `source` with `spec` in its metadata to `target`; both may be the same file."""
    model = tflite_file.read(source)
    tflite_file.set_spec(model, spec)
    tflite_file.write(model, target)


def write_tflite(
    path: Path, spec: ModelSpec | None = SPEC, answer: Points = ANSWER, **graph: Any
) -> Path:
    """A .tflite file; `graph` are options of `_tflite_model`."""
    tflite_file.write(_tflite_model(answer, **graph), path)
    if spec is not None:
        embed_spec(path, path, spec)
    return path


def _tflite_model(
    answer: Points, input_px: int = 16, edge: int = FLOAT32, reverse: bool = False
) -> Any:
    """Reshape, reverse if wanted (XNNPACK leaves it), dense.

    With int8 edges the dense layer is left out: such a file can be opened, which is all we need.
    """
    pixels, axis = input_px**2, np.array([1], np.int32)
    constants = [
        np.array([1, pixels], np.int32),
        weights(input_px),
        answer.astype(np.float32).flatten(),
        axis,
    ]
    buffers = [schema.BufferT(data=np.zeros(0, np.uint8))]
    buffers += [schema.BufferT(data=value.view(np.uint8).flatten()) for value in constants]
    kinds = [schema.TensorType.INT32, FLOAT32, FLOAT32, schema.TensorType.INT32]
    tensors = [
        _tensor(f"constant_{i}", value.shape, kinds[i], i + 1) for i, value in enumerate(constants)
    ]
    shapes = {"image": (1, input_px, input_px, 1), "flat": (1, pixels), "reversed": (1, pixels)}
    tensors += [_tensor(name, shape, edge) for name, shape in shapes.items()]
    tensors.append(_tensor("landmarks", (1, 136), FLOAT32))
    builtin = schema.BuiltinOperator
    ops = [(builtin.RESHAPE, [4, 0], 5)]
    ops += [(builtin.REVERSE_V2, [5, 3], 6)] if reverse else []
    ops += [(builtin.FULLY_CONNECTED, [6 if reverse else 5, 1, 2], 7)] if edge == FLOAT32 else []
    return schema.ModelT(
        version=3,
        operatorCodes=[schema.OperatorCodeT(min(op, 127), None, 1, op) for op, _, _ in ops],
        subgraphs=[_graph(tensors, ops)],
        buffers=buffers,
    )


def _tensor(name: str, shape: Sequence[int], kind: int, buffer: int = 0) -> Any:
    scale = schema.QuantizationParametersT(scale=[1.0], zeroPoint=[0]) if kind == INT8 else None
    return schema.TensorT(
        name=name, shape=list(shape), type=kind, buffer=buffer, quantization=scale
    )


def _graph(tensors: list[Any], ops: list[tuple[int, list[int], int]]) -> Any:
    options = schema.BuiltinOptions
    operators = [
        schema.OperatorT(opcodeIndex=i, inputs=inputs, outputs=[output])
        for i, (_, inputs, output) in enumerate(ops)
    ]
    for operator, (code, _, _) in zip(operators, ops, strict=True):
        if code == schema.BuiltinOperator.FULLY_CONNECTED:
            operator.builtinOptionsType = options.FullyConnectedOptions
            operator.builtinOptions = schema.FullyConnectedOptionsT()
    return schema.SubGraphT(tensors=tensors, inputs=[4], outputs=[ops[-1][2]], operators=operators)


def write_onnx(
    path: Path,
    spec: ModelSpec | None = SPEC,
    shape: Sequence[int | str] = (1, 1, 16, 16),
    matrix: NDArray[np.float32] | None = None,
) -> Path:
    """An .onnx file of the same net; a word in `shape` is a dynamic side.

    `matrix` instead of `weights`, `(136, values of a picture)`.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    graph = helper.make_graph(
        [
            helper.make_node("Flatten", ["image"], ["flat"]),
            helper.make_node("Gemm", ["flat", "weights", "answer"], ["landmarks"], transB=1),
        ],
        "tiny",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("landmarks", TensorProto.FLOAT, (shape[0], 136))],
        [
            numpy_helper.from_array(weights(16) if matrix is None else matrix, "weights"),
            numpy_helper.from_array(ANSWER.flatten(), "answer"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    if spec is not None:
        helper.set_model_props(model, {METADATA_NAME: spec.to_json()})
    onnx.save(model, path)
    return path


def write_keras(path: Path, spec: ModelSpec | None = SPEC) -> Path:
    """A .keras file of the same net with its `spec.json`. Importing Keras takes seconds."""
    import keras

    image = keras.Input((16, 16, 1), name="image")
    dense = keras.layers.Dense(136)
    points = keras.layers.Reshape((68, 2))(dense(keras.layers.Flatten()(image)))
    dense.set_weights([weights(16).T, ANSWER.flatten()])
    keras.Model(image, points).save(path)
    if spec is not None:
        spec.write(path.with_name("spec.json"))
    return path
