"""What every layer of a .tflite computes, and how far int8 layers are from the float ones."""

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from efld.quiet import native_stderr

Values = NDArray[np.float32]


def activations(file: Path, crops: NDArray[Any]) -> Iterator[dict[str, Values]]:
    """Runs a .tflite with float edges, and yields all that it computes for each crop.

    Args:
        crops: `(pictures, input_px, input_px, channels)`, in the input range of the graph.

    Yields:
        By tensor name, in the graph's order and with the input: values; int8 ones as the floats
        they stand for.
    """
    interpreter = keeping(file)
    source = int(interpreter.get_input_details()[0]["index"])
    details = {int(detail["index"]): detail for detail in interpreter.get_tensor_details()}
    wanted = [source, *(i for op in _ops(interpreter) for i in op["outputs"].tolist())]
    for crop in crops:
        interpreter.set_tensor(source, crop[np.newaxis].astype(np.float32))
        interpreter.invoke()
        yield {
            str(details[index]["name"]): _to_float(interpreter.get_tensor(index), details[index])
            for index in wanted
        }


def keeping(file: Path) -> Any:
    """An interpreter, ready to run, that keeps every tensor it computes."""
    from ai_edge_litert.interpreter import Interpreter

    with warnings.catch_warnings(), native_stderr():
        warnings.simplefilter("ignore", UserWarning)  # it costs memory to keep tensors, it says
        interpreter = Interpreter(
            model_path=str(file), num_threads=1, experimental_preserve_all_tensors=True
        )
        interpreter.allocate_tensors()
    return interpreter


def _ops(interpreter: Any) -> list[dict[str, Any]]:
    return [op for op in interpreter._get_ops_details() if op["op_name"] != "DELEGATE"]


def _to_float(values: NDArray[Any], detail: dict[str, Any]) -> Values:
    parameters = detail["quantization_parameters"]
    if values.dtype != np.int8 or not len(parameters["scales"]):
        return values.astype(np.float32)
    whole = values.astype(np.float32) - np.float32(parameters["zero_points"][0])
    return (whole * np.float32(parameters["scales"][0])).astype(np.float32)


def layer_errors(fp32: Path, int8: Path, crops: NDArray[Any]) -> list[dict[str, Any]]:
    """Relative error of every layer that both files have, in the graph's order.

        error = |int8 - float| / |float|, Euclidean norms over all crops

    Args:
        crops: `(pictures, input_px, input_px, channels)`.
    """
    error: dict[str, float] = {}
    size: dict[str, float] = {}
    for exact, rounded in zip(activations(fp32, crops), activations(int8, crops), strict=True):
        for name in exact.keys() & rounded.keys():
            error[name] = error.get(name, 0.0) + float(np.square(rounded[name] - exact[name]).sum())
            size[name] = size.get(name, 0.0) + float(np.square(exact[name]).sum())
    names = [name for name in exact if size.get(name)]
    return [{"layer": name, "relative_error": (error[name] / size[name]) ** 0.5} for name in names]
