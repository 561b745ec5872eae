"""What an int8 file does with pictures: activations and outputs stuck at an end of their range."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from efld import evaluate
from efld.data.datasets import has_split, label, open_faces
from efld.data.faces import Face
from efld.errors import InputError
from efld.runtime import in_range
from efld.spec import Channels, ModelSpec
from quantize.audit.bounds import bounds
from quantize.audit.finding import Finding, few
from quantize.graph import Graph, Value
from quantize.layers import keeping

FACES = 32
LIMITS = {"int8": (-128, 127), "uint8": (0, 255)}
SATURATED_SHARE = 0.05  # of an activation's values, over all pictures
BROKEN_SHARE = 0.5  # the same: what is behind such a layer cannot see
OUTPUT_SATURATED_SHARE = 0.05  # of the landmarks: points that cannot move


@dataclass(frozen=True)
class Saturation:
    """One quantised activation over all pictures."""

    tensor: str
    written_by: str
    share: float  # of the values that stick to an end where they need not
    is_output: bool  # the graph's, possibly after a conversion or a reshape


@dataclass(frozen=True)
class Seen:
    """What was seen when the file ran on pictures."""

    pictures: str  # which, in words; why none
    count: int
    saturations: list[Saturation]  # the worst first
    constant_outputs: list[str]  # the same for every picture
    outputs: int  # how many there are


def foreign_spec(graph: Graph) -> ModelSpec | None:
    """How to feed faces to a file that does not say: over the range that its own scale spans.

    None where that is not known: no square picture of 1 or 3 channels, or a float input that no
    op quantises.
    """
    given = graph.values[graph.inputs[0]]
    readers = graph.readers.get(given.index, [])
    quantized = [graph.values[op.outputs[0]] for op in readers if op.kind == "QUANTIZE"]
    scaled = given if given.scales.size else quantized[0] if quantized else None
    if scaled is None or scaled.dtype not in LIMITS:
        return None
    return spread_over(graph, _range(scaled))


def spread_over(graph: Graph, input_range: tuple[float, float]) -> ModelSpec | None:
    """How to feed faces whose grey levels, or red, green and blue, become `input_range`.

    None where the input is no square picture of 1 or 3 channels.
    """
    shape = graph.values[graph.inputs[0]].shape
    if len(graph.inputs) != 1 or len(shape) != 4 or shape[1] != shape[2] or shape[3] not in (1, 3):
        return None
    channels: Channels = "grey" if shape[3] == 1 else "rgb"
    return ModelSpec(model="foreign", input_px=shape[1], channels=channels, input_range=input_range)


def _range(value: Value) -> tuple[float, float]:
    """What the ends of a quantised tensor stand for."""
    low, high = (np.array(LIMITS[value.dtype]) - value.zero_points[0]) * value.scales[0]
    return float(low), float(high)


def faces_for(
    spec: ModelSpec, root: Path | None, split: str, count: int = FACES
) -> tuple[list[Face], str]:
    """Faces to run a file on, none of which calibrated it, and which they are in words.

    Args:
        root, split: of a dataset; None = rendered faces, "" = its training faces.

    Raises:
        InputError: as `open_faces`, or all of them calibrated it.
    """
    known = set(spec.calibration)
    if root is None:
        split = split or "common"
        found = open_faces(None, split, count if split == "common" else count + len(known))
    else:
        split = split or ("train" if has_split(root) else "all")
        found = open_faces(root, split)
    faces = [face for face in found if face.id not in known]
    if not faces:
        raise InputError(
            f"{label(root)}: every face of split {split!r} calibrated the file, expected one that "
            "did not. Give another --split."
        )
    faces = faces[:: max(1, len(faces) // count)][:count]
    return faces, f"{len(faces)} faces of {label(root)}, split {split}, none of them calibrated it"


def look(path: Path, graph: Graph, spec: ModelSpec, faces: Sequence[Face], words: str) -> Seen:
    """Runs a file on crops of faces and looks at every quantised activation.

    Args:
        words: which faces these are.

    Raises:
        InputError: faces that do not fit `spec`, or cannot be read.
    """
    fed = feeds(graph, spec, faces)
    watched = quantized_activations(graph)
    counts = {value.index: np.zeros(2) for value in watched}
    sizes = dict.fromkeys(counts, 0)
    outputs: dict[int, list[NDArray[Any]]] = {index: [] for index in graph.outputs}
    for tensors in _run(path, fed, [*counts, *outputs]):
        for value in watched:
            low, high = LIMITS[value.dtype]
            found = tensors[value.index]
            counts[value.index] += [(found == low).sum(), (found == high).sum()]
            sizes[value.index] += found.size
        for index, kept in outputs.items():
            kept.append(tensors[index])
    saturations = [
        _saturation(graph, value, counts[value.index] / max(sizes[value.index], 1))
        for value in watched
    ]
    return Seen(
        pictures=words,
        count=len(fed),
        saturations=sorted(saturations, key=lambda one: -one.share),
        constant_outputs=[
            graph.values[i].name for i, kept in outputs.items() if (np.ptp(kept, axis=0) == 0).all()
        ],
        outputs=len(outputs),
    )


def feeds(graph: Graph, spec: ModelSpec, faces: Sequence[Face]) -> NDArray[Any]:
    """Crops of faces as the graph wants them, `(faces, *shape of the input)`.

    Raises:
        InputError: a face that cannot be read.
    """
    # A face's box is all that is asked of it: its points need not be those of the model.
    images = evaluate.cut(faces, replace(spec, scheme=faces[0].scheme)).images
    return np.stack([_feed(image, spec, graph.values[graph.inputs[0]]) for image in images])


def _feed(image: NDArray[np.uint8], spec: ModelSpec, given: Value) -> NDArray[Any]:
    """One crop as the graph wants it."""
    values = in_range(image, spec)
    if given.scales.size:
        ends = LIMITS[given.dtype]
        whole = np.round(values / given.scales[0]) + given.zero_points[0]
        values = np.clip(whole, *ends).astype(given.dtype)
    if given.shape[1:] != image.shape:
        values = values.transpose(2, 0, 1)
    return np.ascontiguousarray(values[np.newaxis])


def _run(path: Path, fed: NDArray[Any], wanted: Sequence[int]) -> Iterator[dict[int, NDArray[Any]]]:
    """For each picture, tensors as they are stored, by index."""
    interpreter = keeping(path)
    source = int(interpreter.get_input_details()[0]["index"])
    for feed in fed:
        interpreter.set_tensor(source, feed)
        interpreter.invoke()
        yield {index: interpreter.get_tensor(index) for index in wanted}


def quantized_activations(graph: Graph) -> list[Value]:
    """Those in 8 bits that an op computes; the picture itself may be black and white."""
    return [
        value
        for value in graph.values
        if value.dtype in LIMITS
        and value.scales.size
        and (writer := graph.writer.get(value.index)) is not None
        and writer.inputs[0] not in graph.inputs
    ]


def _saturation(graph: Graph, value: Value, shares: NDArray[np.float64]) -> Saturation:
    scale = value.scales[0]
    low, high = _range(value)
    least, most = bounds(graph, value.index)
    share = shares[0] * (low > least + scale) + shares[1] * (high < most - scale)
    kind = graph.writer[value.index].kind
    return Saturation(value.name, kind, float(share), value.index in _output_sources(graph))


def _output_sources(graph: Graph) -> set[int]:
    """The outputs and what they were before conversions and reshapes."""
    found = set(graph.outputs)
    todo = list(found)
    while todo:
        op = graph.writer.get(todo.pop())
        if op is not None and op.kind in ("DEQUANTIZE", "QUANTIZE", "RESHAPE"):
            found.add(op.inputs[0])
            todo.append(op.inputs[0])
    return found


def findings(seen: Seen) -> Iterator[Finding]:
    """What the pictures showed."""
    for name in seen.constant_outputs:
        # One of several may be meant so: a count of boxes, say.
        yield Finding(
            "fault" if len(seen.constant_outputs) == seen.outputs else "warning",
            "constant-output", name, f"the same for all {seen.count} pictures.",
            "Calibrate on pictures as the application feeds them, and quantise again.",
        )  # fmt: skip
    outputs = [s for s in seen.saturations if s.is_output and s.share > OUTPUT_SATURATED_SHARE]
    inner = [s for s in seen.saturations if not s.is_output and s.share > SATURATED_SHARE]
    if outputs and not seen.constant_outputs:
        yield Finding(
            "fault", "saturated-output", few([s.tensor for s in outputs]),
            f"{100 * outputs[0].share:.0f} % of its values stick to the end of its range.",
            "Leave the last layers float, or calibrate on pictures that reach further.",
        )  # fmt: skip
    if inner:
        worst = inner[0]
        yield Finding(
            "fault" if worst.share > BROKEN_SHARE else "warning", "saturated",
            few([s.tensor for s in inner]),
            f"{len(inner)} of {len(seen.saturations)} activations have more than "
            f"{100 * SATURATED_SHARE:.0f} % of their values stuck at an end of their range "
            f"({100 * worst.share:.0f} % in {few([worst.tensor])}).",
            "Another calibration method, or leave float what reads it: a pool or a concatenation "
            "may have set its scale.",
        )  # fmt: skip
