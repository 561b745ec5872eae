"""ONNX -> TFLite, float32 and float16."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from efld import tflite_file
from efld.errors import StepError
from efld.spec import ModelSpec
from efld.tflite_file import Model
from export.onnx_graph import INPUT, OUTPUT

SIGNATURE = "serving_default"
Run = Callable[..., "subprocess.CompletedProcess[str]"]

# onnx2tf fetches this file from the network for colour models unless it lies in the working folder.
SAMPLE_FILE, SAMPLE_SHAPE = (
    "calibration_image_sample_data_20x128x128x3_float32.npy",
    (20, 128, 128, 3),
)


def write(onnx: Path, spec: ModelSpec, fp32: Path, fp16: Path, run: Run = subprocess.run) -> None:
    """Converts an ONNX file; both results have named edges, a signature and `spec` inside.

    Args:
        fp32, fp16: where the results go; their folder is used for intermediate files.

    Raises:
        StepError: onnx2tf failed, or said it did not and wrote nothing.
    """
    work = fp32.parent / "onnx2tf"
    work.mkdir()
    shutil.copyfile(onnx, work / "net.onnx")  # onnx2tf overwrites its input
    np.save(work / SAMPLE_FILE, np.zeros(SAMPLE_SHAPE, np.float32))
    done = run(
        [sys.executable, "-m", "onnx2tf", "-i", "net.onnx", "-o", "out", "-nuo", "-n"],
        cwd=work, env=_environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    for made, target in (("net_float32.tflite", fp32), ("net_float16.tflite", fp16)):
        path = work / "out" / made
        if done.returncode or not path.is_file():  # it may exit 0 without its files
            raise StepError(
                f"step tflite: onnx2tf exited {done.returncode}, no {made}:\n{_tail(done)}"
            )
        model = tflite_file.read(path)
        name_edges(model)
        name_tensors(model)
        tflite_file.set_spec(model, spec)
        tflite_file.write(model, target)


def _environment() -> dict[str, str]:
    """onnx2tf must not meet our choice of Keras backend."""
    environment = {key: value for key, value in os.environ.items() if key != "KERAS_BACKEND"}
    # Sets decide the order of some constants: without a fixed seed every file is another.
    return environment | {"PYTHONHASHSEED": "0"}


def _tail(done: "subprocess.CompletedProcess[str]", lines: int = 15) -> str:
    return "\n".join((done.stdout + done.stderr).splitlines()[-lines:])


def name_edges(model: Model) -> None:
    """Names the input and the output, and adds the signature that calibration runs by.

    Raises:
        StepError: not one graph with one input and one output.
    """
    graph = model.subgraphs[0]
    if len(model.subgraphs) != 1 or len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise StepError(
            f"step tflite: {len(model.subgraphs)} graphs with {len(graph.inputs)} inputs and "
            f"{len(graph.outputs)} outputs, expected one of each."
        )
    edges = ((INPUT, int(graph.inputs[0])), (OUTPUT, int(graph.outputs[0])))
    for name, index in edges:
        graph.tensors[index].name = name
    inputs, outputs = ([schema.TensorMapT(name=name, tensorIndex=index)] for name, index in edges)
    model.signatureDefs = [
        schema.SignatureDefT(
            inputs=inputs, outputs=outputs, signatureKey=SIGNATURE, subgraphIndex=0
        )
    ]


def name_tensors(model: Model) -> None:
    """Names tensors by the op that writes them (`conv_2d_12`) and constants by their reader.

    onnx2tf's own names are long concatenations, 2 % of an int8 file, and say nothing.
    """
    graph = model.subgraphs[0]
    taken = {int(graph.inputs[0]), int(graph.outputs[0])}
    for i, op in enumerate(graph.operators):
        base = f"{tflite_file.op_name(model, op).lower()}_{i}"
        for tensors, stem in ((op.outputs, base), (op.inputs, f"{base}/in")):
            for j, index in enumerate(int(index) for index in tensors):
                if index not in taken and index >= 0:
                    graph.tensors[index].name = f"{stem}{j}" if stem != base or j else base
                    taken.add(index)
