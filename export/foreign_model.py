"""A foreign landmark file run as it is: the reference for all that is made of it."""

import copy
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from efld import files, schemes, tflite_file
from efld.errors import InputError
from efld.geometry import Points
from efld.sessions import Edge, Session, in_batches, open_session
from efld.spec import ModelSpec
from export.foreign_spec import Told

MOST_AT_ONCE = 64  # crops in one run of a graph that takes any number: memory
SUFFIXES = (".onnx", ".tflite")
QUANTISED = frozenset({"int4", "int8", "uint8", "int16"})


def not_finite(path: Path, told: Told) -> InputError:
    """What to say of a file that computes NaN or infinity."""
    return InputError(
        f"{path}: computes NaN or infinity, expected numbers. Is --preprocess {told.preprocess} "
        "right?"
    )


class ForeignModel:
    """A foreign file and what its user says of it: crops in, points out."""

    def __init__(self, path: Path, told: Told, session: Session, name: str = "") -> None:
        """
        Raises:
            InputError: the graph is not what the user says.
        """
        self.path = path
        self.told = told
        self.session = session
        self.points = schemes.scheme(told.scheme).points
        self.input, self.channels_first = _picture(path, told, session.inputs)
        self.output = session.outputs.index(_landmarks(path, told, self.points, session.outputs))
        self.spec = ModelSpec(
            model=name or path.stem,
            input_px=_side(self.input),
            channels=told.fed.channels,
            scheme=told.scheme,
            box_factor=told.box_factor,
            licence=told.licence,
            weights_sha256=files.sha256(path),
        )

    @classmethod
    def open(cls, path: Path, told: Told, name: str = "") -> Self:
        """Opens an .onnx or a float .tflite.

        Raises:
            InputError: as `open_session`, another suffix, or a graph that is not as told.
        """
        if path.suffix not in SUFFIXES:
            raise InputError(f"{path}: suffix {path.suffix!r}, expected {' or '.join(SUFFIXES)}.")
        if path.suffix == ".onnx" and path.is_file():
            _check_ops(path)
        if path.suffix == ".tflite" and path.is_file():
            _check_float(path)
        return cls(path, told, open_session(path), name)

    def read_as(self, told: Told) -> Self:
        """The same file with something else said of it, of as many channels."""
        other = copy.copy(self)
        other.told = told
        other.spec = replace(self.spec, box_factor=told.box_factor)
        return other

    def __call__(self, crops: NDArray[np.uint8]) -> Points:
        """Landmarks of `(batch, input_px, input_px, channels)` crops: `(batch, points, 2)`, 0..1.

        Raises:
            InputError: the file computes NaN or infinity.
        """
        points = self.placed(self.raw(crops))
        if not np.isfinite(points).all():
            raise not_finite(self.path, self.told)
        return points

    def raw(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The graph's own numbers, `(batch, 2 * points)`."""
        size = MOST_AT_ONCE if self.input.shape[0] is None else 1
        return np.concatenate(in_batches(self._run, crops, size))

    def placed(self, raw: NDArray[np.float32]) -> Points:
        """The graph's own numbers as `(batch, points, 2)`, 0..1 over the crop's edges."""
        scale, shift = self.told.affine(self.spec.input_px)
        points = raw * np.float32(scale) + np.float32(shift)
        return points.reshape(-1, self.points, 2)

    def _run(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        fed = self.told.fed(crops)
        fed = np.ascontiguousarray(fed.transpose(0, 3, 1, 2) if self.channels_first else fed)
        found = np.asarray(self.session.run({self.input.name: fed})[self.output], np.float32)
        return found.reshape(len(crops), -1)[:, : 2 * self.points]


def _check_ops(path: Path) -> None:
    """
    Raises:
        InputError: ops that a runtime's own optimiser put in, which nothing else can read.
    """
    import onnx

    try:
        graph = onnx.load(path, load_external_data=False).graph
    except Exception:  # protobuf's own, which has no types; the runtime says what is wrong
        return
    strange = {n.op_type for n in graph.node if n.domain or not onnx.defs.has(n.op_type)}
    if strange:
        raise InputError(
            f"{path}: has ops {', '.join(sorted(strange))}, expected only those of the ONNX "
            "standard. Give the file as it was before an optimiser fused its ops."
        )


def _check_float(path: Path) -> None:
    """
    Raises:
        InputError: a file that is quantised already.
    """
    whole = [t for t in tflite_file.tensors(tflite_file.read(path)) if t.dtype in QUANTISED]
    if whole:
        raise InputError(
            f"{path}: {len(whole)} of its tensors are {whole[0].dtype}, expected a float file: it "
            f"is quantised already. `python -m quantize audit {path}` says how."
        )


def _picture(path: Path, told: Told, inputs: Sequence[Edge]) -> tuple[Edge, bool]:
    """The only input, and whether its channels come first."""
    channels = 1 if told.fed.channels == "grey" else 3
    if len(inputs) == 1 and inputs[0].dtype == "float32" and len(inputs[0].shape) == 4:
        batch, *sides = inputs[0].shape
        for first, at in ((True, 0), (False, 2)):
            height, width = [side for i, side in enumerate(sides) if i != at]
            if sides[at] == channels and height == width is not None and batch in (1, None):
                return inputs[0], first
    raise InputError(
        f"{path}: takes {', '.join(map(str, inputs))}; --preprocess {told.preprocess} expects one "
        f"picture float32, square, of fixed size and {channels} channels: (1, {channels}, S, S) or "
        f"(1, S, S, {channels}). Export it so, or give the --preprocess that fits."
    )


def _side(edge: Edge) -> int:
    return int(edge.shape[2] or 0)  # the second of two equal sides, or the first: in both layouts


def _landmarks(path: Path, told: Told, points: int, outputs: Sequence[Edge]) -> Edge:
    """The output that holds the points."""
    if told.output:
        fitting = [edge for edge in outputs if edge.name == told.output]
        right = len(fitting) == 1 and _numbers(fitting[0]) >= 2 * points
    else:
        fitting = [edge for edge in outputs if _numbers(edge) == 2 * points]
        right = len(fitting) == 1
    if right:
        return fitting[0]
    which = f"an output {told.output!r} that starts with" if told.output else "one output of"
    raise InputError(
        f"{path}: --points {told.scheme} expects {which} {2 * points} float32 numbers x, y, x, y, "
        f"..., found {', '.join(map(str, outputs))}. Give the --points that fit, or --output NAME "
        "to read an output's first numbers; heat maps are not read: end the graph in points."
    )


def _numbers(edge: Edge) -> int:
    """How many numbers an output has for each picture; 0 where it cannot be read as points."""
    sides = [side or 0 for side in edge.shape[1:] if side != 1]
    return math.prod(sides) if edge.dtype == "float32" and len(sides) in (1, 2) else 0
