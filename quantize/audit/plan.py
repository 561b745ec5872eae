"""Which float ops of an int8 file were left so on purpose, and why."""

import copy
import json
from pathlib import Path
from typing import Any

from efld import files, tflite_file
from efld.run_files import QUANTIZE
from efld.spec import ModelSpec
from efld.tflite_file import Model
from quantize import recipe
from quantize.graph import CONVERSIONS
from quantize.lint import left_float


def plan(path: Path, model: Model, spec: ModelSpec | None) -> tuple[dict[str, str], str]:
    """Name of an op -> why it is float, and in words who says so.

    That is the record beside the file, if it is of this file, and for a file with a spec the rule
    of `quantize.recipe`, applied to the graph as it was before its conversions.
    """
    if recorded := _recorded(path):
        return recorded, f"{QUANTIZE.file} beside it"
    if spec is None:
        return {}, "nobody: a foreign file"
    chosen = left_float(_without_conversions(model))
    reasons = {name: recipe.REASONS[why] for name, why in chosen.items()}
    return reasons, "the rules of quantize/recipe.py"


def _recorded(path: Path) -> dict[str, str]:
    """From the record of any schema that has names; {} where it is missing or of another file."""
    beside = path.with_name(QUANTIZE.file)
    try:
        record = json.loads(beside.read_text()) if beside.is_file() else {}
    except ValueError:
        return {}
    if not isinstance(record, dict) or record.get("step", {}).get("sha256") != files.sha256(path):
        return {}
    rows: list[dict[str, Any]] = record["audit"]["float_ops"]
    return {name: str(row["reason"]) for row in rows for name in row.get("names", ())}


def _without_conversions(model: Model) -> Model:
    """The same graph, with every op reading what was there before QUANTIZE and DEQUANTIZE."""
    graph = copy.copy(model.subgraphs[0])
    before: dict[int, int] = {}
    kept = []
    for op in graph.operators:
        inputs = [before.get(int(i), int(i)) for i in op.inputs]
        if tflite_file.op_name(model, op) in CONVERSIONS:
            before[int(op.outputs[0])] = inputs[0]
        else:
            kept.append(copy.copy(op))
            kept[-1].inputs = inputs
    graph.operators = kept
    found = copy.copy(model)
    found.subgraphs = [graph]
    return found
