"""What each layer of a .tflite file costs: the file is cut after every op, every cut is counted.

A layer's cost is the difference of two cuts, so the costs sum to the whole exactly. One alone is an
estimate:
- a cut moves memory: some hundred instructions;
- XNNPACK fuses ops, for instance DEQUANTIZE, HARD_SWISH and QUANTIZE into a look-up: the last of
  them then costs less than nothing, and only their sum is true;
- in half precision what goes out of a cut is converted to float32, so that an op which joins two
  tensors seems cheaper by one conversion;
- XNNPACK may take other ops of a cut than of the whole: `Layer.partitions` tells.
"""

import copy
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from benchmark.emulated import toolchain, work
from benchmark.emulated.measure import uses_fp16
from efld import tflite_file
from efld.errors import InputError
from efld.sessions import open_session

CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV")
RELU, RELU6 = 1, 3  # ActivationFunctionType


@dataclass(frozen=True, kw_only=True)
class Layer:
    """An op, and by how much the count rises with it."""

    index: int  # in the file
    op: str
    kind: str  # what is summed up: op, kernel, stride
    activation: str  # fused into the op; "" for none
    inputs: tuple[tuple[int, ...], ...]  # shapes of computed tensors
    output: tuple[int, ...]
    multiply_adds: int
    instructions: int  # may be below 0 where the cut changes how the rest is computed
    classes: dict[str, int]
    partitions: int | None  # XNNPACK's in the graph cut here, on this machine


def measure(path: Path, cpu: str, *, force_fp16: bool = False) -> list[Layer]:
    """Counts every layer; ops on constants alone, as the unpacking of float16, are no layers.

    Raises:
        InputError: no tools, no such file, or a graph that calls other graphs.
    """
    model = tflite_file.read(path)
    if len(model.subgraphs) != 1:
        raise InputError(f"{path}: {len(model.subgraphs)} graphs, expected one: it cannot be cut.")
    fp16 = uses_fp16(model, cpu, force_fp16)
    indices = list(_computing(model))
    found: list[Layer] = []
    before: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="efld-layers-") as folder:
        for index in tqdm(indices, unit="layer", leave=False, disable=None):
            piece = Path(folder) / f"{path.stem}.until-op-{index}.tflite"
            tflite_file.write(prefix(model, index + 1), piece)
            classes = Counter(toolchain.run(piece, cpu, fp16=fp16).classes)
            difference = {name: classes[name] - before[name] for name in classes}
            found.append(_layer(model, index, difference, _partitions(piece)))
            before = classes
    return found


def _partitions(path: Path) -> int | None:
    delegation = open_session(path).delegation()
    return delegation.partitions if delegation else None


def prefix(model: Any, ops: int) -> Any:
    """The file's first `ops` ops; what later ones read, and what the file answers, goes out."""
    graph = copy.copy(model.subgraphs[0])
    later = {int(i) for op in graph.operators[ops:] for i in op.inputs}
    wanted = later | {int(i) for i in graph.outputs}
    computed = _computed(model)
    graph.operators = graph.operators[:ops]
    written = [int(i) for op in graph.operators for i in op.outputs]
    graph.outputs = [i for i in written if i in wanted and i in computed]
    cut = copy.copy(model)
    cut.subgraphs, cut.signatureDefs = [graph], []
    return cut


def _computed(model: Any) -> set[int]:
    """Tensors that depend on the input."""
    graph = model.subgraphs[0]
    found = {int(i) for i in graph.inputs}
    for op in graph.operators:
        if found.intersection(map(int, op.inputs)):
            found.update(map(int, op.outputs))
    return found


def _computing(model: Any) -> Iterator[int]:
    """Indices of ops that depend on the input and whose result is used."""
    graph, computed = model.subgraphs[0], _computed(model)
    used = {int(i) for op in graph.operators for i in op.inputs} | {int(i) for i in graph.outputs}
    for index, op in enumerate(graph.operators):
        outputs = set(map(int, op.outputs))
        if outputs & computed and outputs & used:
            yield index


def _layer(model: Any, index: int, classes: dict[str, int], partitions: int | None) -> Layer:
    graph, computed = model.subgraphs[0], _computed(model)
    op = graph.operators[index]
    inputs = tuple(work.shape(graph, int(i)) for i in op.inputs if int(i) in computed)
    name = tflite_file.op_name(model, op)
    fused = getattr(op.builtinOptions, "fusedActivationFunction", 0)
    return Layer(
        index=index,
        op=name,
        kind=_kind(name, graph, op, inputs[0]),
        activation={0: "", RELU: "relu", RELU6: "relu6"}.get(fused, f"activation {fused}"),
        inputs=inputs,
        output=work.shape(graph, int(op.outputs[0])),
        multiply_adds=work.op_multiply_adds(model, graph, op),
        instructions=sum(classes.values()),
        classes=classes,
        partitions=partitions,
    )


def _kind(name: str, graph: Any, op: Any, source: tuple[int, ...]) -> str:
    """`CONV_2D 3x3/2`; ops on maps of one position, as in squeeze-excite, are their own kinds."""
    if name in CONVOLUTIONS:
        weights = work.shape(graph, int(op.inputs[1]))
        stride = int(op.builtinOptions.strideH)
        name += f" {weights[1]}x{weights[2]}" + (f"/{stride}" if stride > 1 else "")
    return f"{name} of 1x1" if source[1:3] == (1, 1) and len(source) == 4 else name
