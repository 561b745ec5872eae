"""Foreign landmark files as other people make them, and coloured faces that tell how to feed them.

A file answers `ANSWER`, moved by how red the crop is: right only where red is fed as red, 0..1.
"""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from efld.data.pts import write_pts
from tests.tiny_files import ANSWER

INPUT_PX, CHANNELS = 32, 8
COLOUR = (180, 100, 30)  # mean red, green, blue of all faces
SHIFT = 0.5  # how far red moves the points, of the crop
TRAIN_FACES, TEST_FACES = 60, 12


def write_faces(root: Path) -> Path:
    """Noise around `COLOUR` with 68 points, in the layout of 300-W; points lie at `ANSWER`."""
    rng = np.random.default_rng(0)
    for part, count in (("trainset", TRAIN_FACES), ("testset", TEST_FACES)):
        folder = root / "lfpw" / part
        folder.mkdir(parents=True)
        for i in range(count):
            picture = np.clip(COLOUR + rng.normal(0, 20, (64, 64, 3)), 0, 255).astype(np.uint8)
            cv2.imwrite(str(folder / f"image_{i:04}.png"), picture[..., ::-1])
            points = 8 + 48 * ANSWER + rng.normal(0, 0.1, ANSWER.shape) - 0.5
            write_pts(folder / f"image_{i:04}.pts", points.astype(np.float32))
    return root


def net(*, colours: int = 3, extra: int = 0, shape: tuple[int, ...] = (1, 136)) -> onnx.ModelProto:
    """Two convolutions with a hard swish each, written in two ways, a mean and a dense layer.

    Args:
        extra: numbers that follow the points.
        shape: of the answer, if there is nothing extra.
    """
    rng = np.random.default_rng(1)
    first = (
        rng.normal(0, 0.02, (CHANNELS, colours, 3, 3))
        * (np.arange(CHANNELS) > 0)[:, None, None, None]
    )
    first[0, 0, 1, 1] = 1  # red alone
    second = np.eye(CHANNELS)[:, :, None, None] + rng.normal(0, 0.002, (CHANNELS, CHANNELS, 1, 1))
    dense = np.zeros((136 + extra, CHANNELS))
    dense[:136:2, 0] = SHIFT
    dense[:, 1:] = rng.normal(0, 0.02, (136 + extra, CHANNELS - 1))
    bias = np.append(ANSWER.ravel(), np.full(extra, 9.0))
    bias[:136:2] -= SHIFT * swish(swish(COLOUR[0] / 255))
    constants = {"w1": first, "w2": second, "w3": dense, "b3": bias}
    nodes = [
        helper.make_node("Conv", ["input", "w1"], ["a"], pads=[1] * 4, strides=[2, 2]),
        helper.make_node("HardSigmoid", ["a"], ["b"], alpha=1 / 6, beta=0.5),
        helper.make_node("Mul", ["a", "b"], ["landmarks"]),  # a name of ours, of something else
        helper.make_node("Conv", ["landmarks", "w2"], ["c"]),
        helper.make_node("HardSwish", ["c"], ["d"]),
        helper.make_node("GlobalAveragePool", ["d"], ["e"]),
        helper.make_node("Flatten", ["e"], ["f"]),
        helper.make_node("Gemm", ["f", "w3", "b3"], ["g"], transB=1),
    ]
    size = (1, 136 + extra) if extra else shape
    constants["shape"] = np.array(size)
    nodes.append(helper.make_node("Reshape", ["g", "shape"], ["output"]))
    return model(nodes, constants, (1, colours, INPUT_PX, INPUT_PX), {"output": size})


def swish(x: float) -> float:
    return x * float(np.clip(x + 3, 0, 6)) / 6


def model(
    nodes: list[Any],
    constants: dict[str, NDArray[Any]],
    picture: tuple[int, ...],
    outputs: dict[str, tuple[int, ...]],
) -> onnx.ModelProto:
    """A graph that reads `input`."""
    graph = helper.make_graph(
        nodes,
        "somebody's",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, picture)],
        [
            helper.make_tensor_value_info(n, TensorProto.FLOAT, shape)
            for n, shape in outputs.items()
        ],
        [numpy_helper.from_array(_typed(values), name) for name, values in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def _typed(values: NDArray[Any]) -> NDArray[Any]:
    return values.astype(np.int64 if values.dtype.kind == "i" else np.float32)


def save(made: onnx.ModelProto, path: Path) -> Path:
    onnx.checker.check_model(made, full_check=True)
    onnx.save(made, str(path))
    return path
