"""Where a file's bytes are, and which of them could go."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from efld.tflite_file import Model
from quantize.audit.finding import Finding
from quantize.graph import OUTPUT_AXIS, Graph

WASTE_SHARE = 0.01  # of the file: less is not worth a word

# Where the generated code's tables keep their vectors (slots of the schema) and their element size.
_NAME, _QUANTIZATION = 10, 12
_QUANTIZED_VECTORS = {4: 4, 6: 4, 8: 4, 10: 8}  # min, max, scale, zero point


@dataclass(frozen=True)
class Sizes:
    """Bytes of a file. A vector that several tables share is counted once."""

    total: int
    weights: int
    biases: int
    other_constants: int
    scales: int  # and zero points
    names: int
    metadata: dict[str, int]  # by entry
    unused: int  # in buffers that nobody refers to
    duplicates: int  # in buffers beyond the first with the same content; counted above, too

    @property
    def structure(self) -> int:
        """The graph itself: tables, shapes, indices, alignment."""
        named = self.weights + self.biases + self.other_constants + self.scales + self.names
        return self.total - named - self.unused - sum(self.metadata.values())


@dataclass
class _Stored:
    """Places in a file that were counted."""

    places: dict[int, int] = field(default_factory=dict)

    def add(self, table: Any, slot: int, width: int) -> None:
        """Notes a vector of a table, with its length and, of a string, its final zero."""
        offset = table.Offset(slot)
        if offset:
            size = width * table.VectorLen(offset)
            self.places[table.Vector(offset)] = size + 4 + (width == 1)

    @property
    def size_bytes(self) -> int:
        return sum(self.places.values())


def sizes(content: bytes, model: Model, graph: Graph) -> Sizes:
    """Counts.

    Args:
        content: the whole file.
        model, graph: what was read from it.
    """
    names, scales = _vectors(content)
    by_buffer = [0 if b.data is None else len(b.data) for b in model.buffers]
    metadata = {_text(e.name): by_buffer[e.buffer] for e in model.metadata or ()}
    roles = _roles(graph)
    used = {int(t.buffer) for g in model.subgraphs for t in g.tensors}
    held = {role: sum(by_buffer[i] for i in used if roles.get(i, "") == role) for role in
            ("weights", "bias", "")}  # fmt: skip
    spoken_for = used | {e.buffer for e in model.metadata or ()}
    return Sizes(
        total=len(content),
        weights=held["weights"],
        biases=held["bias"],
        other_constants=held[""],
        scales=scales,
        names=names,
        metadata=metadata,
        unused=sum(size for i, size in enumerate(by_buffer) if i not in spoken_for),
        duplicates=_duplicates(model),
    )


def _vectors(content: bytes) -> tuple[int, int]:
    """Bytes of tensor names, and of scales with zero points."""
    names, scales = _Stored(), _Stored()
    root = schema.Model.GetRootAs(content, 0)
    for i in range(root.SubgraphsLength()):
        graph = root.Subgraphs(i)
        for j in range(graph.TensorsLength()):
            names.add(graph.Tensors(j)._tab, _NAME, 1)
            quantization = graph.Tensors(j).Quantization()
            for slot, width in _QUANTIZED_VECTORS.items() if quantization is not None else ():
                scales.add(quantization._tab, slot, width)
    return names.size_bytes, scales.size_bytes


def _roles(graph: Graph) -> dict[int, str]:
    """Buffer -> "weights" or "bias", as ops read them."""
    found: dict[int, str] = {}
    for op in graph.ops:
        if op.kind in OUTPUT_AXIS:
            bias = 3 if op.kind == "TRANSPOSE_CONV" else 2
            for place, role in ((1, "weights"), (bias, "bias")):
                if place < len(op.inputs) and op.inputs[place] >= 0:
                    found[graph.source(op.inputs[place]).buffer] = role
    return found


def _duplicates(model: Model) -> int:
    seen: set[bytes] = set()
    again = 0
    for buffer in model.buffers:
        content = b"" if buffer.data is None else np.asarray(buffer.data, np.uint8).tobytes()
        again += len(content) if content in seen else 0
        seen.add(content)
    return again


def _text(name: bytes | str) -> str:
    return name.decode(errors="replace") if isinstance(name, bytes) else name


def findings(found: Sizes) -> Iterator[Finding]:
    """Bytes that do nothing."""
    for code, size, what in (
        ("unused-buffers", found.unused, "in buffers that no tensor refers to."),
        ("duplicates", found.duplicates, "in constants that the file holds already."),
    ):
        if size > WASTE_SHARE * found.total:
            yield Finding(
                "note", code, "the file",
                f"{size:,} of {found.total:,} bytes are {what}",
                "Write the file again with a tool that stores each constant once.",
            )  # fmt: skip
