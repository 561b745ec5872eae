"""Hard sigmoids, alone or in hard swishes, as onnx2tf understands them."""

from typing import Any

import numpy as np

CLIP_BY_INPUTS = 11  # the opset from which Clip takes its limits as inputs


def spell_out(model: Any) -> None:
    """Writes `HardSigmoid(x)` of slope 1/6 as `clip(x + 3, 0, 6) / 6`, in place.

    onnx2tf makes RELU_0_TO_1 of the op, which cannot be quantised. Spelt out, it becomes ops that
    can; and a hard swish, which PyTorch before opset 14 and tf2onnx write as `x * HardSigmoid(x)`,
    one HARD_SWISH.
    """
    graph = model.graph
    opset = next(entry.version for entry in model.opset_import if not entry.domain)
    nodes = [
        new
        for node in graph.node
        for new in (_spelt(graph, node, opset) if _is_of_a_sixth(node) else [node])
    ]
    del graph.node[:]
    graph.node.extend(nodes)


def _is_of_a_sixth(node: Any) -> bool:
    from onnx import helper

    how = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    slope, at_zero = how.get("alpha", 0.2), how.get("beta", 0.5)  # ONNX's own defaults
    return node.op_type == "HardSigmoid" and bool(np.isclose(slope, 1 / 6)) and at_zero == 0.5


def _spelt(graph: Any, node: Any, opset: int) -> list[Any]:
    from onnx import helper, numpy_helper

    x, out = node.input[0], node.output[0]
    three, zero, six, sixth = (f"{out}/{name}" for name in ("three", "zero", "six", "sixth"))
    for name, value in ((three, 3), (zero, 0), (six, 6), (sixth, 1 / 6)):
        constant = np.array(value, np.float32)
        graph.initializer.append(numpy_helper.from_array(constant, name))
    by_inputs = opset >= CLIP_BY_INPUTS
    limits: dict[str, Any] = {} if by_inputs else {"min": 0.0, "max": 6.0}
    clipped = [f"{out}/sum", zero, six] if by_inputs else [f"{out}/sum"]
    return [
        helper.make_node("Add", [x, three], [f"{out}/sum"]),
        helper.make_node("Clip", clipped, [f"{out}/clip"], **limits),
        helper.make_node("Mul", [f"{out}/clip", sixth], [out]),
    ]
