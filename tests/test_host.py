"""`python -m benchmark host`: threads, energy, and times by op."""

import argparse
import os
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from benchmark import energy, host, op_times
from benchmark.commands import host as command
from benchmark.names import shown
from tests.tiny_files import write_onnx, write_tflite


def counter(folder: Path, zone: str, name: str, range_uj: int = 1000) -> Path:
    """A zone of Linux's powercap class."""
    (folder / zone).mkdir(parents=True)
    (folder / zone / "name").write_text(f"{name}\n")
    (folder / zone / "max_energy_range_uj").write_text(f"{range_uj}\n")
    (folder / zone / "energy_uj").write_text("0\n")
    return folder / zone / "energy_uj"


def test_energy_is_summed_over_packages_and_counters_start_again(tmp_path: Path) -> None:
    first = counter(tmp_path, "intel-rapl:0", "package-0")
    second = counter(tmp_path, "intel-rapl:1", "package-1")
    counter(tmp_path, "intel-rapl:0:0", "core")  # a part of the package
    counter(tmp_path, "intel-rapl-mmio:0", "package-0")  # the same package once more
    found = energy.packages(tmp_path)
    assert [package.counter for package in found] == [first, second]
    first.write_text("990")
    before = energy.read_uj(found)
    first.write_text("5")
    second.write_text("40")
    assert energy.used_uj(found, before, energy.read_uj(found)) == 15 + 40


def test_energy_that_nobody_tells_is_not_guessed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert energy.packages(tmp_path) == ()
    counter(tmp_path, "intel-rapl:0", "package-0")
    counter(tmp_path, "intel-rapl:1", "package-1").unlink()  # as where it cannot be read
    assert energy.packages(tmp_path) == ()
    monkeypatch.setattr(energy, "packages", lambda: ())
    found = host.measure([write_tflite(tmp_path / "m.tflite")], seconds=0.05, starts=1)
    assert found.files[0].energy_mj is None
    assert "not exposed" in host.notes(found)


def test_a_machine_that_has_other_work_is_said_to(tmp_path: Path) -> None:
    found = host.measure([write_tflite(tmp_path / "m.tflite")], seconds=0.05, starts=1)
    assert "busy" not in host.notes(replace(found, cores=2, load_average=1.0))
    notes = host.notes(replace(found, cores=2, load_average=1.2))
    assert "busy: a load of 1.2 and 1 more on 2 cores." in notes


def test_energy_is_that_of_one_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads = iter(range(0, 10**9, 3000))  # 3 mJ between any two readings
    monkeypatch.setattr(energy, "packages", lambda: (energy.Package(tmp_path, 10**12),))
    monkeypatch.setattr(energy, "read_uj", lambda _: (next(reads),))
    monkeypatch.setattr(host, "BLOCK_S", 0)  # blocks of one run
    found = host.measure([write_tflite(tmp_path / "m.tflite")], seconds=0.05, starts=1)
    assert found.files[0].energy_mj == 3
    assert found.energy_means == energy.MEANS


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="one core")
def test_every_file_runs_on_every_number_of_threads(tmp_path: Path) -> None:
    paths = [write_tflite(tmp_path / "a.tflite"), write_tflite(tmp_path / "b.tflite")]
    found = host.measure(paths[:1], paths[1:], threads=(1, 2), seconds=0.05, starts=1)
    rows = [(Path(row.file).name, row.threads) for row in found.files]
    assert rows == [("a.tflite", 1), ("b.tflite", 1), ("a.tflite", 2), ("b.tflite", 2)]
    assert found.files[1].ratio == 1
    assert host.heading(found).endswith("/b.tflite on 1")


@pytest.mark.parametrize(
    ("device", "google", "needed"),
    [("android", "", True), ("android", "x", False), ("emulated", "x", True), ("host", "", False)],
)
def test_make_bench_prepares_arm_only_where_it_runs(device: str, google: str, needed: bool) -> None:
    """-pq prints make's rules and makes nothing."""
    words = ["make", "-pq", "bench", f"DEVICE={device}", f"EFLD_BENCHMARK_MODEL={google}"]
    root = Path(__file__).parent.parent
    said = subprocess.run(words, cwd=root, capture_output=True, text=True, check=False).stdout
    (rule,) = re.findall(r"^bench: (.*)$", said, re.MULTILINE)
    assert (".arm/.ready" in rule) == needed


@pytest.mark.parametrize("model", ["efld-nano", "efld-nano/", "runs/efld-nano/"])
def test_make_bench_takes_a_run_by_its_name_or_its_folder(model: str) -> None:
    """-n prints the commands and runs none."""
    words = ["make", "-n", "bench", f"MODEL={model}"]
    root = Path(__file__).parent.parent
    said = subprocess.run(words, cwd=root, capture_output=True, text=True, check=False).stdout
    assert " runs/efld-nano/model.int8.tflite " in said


def test_threads_are_read_from_the_command_line() -> None:
    assert command.numbers("1,2,1") == (1, 2)
    with pytest.raises(argparse.ArgumentTypeError, match="expected numbers such as 1,2"):
        command.numbers("two")


def test_times_by_op_where_the_runtime_tells_them(tmp_path: Path) -> None:
    onnx = write_onnx(tmp_path / "m.onnx")
    found = op_times.measure(onnx, runs=5)
    assert found is not None
    assert [node.op for node in found] == ["Flatten", "Gemm"]
    assert "Gemm" in op_times.table("m.onnx", found)
    tflite = write_tflite(tmp_path / "m.tflite")
    assert op_times.measure(tflite) is None
    assert "no times by op" in op_times.table("m.tflite", None)


def test_records_name_no_folders_of_this_machine() -> None:
    assert shown("/home/me/secret/peers/pfld.tflite") == "peers/pfld.tflite"
    assert shown("/pfld.tflite") == "pfld.tflite"
    assert shown(Path("runs/x/model.int8.tflite")) == "runs/x/model.int8.tflite"
    assert shown("--peer") == "--peer"
