"""Counting on emulated ARM processors: real QEMU, real library, tiny files."""

import argparse
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmark import benchmark_text
from benchmark.commands import emulated
from benchmark.commands.outcome import Outcome
from benchmark.emulated import gate, layers, measure, toolchain, work
from benchmark.emulated.toolchain import COUNTER, FOLDER, LIBRARY, QEMU, RUNNER, SYSTEM_ROOT
from efld import tflite_file
from efld.errors import InputError
from efld.spec import ModelSpec
from tests import tiny_files

PIXELS, ANSWERS = 16 * 16, 136  # of tiny_files


@pytest.fixture(autouse=True, scope="module")
def _tools() -> None:
    try:
        toolchain.tools()
    except InputError as error:
        pytest.skip(str(error))


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    return tiny_files.write_tflite(tmp_path / "model.tflite")


def command(*words: str | Path) -> Outcome:
    parser = argparse.ArgumentParser()
    emulated.add(parser.add_subparsers())
    options = parser.parse_args(["emulated", *map(str, words)])
    return emulated.run(options, "python -m benchmark emulated")


def test_a_count_is_the_same_to_the_last_instruction(tiny: Path) -> None:
    first = measure.count(tiny, "a72")
    loop = [sys.executable, "-c", "while True: pass"]
    busy = [subprocess.Popen(loop) for _ in range(os.cpu_count() or 1)]
    try:
        assert measure.count(tiny, "a72") == first
    finally:
        for process in busy:
            process.kill()
            process.wait()


def test_a_count_says_what_it_was_made_of(tiny: Path) -> None:
    found = measure.count(tiny, "a72")
    assert found.instructions == sum(found.classes.values())
    assert found.multiply_adds == PIXELS * ANSWERS
    assert found.main_class == "fmla_f32"
    assert found.classes["fmla_f32"] * 4 >= found.multiply_adds
    assert found.efficiency == pytest.approx(found.multiply_adds / 4 / found.instructions)
    assert found.host_difference < 1e-6
    assert (found.model, found.partitions) == ("tiny", 1)


def test_half_precision_is_used_only_where_the_processor_has_it(tiny: Path) -> None:
    model = tflite_file.read(tiny)
    assert measure.uses_fp16(model, "a76", force=True)
    assert not measure.uses_fp16(model, "a76", force=False)  # its weights are float32
    assert not measure.uses_fp16(model, "a72", force=True)
    assert work.main_class(toolchain.run(tiny, "a76", fp16=True).classes) == "fmla_f16"
    with pytest.raises(InputError, match="expected an inference under qemu-aarch64, found exit"):
        toolchain.run(tiny, "a72", fp16=True)


def test_a_file_that_half_precision_spoils_is_an_error(tiny: Path) -> None:
    """Its weights are 1.5e-6, where float16 has a single digit."""
    with pytest.raises(InputError, match=r"at most 0\.05 \(fp16\)\. Its values leave the range"):
        measure.count(tiny, "a76", fp16=True)


# Instruction and class, from the Arm ARM; the assembler makes the words.
INSTRUCTIONS = {
    "fmla v0.4s, v1.4s, v2.4s": "fmla_f32",
    "fmla v0.2s, v1.2s, v2.s[1]": "fmla_f32",
    "fmla v0.4s, v1.4s, v2.s[3]": "fmla_f32",
    "fmla v0.2d, v1.2d, v2.2d": "other_vector",
    "fmla v0.8h, v1.8h, v2.8h": "fmla_f16",
    "fmla v0.8h, v1.8h, v2.h[7]": "fmla_f16",
    "sdot v0.4s, v1.16b, v2.16b": "sdot",
    "sdot v0.4s, v1.16b, v2.4b[3]": "sdot",
    "smmla v0.4s, v1.16b, v2.16b": "smmla",
    "smull v0.8h, v1.8b, v2.8b": "smull",
    "smlal2 v0.8h, v1.16b, v2.16b": "smull",
    "smlal v0.4s, v1.4h, v2.h[5]": "smull",
    "smull v0.4s, v1.4h, v2.h[5]": "smull",
    "sadalp v0.4s, v1.8h": "other_vector",
    "ldr q0, [sp]": "load_store",
    "ld1 {v0.4s, v1.4s}, [sp]": "load_store",
    "str w0, [sp, #-16]!": "load_store",
    "ldadd x0, x1, [sp]": "load_store",
    "add x0, x1, x2": "other",
    "b 1f\n1:": "other",
}
MARKED = """
.arch armv8.6-a+fp16
.global _start
_start:
  mov x8, #20816
  mov x0, #1
  svc #0
  {instruction}
  mov x8, #20816
  mov x0, #2
  svc #0
  mov x8, #93
  mov x0, #0
  svc #0
"""


def classes_of(instruction: str, folder: Path) -> dict[str, int]:
    source, program, out = folder / "one.s", folder / "one", folder / "counts"
    source.write_text(MARKED.format(instruction=instruction))
    compiler = ["aarch64-linux-gnu-gcc", "-nostdlib", "-static", "-o", str(program), str(source)]
    subprocess.run(compiler, check=True)
    plugin = f"{FOLDER / COUNTER},out={out}"
    subprocess.run([QEMU, "-cpu", "max", "-plugin", plugin, str(program)], check=True)
    counts: dict[str, int] = json.loads(out.read_text())
    return counts


def test_every_class_holds_its_instructions_and_no_others(tmp_path: Path) -> None:
    empty = classes_of("", tmp_path)
    for instruction, expected in INSTRUCTIONS.items():
        found = classes_of(instruction, tmp_path)
        added = {name: found[name] - empty[name] for name in toolchain.CLASSES}
        assert added == {name: int(name == expected) for name in toolchain.CLASSES}, instruction


def test_layers_sum_to_the_whole(tmp_path: Path) -> None:
    path = tiny_files.write_tflite(tmp_path / "model.tflite", reverse=True)
    found = layers.measure(path, "a72")
    assert [layer.kind for layer in found] == ["RESHAPE", "REVERSE_V2", "FULLY_CONNECTED"]
    assert sum(layer.instructions for layer in found) == toolchain.run(path, "a72").instructions
    assert [layer.multiply_adds for layer in found] == [0, 0, PIXELS * ANSWERS]
    assert found[2].inputs == ((1, PIXELS),)


def test_what_later_layers_read_goes_out_of_a_cut(tmp_path: Path) -> None:
    """Else XNNPACK would drop a branch that is not joined yet, and its cost move to another op."""
    model = tflite_file.read(tiny_files.write_tflite(tmp_path / "model.tflite", reverse=True))
    graph = model.subgraphs[0]
    flat, turned, answer = (int(op.outputs[0]) for op in graph.operators)
    graph.operators[2].inputs = [turned, flat]  # as if the last op joined two branches
    assert layers.prefix(model, 1).subgraphs[0].outputs == [flat]
    assert layers.prefix(model, 2).subgraphs[0].outputs == [flat, turned]
    assert layers.prefix(model, 3).subgraphs[0].outputs == [answer]
    assert len(graph.operators) == 3


def test_another_result_than_this_machine_s_is_an_error(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = toolchain.run(tiny, "a72")
    wrong = np.full(ANSWERS, 0.5, np.float32).tobytes()
    monkeypatch.setattr(toolchain, "run", lambda *_, **__: replace(right, output=wrong))
    with pytest.raises(InputError, match=r"differs from this machine's by 0\.\d+ of its size"):
        measure.count(tiny, "a72")


def test_the_command_s_table_and_record(tiny: Path, tmp_path: Path) -> None:
    peer = tiny_files.write_tflite(tmp_path / "peer.tflite", spec=None, reverse=True)
    outcome = command(tiny, "--peer", peer, "--cpu", "a72", "--layers")
    assert outcome.record is not None
    own, other = outcome.record["counts"]
    assert f"{own['instructions'] / other['instructions']:.3f}" in outcome.text
    assert outcome.record["layers"][0]["layers"][1]["kind"] == "FULLY_CONNECTED"
    assert set(outcome.record["tools"]) >= {"qemu", "library_sha256", "runner_sha256"}
    json.dumps(outcome.record)


def test_the_gate_catches_a_slower_and_a_new_model(tiny: Path, tmp_path: Path) -> None:
    record, slower = tmp_path / "cost.json", tmp_path / "slower"
    gated = ("--gate", "--record", str(record))
    command(tiny, *gated, "--write")
    assert command(tiny, *gated).exit_code == 0
    slow = tiny_files.write_tflite(slower / "model.tflite", reverse=True)
    outcome = command(slow, *gated)
    assert outcome.exit_code == 1
    assert "FAIL tiny/model.tflite a72" in "\n".join(outcome.notes)
    new = ModelSpec(model="new", input_px=16)
    outcome = command(tiny_files.write_tflite(tmp_path / "new.tflite", new), *gated)
    assert outcome.exit_code == 1
    assert "not in the record" in "\n".join(outcome.notes)
    command(tmp_path / "new.tflite", *gated, "--write")  # as the message says
    assert command(tmp_path / "new.tflite", tiny, *gated).exit_code == 0


def test_the_gate_allows_a_rise_of_one_percent() -> None:
    assert gate.Verdict("x", 1000, 1010).passed
    assert not gate.Verdict("x", 1000, 1011).passed
    assert gate.Verdict("x", 1000, 500).passed


def test_the_gate_refuses_a_record_before_it_counts(tiny: Path, tmp_path: Path) -> None:
    record = tmp_path / "cost.json"
    with pytest.raises(InputError, match=r"cost\.json: no such file"):
        command("none.tflite", "--gate", "--record", record)
    with pytest.raises(InputError, match="--fp16: expected no --gate"):
        command("none.tflite", "--gate", "--record", record, "--fp16")
    with pytest.raises(InputError, match=r"model\.tflite is a file, expected a folder"):
        command("none.tflite", "--markdown", tiny / "counts.md")
    command(tiny, "--gate", "--record", record, "--write")
    record.write_text(record.read_text().replace(toolchain.tools().library_sha256, "0" * 64))
    with pytest.raises(InputError, match="made with another library"):
        command("none.tflite", "--gate", "--record", record)


def test_our_models_cost_no_more_than_recorded(tmp_path: Path) -> None:
    """Untrained, through the real chain: counts depend on the graph. 20 to 80 s a model.

    efld-large has the ops of efld-small, wider ones, and would rise with it.
    """
    from efld.models import zoo
    from efld.models.mirrored import SUFFIX, mirrored
    from export import onnx_graph, tflite_graph

    paths = []
    specs = map(ModelSpec.read, Path("pretrained").glob("efld-[!l]*/spec.json"))
    for name, spec in {spec.model: spec for spec in specs}.items():
        folder = tmp_path / name
        folder.mkdir()
        fp32, fp16 = folder / "model.fp32.tflite", folder / "model.fp16.tflite"
        model = zoo.build(name.removesuffix(SUFFIX))
        model = mirrored(model, spec.scheme) if name.endswith(SUFFIX) else model
        onnx_graph.write(model, spec, folder / "model.onnx")
        tflite_graph.write(folder / "model.onnx", spec, fp32, fp16)
        paths += [fp32, fp16]
    outcome = command(*paths, "--gate")
    assert outcome.exit_code == 0, "\n".join(outcome.notes)


def runner(*flags: str) -> "subprocess.CompletedProcess[str]":
    program = [QEMU, "-L", SYSTEM_ROOT, "-cpu", "cortex-a76", str(FOLDER / RUNNER), *flags]
    return subprocess.run(program, capture_output=True, text=True, check=False)


def test_the_runner_prints_what_benchmark_model_prints(tiny: Path, tmp_path: Path) -> None:
    image, latencies, out = tmp_path / "image", tmp_path / "ns", tmp_path / "out"
    np.zeros(PIXELS, np.float32).tofile(image)
    done = runner(
        f"--graph={tiny}", f"--library={FOLDER / LIBRARY}", "--num_threads=1", "--num_runs=7",
        "--min_secs=0", "--max_secs=20", "--warmup_runs=2", "--warmup_min_secs=0",
        "--use_xnnpack=true", "--xnnpack_force_fp16=false", "--input_layer=image",
        "--input_layer_shape=1,16,16,1", f"--input_layer_value_files=image:{image}",
        f"--output_filepath={out}", f"--latencies={latencies}",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = benchmark_text.parse(done.stdout, "runner")
    times_us = sorted(int(line) // 1000 for line in latencies.read_text().split())
    assert (found.count, len(times_us)) == (7, 7)
    assert found.median_us == times_us[3]
    assert found.mean_us == pytest.approx(np.mean(times_us), rel=1e-5)
    line = next(line for line in done.stdout.splitlines() if "count=7" in line)
    assert f" min={times_us[0]} max={times_us[6]} " in line
    assert float(line.partition(" std=")[2].split()[0]) == pytest.approx(np.std(times_us), abs=1)
    assert found.overall_mb is not None
    answer = np.fromfile(out, np.float32)
    np.testing.assert_allclose(answer, tiny_files.ANSWER.flatten(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("flag", "said"),
    [
        ("--use_gpu=true", "--use_gpu=true: unknown flag"),
        ("--num_runs=many", "--num_runs=many: expected --num_runs=NUMBER"),
        ("--use_xnnpack=maybe", "expected --use_xnnpack=true or =false"),
        ("--num_threads=0", "expected 1 or more"),
        ("--library=libm.so.6", "libm.so.6: has no TfLiteVersion"),
        ("--library=none.so", "none.so: cannot be loaded"),
        ("--graph=none.tflite", "none.tflite: expected a .tflite file"),
        ("--input_layer=picture", "the file has image"),
        ("--input_layer_shape=1,8,8,1", "the file has 1,16,16,1"),
        ("--input_layer_value_files=picture:x", "picture: the file has no such input"),
        ("--input_layer_value_files=image:/dev/null", "/dev/null: expected 1024 bytes"),
        ("--warmup_runs=0", "expected flags that leave a warm-up run"),
    ],
)
def test_the_runner_says_in_one_line_what_is_wrong(tiny: Path, flag: str, said: str) -> None:
    quick = ("--num_runs=1", "--min_secs=0", "--warmup_min_secs=0")
    done = runner(f"--graph={tiny}", f"--library={FOLDER / LIBRARY}", *quick, flag)
    assert done.returncode == 2
    [line] = [line for line in done.stderr.splitlines() if line.startswith("ERROR: ")][-1:]
    assert said in line
    with pytest.raises(InputError):
        benchmark_text.parse(done.stdout, "runner")


def test_missing_tools_are_named_with_their_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(toolchain, "FOLDER", tmp_path)
    toolchain.tools.cache_clear()
    with pytest.raises(InputError, match=r"found no runner, .*Run: make setup-arm$"):
        toolchain.tools()
    toolchain.tools.cache_clear()


def test_efficiency_counts_the_lanes_of_the_main_class() -> None:
    classes = dict.fromkeys(toolchain.CLASSES, 0) | {"sdot": 10, "fmla_f32": 30, "other": 60}
    assert work.main_class(classes) == "sdot"
    assert work.efficiency(160, classes, "sdot") == 0.1
