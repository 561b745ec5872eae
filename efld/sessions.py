"""Running any model file, ours or foreign: .tflite, .onnx or .keras.

Each runtime is imported when a file of its type is opened, so a phone-side machine needs neither
TensorFlow nor Keras nor onnxruntime.
"""

import logging
import zipfile
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from efld import run_files
from efld.errors import InputError, one_line, to_install
from efld.quiet import native_stderr

Arrays = Mapping[str, NDArray[Any]]
SUFFIXES = (".keras", ".onnx", ".tflite")
KERAS_BATCH = 64


@dataclass(frozen=True)
class Edge:
    """An input or output of a graph; None stands for a size that is not fixed."""

    name: str
    shape: tuple[int | None, ...]
    dtype: str  # numpy's name: "float32"

    def __str__(self) -> str:
        sides = ", ".join("?" if side is None else str(side) for side in self.shape)
        return f"{self.name!r} {self.dtype} ({sides})"


@dataclass(frozen=True)
class Delegation:
    """How much of a .tflite graph XNNPACK took."""

    partitions: int  # pieces handed to XNNPACK; 1 is best
    outside: dict[str, int]  # op kind -> how many of it run outside


class Session(ABC):
    """A file opened by its runtime: ours or foreign, any inputs and outputs."""

    runtime: str  # name and version
    inputs: tuple[Edge, ...]
    outputs: tuple[Edge, ...]

    @abstractmethod
    def run(self, feeds: Arrays) -> list[NDArray[Any]]:
        """Runs once; arrays by input name in, arrays in the order of `outputs` out."""

    @abstractmethod
    def bind(self, feeds: Arrays) -> Callable[[], object]:
        """Fills the inputs once; each call of the result only runs the graph. For timing."""

    def delegation(self) -> Delegation | None:
        """What XNNPACK took; None where the runtime has no such notion."""
        return None


class _TfliteSession(Session):
    def __init__(self, path: Path, threads: int) -> None:
        from ai_edge_litert.interpreter import Interpreter

        try:
            with native_stderr():
                self._interpreter = Interpreter(model_path=str(path), num_threads=threads)
                self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise _not_a_model(path, "a TFLite file", error) from None
        self.runtime = f"ai-edge-litert {metadata.version('ai-edge-litert')}"
        inputs = self._interpreter.get_input_details()
        outputs = self._interpreter.get_output_details()
        self._input_index = {str(detail["name"]): int(detail["index"]) for detail in inputs}
        self._output_index = [int(detail["index"]) for detail in outputs]
        self.inputs = tuple(map(_tflite_edge, inputs))
        self.outputs = tuple(map(_tflite_edge, outputs))

    def run(self, feeds: Arrays) -> list[NDArray[Any]]:
        self.bind(feeds)()
        return [self._interpreter.get_tensor(index) for index in self._output_index]

    def bind(self, feeds: Arrays) -> Callable[[], object]:
        for name, array in feeds.items():
            self._interpreter.set_tensor(self._input_index[name], array)
        invoke: Callable[[], object] = self._interpreter.invoke
        return invoke

    def delegation(self) -> Delegation:
        """Counts DELEGATE nodes; an op is inside one if only that node's inputs feed it."""
        # No public call lists the execution plan: this one keeps replaced ops in its list.
        nodes = self._interpreter._get_ops_details()
        delegates = [node for node in nodes if node["op_name"] == "DELEGATE"]
        ops = [node for node in nodes if node["op_name"] != "DELEGATE"]
        writer = {int(tensor): op for op in ops for tensor in op["outputs"]}
        taken = {index for delegate in delegates for index in _ops_inside(delegate, writer)}
        outside = Counter(str(op["op_name"]) for op in ops if op["index"] not in taken)
        return Delegation(len(delegates), dict(outside.most_common()))


def _ops_inside(delegate: dict[str, Any], writer: dict[int, dict[str, Any]]) -> set[int]:
    """Indices of the ops between a delegate node's outputs and its inputs."""
    borders = set(delegate["inputs"].tolist())
    todo = delegate["outputs"].tolist()
    found: set[int] = set()
    while todo:
        op = writer.get(todo.pop())
        if op is not None and op["index"] not in found:
            found.add(int(op["index"]))
            todo += [tensor for tensor in op["inputs"].tolist() if tensor not in borders]
    return found


def _tflite_edge(detail: dict[str, Any]) -> Edge:
    shape = tuple(int(side) for side in detail["shape"])
    return Edge(str(detail["name"]), shape, np.dtype(detail["dtype"]).name)


# Names of ONNX's element types, as onnxruntime prints them, where numpy's differ.
_ONNX_DTYPES = {"float": "float32", "double": "float64"}


class OnnxSession(Session):
    def __init__(self, path: Path, threads: int) -> None:
        try:
            import onnxruntime
        except ImportError:
            raise InputError(
                f"{path}: .onnx files need onnxruntime. Run: {to_install('benchmark')}."
            ) from None
        onnxruntime.set_default_logger_severity(4)  # errors are raised anyway: one line is enough
        self._path = path
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime's errors share no other base
            raise _not_a_model(path, "an ONNX file", error) from None
        self.runtime = f"onnxruntime {onnxruntime.__version__}"
        self.inputs = tuple(map(_onnx_edge, self._session.get_inputs()))
        self.outputs = tuple(map(_onnx_edge, self._session.get_outputs()))

    def run(self, feeds: Arrays) -> list[NDArray[Any]]:
        try:
            return list(self._session.run(None, dict(feeds)))
        except Exception as error:  # onnxruntime's errors share no other base
            raise InputError(
                f"{self._path}: cannot compute its outputs ({one_line(error)}). Make it again."
            ) from None

    def bind(self, feeds: Arrays) -> Callable[[], object]:
        binding = self._session.io_binding()
        for name, array in feeds.items():
            binding.bind_cpu_input(name, array)
        for edge in self.outputs:
            binding.bind_output(edge.name)
        return lambda: self._session.run_with_iobinding(binding)

    def metadata(self) -> dict[str, str]:
        """The file's own key-value entries."""
        return dict(self._session.get_modelmeta().custom_metadata_map)


def in_batches(
    run: Callable[[NDArray[Any]], NDArray[Any]], pictures: NDArray[Any], most: int
) -> list[NDArray[Any]]:
    """What `run` makes of pictures, up to `most` at once, or one by one where it refuses more.

    Files that take any number by their edges may hold a Reshape to one.
    """
    try:
        return [run(pictures[i : i + most]) for i in range(0, len(pictures), most)]
    except InputError:
        if most == 1:
            raise
        return in_batches(run, pictures, 1)


def _onnx_edge(value: Any) -> Edge:
    kind = str(value.type).removeprefix("tensor(").removesuffix(")")
    shape = tuple(side if isinstance(side, int) else None for side in value.shape)
    return Edge(str(value.name), shape, _ONNX_DTYPES.get(kind, kind))


class _KerasSession(Session):
    def __init__(self, path: Path) -> None:
        try:
            with native_stderr():
                import keras

                from efld.models import saved
        except ImportError:
            raise InputError(
                f"{path}: .keras files need Keras. Run: {to_install('train')}."
            ) from None
        try:
            with native_stderr():
                self._model = saved.load(path)
        except (ValueError, TypeError, KeyError, OSError) as error:
            raise _not_a_model(path, "a Keras file", error) from None
        # TensorFlow takes several models in one process for one that is built again and again.
        logging.getLogger("tensorflow").setLevel(logging.ERROR)
        self.runtime = f"keras {keras.__version__} ({keras.backend.backend()})"
        self.inputs = tuple(map(_keras_edge, self._model.inputs))
        self.outputs = tuple(map(_keras_edge, self._model.outputs))

    def run(self, feeds: Arrays) -> list[NDArray[Any]]:
        batch = [feeds[edge.name] for edge in self.inputs]
        found = self._model.predict(
            batch if len(batch) > 1 else batch[0], batch_size=KERAS_BATCH, verbose=0
        )
        return list(found) if isinstance(found, (list, tuple)) else [found]

    def bind(self, feeds: Arrays) -> Callable[[], object]:
        return lambda: self.run(feeds)


def _keras_edge(tensor: Any) -> Edge:
    return Edge(str(tensor.name), tuple(tensor.shape), str(tensor.dtype))


def _not_a_model(path: Path, expected: str, error: Exception) -> InputError:
    reason = one_line(error).removeprefix(f"Load model from {path} failed:")
    return InputError(
        f"{path}: expected {expected} that this runtime can run, found {path.stat().st_size} bytes "
        f"it refuses ({reason}). Cut off, or for another version? Make it again."
    )


def open_session(path: Path, threads: int = 1) -> Session:
    """Opens any .tflite, .onnx or .keras file, ours or foreign.

    Args:
        threads: for .tflite and .onnx; Keras takes its backend's own setting.

    Raises:
        InputError: no such file, unknown suffix, not a model, or its runtime is not installed.
    """
    if path.is_dir():
        raise InputError(f"{path}: is a folder, expected a model file. {_models_in(path)}")
    if not path.is_file():
        raise InputError(
            f"{path}: no such file. Expected a {', '.join(SUFFIXES)} model.{_near(path)}"
        )
    match path.suffix:
        case ".tflite":
            return _TfliteSession(path, threads)
        case ".onnx":
            return OnnxSession(path, threads)
        case ".keras":
            if not zipfile.is_zipfile(path):  # said before the seconds that importing Keras takes
                raise _not_a_model(path, "a Keras file", ValueError("not a zip archive"))
            return _KerasSession(path)
    raise InputError(f"{path}: suffix {path.suffix!r}, expected one of {', '.join(SUFFIXES)}.")


def _near(path: Path) -> str:
    """A sentence about the run of that name, or the models in the folder of a path; or none."""
    if (int8 := run_files.RUNS / path.name / run_files.FILES["int8"]).is_file():
        return f" Is it {int8}?"
    return f" {_models_in(path.parent)}" if path.parent.is_dir() else ""


def _models_in(folder: Path) -> str:
    found = sorted(file.name for file in folder.iterdir() if file.suffix in SUFFIXES)
    where = "The current folder" if folder == Path() else str(folder)
    return f"{where} holds {', '.join(found) or 'none'}."
