"""Which file a report says to ship, and what it tells of phones, papers and estimates."""

from dataclasses import asdict, replace
from pathlib import Path

import pytest

from benchmark.android.facts import Phone as Device
from benchmark.android.facts import State
from benchmark.android.record import Failure, Latency, Plan, Point, Report
from benchmark.estimate.estimating import Estimate
from benchmark.report import page, records, ship
from benchmark.report.drawing import Spot, frontier
from benchmark.report.ship import PHONES, Candidate, advise, phone_of
from efld import files
from efld.spec import ModelSpec
from quantize.chain import MAX_NME_DROP

OLD, HALF, NEW, MATRIX = PHONES
STATE = State(
    load_average=0.5, governor="schedutil", mhz=2800, allowed_mhz=2800, cpu_celsius=34,
    battery_celsius=None, battery_percent=80, charging=True,
)  # fmt: skip
DEVICE = Device(
    serial="8A1X0", model="Google Pixel 3", soc="Qualcomm SDM845", abi="arm64-v8a",
    system="Android 12 aarch64", sdk=31, build=None, cpu_features=("fp", "fphp", "asimdhp"),
    cores=2, core_mhz=(1766.0, 2803.0), can_pin=True, emulated=False,
)  # fmt: skip


def candidate(kind: str, nme_percent: float, a72: int, a76: int, size: int) -> Candidate:
    return Candidate(
        kind=kind, file_bytes=size, nme_percent=nme_percent, instructions={"a72": a72, "a76": a76}
    )


# efld-small's counts; its errors on 300-W's full set.
SMALL = (
    candidate("fp32", 3.926, 7_456_367, 7_456_367, 857_232),
    candidate("fp16", 3.926, 7_456_367, 3_986_230, 446_576),
    candidate("int8", 3.948, 6_888_354, 4_525_602, 287_696),
)


def shipped(files: tuple[Candidate, ...], phone: ship.Phone) -> ship.Advice:
    found = advise(files, phone)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("phone", "kind"), [(OLD, "int8"), (HALF, "fp16"), (NEW, "fp16"), (MATRIX, "fp16")]
)
def test_the_file_with_the_fewest_instructions_is_shipped(phone: ship.Phone, kind: str) -> None:
    assert shipped(SMALL, phone).kind == kind


def test_the_advice_says_why_and_what_is_traded() -> None:
    found = shipped(SMALL, OLD)
    assert found.why == "6.89 M instructions, the fewest; float32 needs +8%; float16 needs +8%"
    assert found.traded == "-66% bytes, -8% instructions, +0.02 points of NME"


def test_without_dot_product_int8_is_judged_by_its_count_there() -> None:
    cheap_with_sdot = (*SMALL[:2], candidate("int8", 3.948, 8_000_000, 3_000_000, 287_696))
    assert shipped(cheap_with_sdot, NEW).kind == "int8"
    assert shipped(cheap_with_sdot, HALF).kind == "fp16"
    assert shipped(cheap_with_sdot, OLD).kind == "fp16"


def test_of_files_that_cost_the_same_the_better_one_then_the_smaller_one_is_shipped() -> None:
    nano = (
        candidate("fp32", 4.437, 3_076_111, 3_076_111, 305_136),
        candidate("fp16", 4.437, 3_076_111, 1_905_613, 170_496),
        candidate("int8", 4.480, 3_123_509, 2_349_614, 120_000),
    )
    found = shipped(nano, OLD)
    assert found.kind == "fp16"
    assert "as many as float32 and int8 (within 5%); it is the smallest" in found.why


def test_a_file_that_loses_too_much_is_out_however_cheap() -> None:
    lossy = (*SMALL[:2], candidate("int8", 3.999, 1_000, 1_000, 287_696))
    found = shipped(lossy, OLD)
    assert found.kind == "fp16"
    assert "int8 is out: +0.073 points of NME, at most +0.05 is allowed" in found.why


def test_matrix_instructions_are_said_to_be_uncounted() -> None:
    assert "i8mm" in shipped(SMALL, MATRIX).why
    assert "i8mm" not in shipped(SMALL, NEW).why
    without_int8 = SMALL[:2]
    assert "i8mm" not in shipped(without_int8, MATRIX).why


def test_the_error_of_half_precision_is_said_to_be_unmeasured() -> None:
    moved = tuple(replace(own, fp16_moves_px=(0.1, 0.4)) for own in SMALL)
    assert "half precision's is not measured" in shipped(SMALL, NEW).traded
    assert "points move by 0.10 px, at most 0.40" in shipped(moved, NEW).traded
    assert "half precision" not in shipped(tuple(reversed(moved)), OLD).traded


def test_without_float32_or_its_count_there_is_no_advice() -> None:
    assert advise(SMALL[1:], NEW) is None
    assert advise([replace(own, instructions={"a72": 1}) for own in SMALL], NEW) is None


@pytest.mark.parametrize(
    ("features", "phone"),
    [
        ("fp asimd aes", OLD),
        ("fp fphp asimdhp", HALF),
        ("asimdhp asimddp", NEW),
        ("asimdhp asimddp i8mm bf16", MATRIX),
    ],
)
def test_cpuinfo_tells_the_class_of_a_phone(features: str, phone: ship.Phone) -> None:
    assert phone_of(features.split()) == phone


def test_the_frontier_is_what_no_other_file_beats() -> None:
    cheap, good = Spot("nano", "fp32", 3, 4.4), Spot("small", "fp32", 7, 3.9)
    beaten = [Spot("a", "fp32", 14, 4.6), Spot("b", "int8", 3, 4.5), Spot("c", "int8", 8, 3.899)]
    assert frontier([*beaten, good, cheap]) == [cheap, good]
    assert frontier([]) == []


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    run = Path("runs/x")
    run.mkdir(parents=True)
    (run / "model.fp32.tflite").write_text("float32")
    ModelSpec(model="efld-small", input_px=112).write(run / "spec.json")
    return run


def text(run: Path) -> str:
    return page.as_markdown(page.report(records.read(run)))


def test_a_phone_is_shown_with_its_facts_and_figures(run: Path) -> None:
    plan = Plan(
        length="quick", repeats=3, threads=1, delegates=("cpu",), fp16=False, sustained_s=0,
        cool_down_s=300,
    )  # fmt: skip
    row = Latency(
        file="runs/x/model.fp32.tflite", sha256=files.sha256(run / "model.fp32.tflite"),
        file_bytes=857_232, peer=False, runtime=None, threads=1, asked="gpu", delegate="cpu",
        taken="none", partitions=1, runs=192, median_ms=2.345, mean_ms=2.4, p90_ms=None,
        p95_ms=None, spread_percent=3.21, fps=426.4, memory_bytes=None, throttled=False,
        discarded=0, repeats=(), sustained=tuple(
            Point(at_s=at_s, median_ms=ms, cpu_celsius=None, mhz=None)
            for at_s, ms in ((0.0, 2.0), (600.0, 3.0))
        ),
    )  # fmt: skip
    report = Report(
        command="python -m benchmark android FILES", complete=True, phone=DEVICE, plan=plan,
        pinned=(1,), start=STATE, runner="benchmark_model", pushed={}, files=(row,),
        failures=(Failure(file="runs/x/model.int8.tflite", asked="gpu", why="refused"),),
    )  # fmt: skip
    files.write_json(run / "bench/pixel.json", report.record())
    found = text(run)
    assert "| processor | Qualcomm SDM845 |" in found
    assert "| cpuinfo says | fphp, asimdhp |" in found
    assert "| at the start | 34 °C, battery 80 %, governor schedutil, load 0.5 |" in found
    row_shown = "| model.fp32.tflite | cpu, gpu refused | 2.345 | - | 3.2 % | 426 | no | 857,232 |"
    assert row_shown in found
    assert "> model.int8.tflite on gpu: refused" in found
    slower = "gpu, under load: 2.000 ms at first, 3.000 ms after 600 s (+50 %)."
    assert f"model.fp32.tflite, {slower}" in found
    assert "Emulated:" not in found
    assert "half precision on the CPU" not in found
    half = replace(plan, delegates=("gpu",), fp16=True)
    part = replace(row, delegate="gpu", taken="part", fps=None)
    files.write_json(run / "bench/pixel.json", replace(report, plan=half, files=(part,)).record())
    found = text(run)
    assert "| precision | float32 files in half precision on the CPU |" in found
    assert "| model.fp32.tflite | gpu in part | 2.345 |" in found
    emulated = replace(report, phone=replace(DEVICE, emulated=True))
    files.write_json(run / "bench/pixel.json", emulated.record())
    assert "> Emulated: these times are the emulator's" in text(run)


def test_estimates_are_called_estimates_and_keep_their_intervals(run: Path) -> None:
    row = Estimate(
        file="model.fp32.tflite", sha256=files.sha256(run / "model.fp32.tflite"), peer=False,
        kind="float32", instructions=7_456_367, runtime="XNNPACK 2020", ms=2.951, low_ms=2.448,
        high_ms=3.557, extrapolated=False, goal_fps=280,
    )  # fmt: skip
    far = replace(row, low_ms=None, high_ms=None, extrapolated=True)
    record = {
        "schema": 2, "command": "python -m benchmark estimate FILES", "stands_for": "Pixel 3",
        "soc": "Snapdragon 845", "threads": 1, "estimates": [asdict(row), asdict(far)],
    }  # fmt: skip
    files.write_json(run / "bench/estimate.json", record)
    found = text(run)
    assert "> ESTIMATE, not measured" in found
    start = "| model.fp32.tflite | float32 | XNNPACK 2020 | 2.95 |"
    assert f"{start} 2.45-3.56 | 339 | 280 |" in found
    assert f"{start} extrapolated | 339 | 280 |" in found
    (run / "model.fp32.tflite").write_text("other weights")
    found = text(run)
    assert "XNNPACK 2020" not in found
    assert "Left out, measured before the file changed: model.fp32.tflite" in found


def test_claims_about_the_model_stand_with_their_verdicts(run: Path) -> None:
    claim = {"paper": "Hong 2025", "where": "text", "model": "efld-small", "quantity": "size_mb",
             "value": 2.1}  # fmt: skip
    other = claim | {"model": "another"}
    rows = [{"claim": claim, "verdict": "met", "why": "0.857 MB"},
            {"claim": other, "verdict": "missed", "why": "9 MB"}]  # fmt: skip
    record = {"schema": 1, "command": "python -m benchmark claims", "claims": rows,
              "verdicts": {"met": 1, "missed": 1}}  # fmt: skip
    files.write_json(Path("runs/claims.json"), record)
    found = text(run)
    assert "1 of 2 claims on trial are about efld-small; the verdicts on all: 1 met, 1 mi" in found
    assert "| Hong 2025, text | 2.1 MB | met | 0.857 MB |" in found
    assert "9 MB" not in found


def test_the_advice_and_the_readme_hold_int8_to_the_limit_of_quantize() -> None:
    assert ship.MOST_WORSE == MAX_NME_DROP
    readme = (Path(__file__).parent.parent / "README.md").read_text()
    assert f"int8 may cost {MAX_NME_DROP} points of NME" in " ".join(readme.split())
