"""What `python -m quantize` demands of an int8 file before it writes it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from efld import tflite_file
from efld.sessions import Delegation
from efld.tflite_file import Model, Tensor
from quantize.recipe import REASONS, FloatOp, Why


@dataclass(frozen=True)
class Audit:
    """What an int8 file is made of."""

    ops: dict[str, int]
    constants: dict[str, dict[str, int]]  # dtype -> {"tensors": n, "bytes": n}
    activations: dict[str, int]  # dtype -> tensors
    int8_ops: dict[str, int]  # op kind -> ops that write int8
    float_ops: list[dict[str, Any]]  # kind, how many, why, reason, names
    float_weights: list[str]  # must be empty
    unplanned_float: list[str]  # must be empty
    partitions: int  # must be 1
    outside: dict[str, int]  # op kind -> ops that XNNPACK refused; must be empty

    def faults(self) -> list[str]:
        """Why the file may not be called int8; empty if it may."""
        found = []
        if self.float_weights:
            found.append(f"float weights {self.float_weights}, limit none")
        if self.unplanned_float:
            found.append(f"ops left float without a reason {self.unplanned_float}, limit none")
        if not self.int8_ops:
            found.append("no op computes in int8")
        if self.partitions != 1 or self.outside:
            found.append(f"{self.partitions} partitions (outside: {self.outside}), limit 1")
        return found

    def to_record(self) -> dict[str, Any]:
        return asdict(self)


def audit(model: Model, planned: Sequence[FloatOp], delegation: Delegation) -> Audit:
    """Audits a quantised model against what the recipe planned to leave in float."""
    tensors = tflite_file.tensors(model)
    constants = [tensor for tensor in tensors if tensor.constant]
    computed = [tensor for tensor in tensors if not tensor.constant]
    names = {op.name for op in planned}
    floats = [tensor for tensor in computed if _is_float_result(tensor)]
    return Audit(
        ops=tflite_file.op_counts(model),
        constants=by_dtype(constants),
        activations=dict(Counter(tensor.dtype for tensor in computed)),
        int8_ops=dict(Counter(t.written_by for t in computed if t.written_by and _is_int8(t))),
        float_ops=_explained(planned),
        float_weights=[tensor.name for tensor in constants if _is_float_matrix(tensor)],
        unplanned_float=[f"{t.written_by} {t.name}" for t in floats if t.name not in names],
        partitions=delegation.partitions,
        outside=delegation.outside,
    )


def _is_float_result(tensor: Tensor) -> bool:
    return tensor.dtype.startswith("float") and tensor.written_by not in (None, "DEQUANTIZE")


def _is_int8(tensor: Tensor) -> bool:
    return tensor.dtype == "int8" and tensor.written_by != "QUANTIZE"


def _is_float_matrix(tensor: Tensor) -> bool:
    """More than a vector; biases and the mean shape may stay float."""
    return tensor.dtype.startswith("float") and sum(side > 1 for side in tensor.shape) > 1


def by_dtype(tensors: Sequence[Tensor]) -> dict[str, dict[str, int]]:
    """How many tensors of each dtype, and their bytes in the file."""
    totals: dict[str, dict[str, int]] = {}
    for tensor in tensors:
        total = totals.setdefault(tensor.dtype, {"tensors": 0, "bytes": 0})
        total["tensors"] += 1
        total["bytes"] += tensor.size_bytes
    return totals


def _explained(planned: Sequence[FloatOp]) -> list[dict[str, Any]]:
    names: dict[tuple[str, Why], list[str]] = {}
    for op in planned:
        names.setdefault((op.kind, op.why), []).append(op.name)
    return [
        {"kind": kind, "ops": len(found), "why": why, "reason": REASONS[why], "names": found}
        for (kind, why), found in names.items()
    ]
