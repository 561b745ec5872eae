"""Reads, writes and lists .tflite files without TensorFlow."""

import copy
import struct
from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from efld import files
from efld.errors import InputError
from efld.spec import METADATA_NAME, ModelSpec

Model = Any  # schema.ModelT, which is generated and has no types
IDENTIFIER = b"TFL3"

_OP_NAMES = {code: name for name, code in vars(schema.BuiltinOperator).items() if name[0] != "_"}
DTYPES = {code: name.lower() for name, code in vars(schema.TensorType).items() if name[0] != "_"}


@dataclass(frozen=True)
class Tensor:
    """One tensor of the graph."""

    name: str
    dtype: str  # "float32", "int8", ...
    shape: tuple[int, ...]
    constant: bool  # stored in the file, as opposed to computed
    size_bytes: int  # in the file; 0 when computed
    written_by: str | None  # op name; None: a constant or an input of the graph
    read_by: tuple[str, ...]  # op names


@dataclass(frozen=True)
class _AlignedBuffer:
    """Packs a buffer's bytes at a multiple of 16, as the schema's `force_align` demands.

    The generated Python packer aligns to 1, which strict runtimes refuse.
    """

    data: np.ndarray | None

    def Pack(self, builder: Any) -> int:  # noqa: N802  (called by the generated code)
        vector = None if self.data is None else self._pack_data(builder, self.data.tobytes())
        schema.BufferStart(builder)
        if vector is not None:
            schema.BufferAddData(builder, vector)
        return int(schema.BufferEnd(builder))

    @staticmethod
    def _pack_data(builder: Any, data: bytes) -> int:
        builder.StartVector(1, len(data), 16)
        builder.head -= len(data)
        builder.Bytes[builder.head : builder.head + len(data)] = data
        return int(builder.EndVector())


class _SharingBuilder(flatbuffers.Builder):
    """Stores what is equal once: an int8 file's zero points are a tenth of it, and all zeros."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self._stored: dict[Hashable, int] = {}

    def CreateNumpyVector(self, x: np.ndarray) -> int:  # noqa: N802  (overrides flatbuffers')
        pack = super().CreateNumpyVector
        return self.once((x.dtype.str, x.tobytes()), lambda: pack(x))

    def once(self, key: Hashable, pack: Callable[[], int]) -> int:
        """Where what `key` stands for is stored; packs it the first time."""
        if key not in self._stored:
            self._stored[key] = pack()
        return self._stored[key]


@dataclass(frozen=True)
class _SharedOptions:
    """An op's options, stored once for all ops that have the same."""

    options: Any
    values: tuple[tuple[str, int | float], ...]

    def Pack(self, builder: _SharingBuilder) -> int:  # noqa: N802  (called by the generated code)
        key = (type(self.options).__name__, self.values)
        return builder.once(key, lambda: int(self.options.Pack(builder)))


def read(path: Path) -> Model:
    """Reads a file; data stored behind the flatbuffer is moved into its buffers.

    Raises:
        InputError: no file, or no whole TFLite file.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        found = error.strerror
        raise InputError(f"{path}: cannot be read ({found}). Expected a TFLite file.") from None
    return parse(content, str(path))


def parse(content: bytes | bytearray, where: str) -> Model:
    """Parses the content of a .tflite file named `where`.

    Raises:
        InputError: not a whole TFLite file.
    """
    if content[4:8] != IDENTIFIER:
        begins = f"starts with {bytes(content[:8])!r}"
        found = "is called an ONNX file" if where.endswith(".onnx") else begins
        raise InputError(f"{where}: {found}, expected a TFLite file.")
    try:
        model = schema.ModelT.InitFromPackedBuf(content)
        _inline_buffers(model, content)
        _check_references(model)
    except (struct.error, LookupError, TypeError, ValueError, MemoryError) as error:
        raise InputError(f"{where}: damaged ({error}). Is it cut off? Make it again.") from None
    if not model.subgraphs or not model.buffers or model.externalBuffers:
        raise InputError(f"{where}: expected a graph and its weights in one file, found a part.")
    return model


def _check_references(model: Model) -> None:
    """Raises `LookupError` or `TypeError` where something is unknown or outside the model."""
    for entry in model.metadata or ():
        model.buffers[entry.buffer]
    for graph in model.subgraphs or ():
        for tensor in graph.tensors:
            model.buffers[tensor.buffer], DTYPES[tensor.type]
        for op in graph.operators:
            op_name(model, op)
            for index in (*op.inputs, *op.outputs):
                graph.tensors[index]


def _inline_buffers(model: Model, content: bytes | bytearray) -> None:
    """ai-edge-quantizer stores weights behind the flatbuffer, which older runtimes refuse."""
    for buffer in model.buffers or ():
        if buffer.offset > 1:  # 0 and 1 mean "inline" in the schema
            if buffer.offset + buffer.size > len(content):
                raise ValueError(f"weights at byte {buffer.offset} of {len(content)}")
            buffer.data = np.frombuffer(content, np.uint8, buffer.size, buffer.offset)
        buffer.offset = buffer.size = 0


def write(model: Model, path: Path) -> None:
    """Writes a model with its data inline and aligned; `path` is whole or untouched.

    The file says all that the model says in few bytes: equal vectors and options stand in it once,
    and neither empty buffers nor empty tables of scales do.
    """
    builder = _SharingBuilder(1024)
    builder.Finish(_packed(model).Pack(builder), file_identifier=IDENTIFIER)
    with files.whole(path) as temporary:
        temporary.write_bytes(builder.Output())


def _packed(model: Model) -> Model:
    """A copy of a model that packs into few bytes."""
    packed = copy.copy(model)
    packed.subgraphs = [copy.copy(graph) for graph in model.subgraphs]
    for graph in packed.subgraphs:
        graph.tensors = [copy.copy(tensor) for tensor in graph.tensors]
        graph.operators = [copy.copy(op) for op in graph.operators]
        for tensor in graph.tensors:
            tensor.quantization = _if_filled(tensor.quantization)
        for op in graph.operators:
            op.builtinOptions = _shared(op.builtinOptions)
    packed.metadata = [copy.copy(entry) for entry in model.metadata or ()] or None
    kept = [0, *sorted({int(user.buffer) for user in _users(packed)} & _filled(model))]
    packed.buffers = [_AlignedBuffer(_as_bytes(model.buffers[i].data)) for i in kept]
    places = {old: new for new, old in enumerate(kept)}
    for user in _users(packed):
        user.buffer = places.get(user.buffer, 0)
    return packed


def _users(model: Model) -> Iterator[Any]:
    """All that refers to a buffer."""
    yield from model.metadata or ()
    for graph in model.subgraphs:
        yield from graph.tensors


def _filled(model: Model) -> set[int]:
    """Indices of the buffers that hold something; buffer 0 means "no data" in the schema."""
    data = [buffer.data for buffer in model.buffers]
    return {i for i, own in enumerate(data) if i and own is not None and len(own)}


def _shared(options: Any) -> Any:
    """Options with nothing but numbers can be shared: a vector's place is not its content."""
    if options is None or not all(isinstance(v, int | float) for v in vars(options).values()):
        return options
    return _SharedOptions(options, tuple(sorted(vars(options).items())))


def _if_filled(scales: Any) -> Any:
    """ai-edge-quantizer and converters give float tensors an empty table of scales."""
    if scales is None or scales.details is not None:
        return scales
    vectors = (scales.min, scales.max, scales.scale, scales.zeroPoint)
    return scales if any(vector is not None and len(vector) for vector in vectors) else None


def _as_bytes(data: Any) -> np.ndarray | None:
    return None if data is None else np.asarray(data, np.uint8)


def read_spec(path: Path) -> ModelSpec | None:
    """The spec embedded in a file; None when it carries none.

    Raises:
        InputError: not a TFLite file, or a spec that this version cannot read.
    """
    model = read(path)
    for entry in model.metadata or ():
        if _text(entry.name) == METADATA_NAME:
            data = _as_bytes(model.buffers[entry.buffer].data)
            return ModelSpec.from_json(b"" if data is None else data.tobytes(), str(path))
    return None


def set_spec(model: Model, spec: ModelSpec) -> None:
    """Puts `spec` into the model's metadata, replacing an earlier one."""
    data = np.frombuffer(spec.to_json().encode(), np.uint8)
    model.metadata = model.metadata or []
    for entry in model.metadata:
        if _text(entry.name) == METADATA_NAME:
            model.buffers[entry.buffer] = schema.BufferT(data=data)
            return
    model.metadata.append(schema.MetadataT(name=METADATA_NAME, buffer=len(model.buffers)))
    model.buffers.append(schema.BufferT(data=data))


def op_counts(source: Model | Path) -> dict[str, int]:
    """How many ops of each kind the graph has, by builtin name, most frequent first."""
    model = read(source) if isinstance(source, Path) else source
    names = (op_name(model, op) for graph in model.subgraphs for op in graph.operators)
    return dict(Counter(names).most_common())


def op_name(model: Model, op: Any) -> str:
    """`CONV_2D`, ...; a custom op is `CUSTOM:<its name>`."""
    code = model.operatorCodes[op.opcodeIndex]
    name = _OP_NAMES[max(code.builtinCode, code.deprecatedBuiltinCode)]
    return f"CUSTOM:{_text(code.customCode)}" if name == "CUSTOM" else name


def tensors(model: Model) -> list[Tensor]:
    """Every tensor of the graph that an op or the caller touches."""
    return [tensor for graph in model.subgraphs for tensor in _graph_tensors(model, graph)]


def _graph_tensors(model: Model, graph: Any) -> list[Tensor]:
    written: dict[int, str] = {}
    read_by: dict[int, list[str]] = {}
    for op in graph.operators:
        name = op_name(model, op)
        written.update(dict.fromkeys(op.outputs, name))
        for index in op.inputs:
            read_by.setdefault(index, []).append(name)
    edges = {*graph.inputs, *graph.outputs}
    return [
        _tensor(model, tensor, written.get(i), tuple(read_by.get(i, ())))
        for i, tensor in enumerate(graph.tensors)
        if i in written or i in read_by or i in edges
    ]


def _tensor(model: Model, raw: Any, written_by: str | None, read_by: tuple[str, ...]) -> Tensor:
    data = model.buffers[raw.buffer].data
    return Tensor(
        name=tensor_name(raw),
        dtype=DTYPES[raw.type],
        shape=tuple(int(side) for side in (raw.shape if raw.shape is not None else ())),
        constant=data is not None and len(data) > 0 and written_by is None,
        size_bytes=0 if data is None else len(data),
        written_by=written_by,
        read_by=read_by,
    )


def tensor_name(raw: Any) -> str:
    """The name of a tensor of a model's graph."""
    return _text(raw.name)


def _text(name: bytes | str | None) -> str:
    return name.decode(errors="replace") if isinstance(name, bytes) else name or ""
