"""The one door that runs a landmark file: crops in, points out, and the spec it carries."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from efld import run_files, schemes, tflite_file
from efld.errors import InputError
from efld.geometry import Points
from efld.sessions import Edge, OnnxSession, Session, in_batches, open_session
from efld.spec import METADATA_NAME, ModelSpec

MOST_AT_ONCE = 256  # crops in one run of a graph that takes any number: memory


def in_range(crops: NDArray[Any], spec: ModelSpec) -> NDArray[np.float32]:
    """Crops of 0..255 in the input range of a graph."""
    low, high = spec.input_range
    batch = crops.astype(np.float32)
    return batch if (low, high) == (0.0, 255.0) else low + batch * np.float32((high - low) / 255)


class LandmarkModel:
    """A landmark file and its spec: crops in, points out."""

    def __init__(self, spec: ModelSpec, path: Path, session: Session) -> None:
        """
        Raises:
            InputError: the graph is not what `spec` says.
        """
        self.spec = spec
        self.path = path
        self.session = session
        self._points = schemes.scheme(spec.scheme).points
        self._input, self._channels_first = _check_input(spec, path, session)
        self._output = _check_output(self._points, path, session)

    def __call__(self, crops: NDArray[Any]) -> Points:
        """Finds landmarks.

        Args:
            crops: `(batch, input_px, input_px, channels)`, uint8 or float32, 0..255.

        Returns:
            `(batch, points, 2)` float32, x before y, 0..1 over the crop's edges.

        Raises:
            ValueError: crops of another shape.
            InputError: the file computes NaN or infinity.
        """
        if crops.shape[1:] != self.spec.input_shape[1:]:
            raise ValueError(f"crops {crops.shape}, expected (batch, *{self.spec.input_shape[1:]})")
        batch = self._to_graph(crops)
        size = MOST_AT_ONCE if self._input.shape[0] is None else 1
        runs = in_batches(self._run, batch, size)
        points = np.concatenate(runs) if runs else np.empty((0, self._points, 2), np.float32)
        if not np.isfinite(points).all():
            raise InputError(f"{self.path}: computes NaN or infinity. Export or train it again.")
        return points

    def _to_graph(self, crops: NDArray[Any]) -> NDArray[np.float32]:
        batch = in_range(crops, self.spec)
        return np.ascontiguousarray(batch.transpose(0, 3, 1, 2)) if self._channels_first else batch

    def _run(self, batch: NDArray[np.float32]) -> Points:
        found = self.session.run({self._input.name: batch})[self._output]
        return np.array(found, np.float32).reshape(len(batch), self._points, 2)


def _check_input(spec: ModelSpec, path: Path, session: Session) -> tuple[Edge, bool]:
    """The graph's input and whether its channels come first."""
    n, height, width, channels = spec.input_shape
    found = ", ".join(map(str, session.inputs))
    if len(session.inputs) == 1 and session.inputs[0].dtype == "float32":
        edge = session.inputs[0]
        for shape in ((n, height, width, channels), (n, channels, height, width)):
            if edge.shape[1:] == shape[1:] and edge.shape[0] in (n, None):
                return edge, shape != spec.input_shape
    raise InputError(
        f"{path}: its spec says one input float32 {spec.input_shape}, its graph has {found}. "
        "Mend the spec, or export the file again with float edges."
    )


def _check_output(points: int, path: Path, session: Session) -> int:
    """Index of the output that holds the landmarks."""
    fitting = [
        index
        for index, edge in enumerate(session.outputs)
        if edge.dtype == "float32"
        and edge.shape[1:] in {(points, 2), (2 * points,)}
        and edge.shape[0] in {1, None}
    ]
    if len(fitting) != 1:
        raise InputError(
            f"{path}: expected one output float32 (1, {points}, 2) or (1, {2 * points}), "
            f"found {', '.join(map(str, session.outputs))}. Export the file again with float edges."
        )
    return fitting[0]


def load(path: Path, threads: int = 1) -> LandmarkModel:
    """Opens a landmark file of ours with the spec it carries.

    The spec lies in the metadata of .tflite and .onnx files, and in `spec.json` beside a .keras.

    Raises:
        InputError: whatever `open_session` refuses, no spec, or a graph that is not as it says.
    """
    spec, session = open_file(path, threads)
    if spec is None:
        raise InputError(
            f"{path}: found no spec in this {path.suffix} file; expected a metadata entry "
            f"{METADATA_NAME!r}. Make the file with `python -m export` or `python -m quantize`."
        )
    return LandmarkModel(spec, path, session)


def open_file(path: Path, threads: int = 1) -> tuple[ModelSpec | None, Session]:
    """Opens any model file, and the spec that it carries; None for a foreign one.

    Raises:
        InputError: whatever `open_session` refuses, a spec that cannot be read, or a .keras without
            `spec.json` beside it.
    """
    if path.suffix == ".tflite" and path.is_file():
        return tflite_file.read_spec(path), open_session(path, threads)
    if path.suffix == ".keras" and path.is_file():
        if not (beside := path.with_name(run_files.SPEC)).is_file():
            raise InputError(f"{path}: expected {beside.name} beside it, which training writes.")
        return ModelSpec.read(beside), open_session(path, threads)
    session = open_session(path, threads)
    text = session.metadata().get(METADATA_NAME) if isinstance(session, OnnxSession) else None
    return ModelSpec.from_json(text, str(path)) if text else None, session
