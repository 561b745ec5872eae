"""Runs with and without records, for the tests of reports."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from benchmark import __main__ as benchmark_main
from benchmark.commands import report as command
from benchmark.emulated.half import Moved
from benchmark.emulated.measure import Counts, Emulated
from benchmark.emulated.toolchain import Tools
from benchmark.host import Host, Latency
from efld import files
from efld.run_files import CONFIG, QUANTIZE
from efld.spec import ModelSpec
from quantize.audit import Audit
from quantize.chain import Options, Trial
from quantize.recipe import REASONS, Why

NAMES = ("model.fp32.tflite", "model.fp16.tflite", "model.int8.tflite")
INSTRUCTIONS = {  # float32, float16, int8
    "a72": (7_456_367, 7_456_367, 6_888_354),
    "a76": (7_456_367, 3_986_230, 4_525_602),
}
NME_PERCENT = (3.926, 3.926, 3.948)
SIZES = (857_232, 446_576, 287_696)
PEER = "pfld.tflite"
PEER_SHA = "9" * 64
FLOAT_OPS: tuple[tuple[str, Why, list[str]], ...] = (
    ("CONV_2D", "head", ["conv_2d_0"]), ("HARD_SWISH", "kernel", ["hard_swish_1", "hard_swish_2"]),
    ("SOFTMAX", "kernel", ["softmax_3"]),
)  # fmt: skip
EVIL = '<script>alert("x")</script>|`_*'


def write(path: Path, **record: Any) -> None:
    files.write_json(path, {"schema": 1, **record})


def sha(run: Path, name: str) -> str:
    return PEER_SHA if name == PEER else files.sha256(run / name)


def error(run: Path, name: str, nme_percent: float) -> dict[str, Any]:
    return {
        "file": f"runs/x/{name}", "sha256": sha(run, name), "file_bytes": 1000, "model": "PFLD",
        "faces": 689, "nme_percent": nme_percent, "nme_interval": [3.8, 4.1], "auc": 0.5,
        "failure_rate": 0.02, "minus_first_file": None,
    }  # fmt: skip


def accuracy(run: Path, errors: dict[str, float]) -> dict[str, Any]:
    rows = [error(run, name, nme) for name, nme in errors.items()]
    spread = [{"nme_percent": 6.31, "nme_interval": [6.05, 6.54]}] * len(rows)
    groups = [{"kind": "region", "name": "jaw", "faces": 689, "files": spread}]
    return {
        "schema": 2, "command": "python -m benchmark accuracy FILES", "data": "data/300w",
        "split": "full", "normaliser": "inter-ocular", "threshold_percent": 8.0, "level": 0.95,
        "files": rows, "groups": groups,
    }  # fmt: skip


def host(run: Path, names: tuple[str, ...]) -> dict[str, Any]:
    rows = tuple(
        Latency(
            file=f"/home/me/secret/{name}", sha256=sha(run, name), file_bytes=1000,
            peer=name == PEER, runtime="litert", threads=1, runs=9, median_ms=0.2, p95_ms=0.3,
            ratio=0.142 + i, ratio_quartiles=(0.1, 0.2), partitions=1, outside={},
            load_ms=3.21, first_ms=0.456, memory_bytes=4096, energy_mj=None,
        )
        for i, name in enumerate(names)
    )  # fmt: skip
    found = Host(
        cpu="AMD EPYC", cores=2, system="Linux", load_average=0.5, seconds_per_file=3, seed=0,
        reference=f"/home/me/secret/{names[-1]}", starts=5, start_means="", memory_means="",
        energy_means="not exposed", files=rows,
    )  # fmt: skip
    ops = [{"name": "a", "op": "Conv", "us": 90.4}, {"name": "b", "op": "Mul", "us": 9.6}]
    layers = [{"file": rows[0].file, "ops": ops}]
    return {"command": "python -m benchmark host FILES", **asdict(found), "layers": layers}


def emulated(run: Path) -> dict[str, Any]:
    rows = [
        Counts(
            file=f"runs/x/{name}", sha256=sha(run, name), file_bytes=size, model="efld-small",
            peer=name == PEER, cpu=cpu, fp16=cpu == "a76" and name == NAMES[1], instructions=count,
            classes={}, shares={"fmla_f32": 0.5}, multiply_adds=1, main_class="fmla_f32",
            efficiency=0.5, host_difference=0.01, partitions=1,
            half_moves=Moved(4, 0.12, 0.34) if cpu == "a76" and name == NAMES[1] else None,
        )
        for cpu, counts in INSTRUCTIONS.items()
        for name, count, size in zip(
            (*NAMES, PEER), (*counts, 56_629_186), (*SIZES, 2_926_580), strict=True
        )
    ]  # fmt: skip
    found = Emulated(tools=Tools("7.2", "1", "2", "3"), host_runtime="litert", counts=tuple(rows))
    layers = [{"kind": "CONV_2D 1x1", "instructions": 7_000_000},
              {"kind": "HARD_SWISH", "instructions": -100},
              {"kind": "ADD", "instructions": 456_467}]  # fmt: skip
    by_layer = [{"file": f"runs/x/{NAMES[0]}", "cpu": "a72", "layers": layers}]
    return {"command": "python -m benchmark emulated FILES", **asdict(found), "layers": by_layer}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`runs/x` with model files, spec and the records of the chain; nothing measured yet."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(benchmark_main.COMMANDS, "report", command)
    run = Path("runs/x")
    run.mkdir(parents=True)
    for name in ("model.keras", *NAMES):
        (run / name).write_text(name)
    ModelSpec(model="efld-small", input_px=112, data=(EVIL,), licence="research only").write(
        run / "spec.json"
    )
    chosen = {"epochs": 2, "epoch_steps": 9, "batch": 64, "loss": "wing", "seed": 0,
              "data": "/home/me/secret"}  # fmt: skip
    trained: dict[str, Any] = {"command": "python -m train 300w", "config": chosen}
    write(run / "config.json", schema=CONFIG.schema, versions={"a": "1"}, **trained)
    (run / "history.csv").write_text("epoch,nme,val_nme\n1,28.74,20.94\n2,3.75,3.71\n")
    steps = [step(run, name, size) for name, size in zip(NAMES, SIZES, strict=True)]
    data = {"root": "embedded synthetic faces", "split": "common", "faces": 300}
    write(run / "export.json", input_px=112, data=data, steps=steps[:2])
    write(run / QUANTIZE.file, schema=QUANTIZE.schema, data=data, fp32_sha256=sha(run, NAMES[0]),
          step=steps[2], **quantized())  # fmt: skip
    return run


def quantized() -> dict[str, Any]:
    """What a quantisation by the hand recipe says of itself; its types are the writer's own."""
    trials = (Trial("none (float32)", 6.823, 0.0), Trial("min-max", 6.853, 0.389),
              Trial("moving-average", 6.908, 0.485))  # fmt: skip
    floats = [
        {"kind": kind, "ops": len(names), "why": why, "reason": REASONS[why], "names": names}
        for kind, why, names in FLOAT_OPS
    ]
    found = Audit(
        ops={"CONV_2D": 9, "HARD_SWISH": 2, "SOFTMAX": 1, "QUANTIZE": 3, "DEQUANTIZE": 4},
        constants={"int8": {"tensors": 9, "bytes": 69_945}}, activations={},
        int8_ops={"CONV_2D": 8}, float_ops=floats, float_weights=[], unplanned_float=[],
        partitions=1, outside={},
    )  # fmt: skip
    return {
        "options": asdict(Options()), "calibration_data": "synthetic",
        "calibration_ids": ["a"] * 256, "method": "min-max", "held_out_faces": 114,
        "as_kept": False,
        "trials": [asdict(trial) for trial in trials], "latency": {"int8_over_fp32": 0.74},
        "search": None, "audit": found.to_record(),
        "layers": [{"layer": f"conv_2d_{i}", "relative_error": i / 1000} for i in range(12)],
    }  # fmt: skip


def step(run: Path, name: str, size: int) -> dict[str, Any]:
    return {"step": name.split(".")[1], "file": name, "bytes": size, "sha256": sha(run, name),
            "largest_px": 0.098, "mean_px": 0.009, "nme_percent": 7.26,
            "verdict": "ok, limit 0.25 px"}  # fmt: skip


@pytest.fixture
def measured(run: Path) -> Path:
    """The same with every record but those of phones and papers."""
    own = dict(zip(NAMES, NME_PERCENT, strict=True))
    files.write_json(run / "bench/accuracy.json", accuracy(run, own))
    write(run / "bench/host.json", schema=2, **host(run, (*NAMES, PEER)))
    write(run / "bench/emulated.json", **emulated(run))
    write(run / "bench/beside.json", command="python -m benchmark beside FILES", peer_specs=[],
          accuracy=accuracy(run, own | {PEER: 3.72}), host=host(run, (*NAMES, PEER)))  # fmt: skip
    return run


def made(run: Path, *flags: str) -> tuple[str, str]:
    """The page and the Markdown."""
    benchmark_main.main(["report", str(run), *flags])
    return (run / "report.html").read_text(), (run / "report.md").read_text()
