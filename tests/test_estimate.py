"""`python -m benchmark estimate`: milliseconds from counted instructions, and how sure they are."""

import argparse
import json
import math
from pathlib import Path

import pytest

from benchmark.commands import estimate as command
from benchmark.commands.outcome import Outcome
from benchmark.emulated.toolchain import Tools
from benchmark.estimate import estimating, fitting, nets, published
from benchmark.estimate.estimating import Counted
from benchmark.estimate.fitting import Point
from benchmark.estimate.published import Kind
from efld.errors import InputError

FITS = estimating.load().fits
CALIBRATION = json.loads(estimating.CALIBRATION.read_text())


def law(runtime: str, phone: str, instructions: int) -> float:
    """1 ms at 10 M instructions, twice that by the other runtime, thrice on the other phone."""
    return (2 if runtime == "b" else 1) * (3 if phone == "y" else 1) * (instructions / 1e7) ** 0.9


def points(*cells: tuple[str, str]) -> list[Point]:
    return [
        Point(f"net{count}", runtime, phone, law(runtime, phone, count), count)
        for runtime, phone in cells
        for count in (10_000_000, 20_000_000, 50_000_000)
    ]


def test_a_law_is_found_again_where_nobody_measured() -> None:
    fit = fitting.fit(points(("a", "x"), ("a", "y"), ("b", "x"), ("c", "x"), ("c", "y")))
    assert fit.exponent == pytest.approx(0.9)
    ms, low_ms, high_ms = fit.ms(30_000_000, "b", "y")
    assert ms == pytest.approx(law("b", "y", 30_000_000))
    assert low_ms == pytest.approx(ms) == pytest.approx(high_ms)  # the points have no noise


def test_the_error_is_that_of_a_figure_left_out() -> None:
    known = points(("a", "x"), ("a", "y"), ("b", "x"), ("b", "y"))
    known[0] = known[0]._replace(ms=known[0].ms * 1.5)
    fit = fitting.fit(known)
    assert fit.point_error == pytest.approx(math.log(1.5))  # the others tell it without noise
    assert fit.error_percent("a", "x") == pytest.approx(50)
    ms, low_ms, high_ms = fit.ms(10_000_000, "b", "x")
    assert ms / low_ms == pytest.approx(1.5)
    assert high_ms / ms == pytest.approx(1.5)


def test_a_runtime_never_published_on_a_phone_is_less_sure() -> None:
    fast = [point._replace(ms=1.5 * point.ms) for point in points(("a", "x"))]
    fit = fitting.fit([*fast, *points(("a", "y"), ("b", "x"), ("b", "y"), ("c", "x"))])
    assert fit.error_percent("c", "y") == pytest.approx(50)  # as for a on x, left out as a whole
    assert fit.error_percent("a", "x") < 30


def test_the_published_figures() -> None:
    found = {(str(net), runtime, phone): ms for net, runtime, phone, ms in published.latencies()}
    assert len(found) == 71
    assert len(published.nets()) == 46
    assert found["MobileNet-w0.25-128-int8", "TFLite 2018", "Pixel 2"] == 3.7
    assert found["MobileNet-w1-224-int8", "TFLite 2018", "Pixel 2"] == 70.2
    assert found["MobileNetV3Small-w1-224-float32", "TFLite 2019", "Pixel 3"] == 14.4
    assert found["MobileNetV3Small-w1-224-int8", "TFLite 2019", "Pixel 3"] == 10.7
    assert found["MobileNetV3Large-minimalistic-w1-224-float32", "TFLite 2019", "Pixel 3"] == 35
    assert found["MobileNetV2-w0.35-96-float32", "TFLite 2018", "Pixel 1"] == 4.5
    assert found["MobileNet-w1-224-float32", "XNNPACK 2020", "Pixel 2"] == 86


def test_the_calibration_holds_its_own_fit() -> None:
    assert set(CALIBRATION["instructions"]) == set(map(str, published.nets()))
    again = estimating.calibrate(
        [(net, CALIBRATION["instructions"][str(net)]) for net in published.nets()],
        Tools(**CALIBRATION["tools"]),
        CALIBRATION["command"],
    )
    assert again["instructions"] == CALIBRATION["instructions"]
    for kind, fit in FITS.items():
        assert again["fits"][kind]["exponent"] == pytest.approx(fit.exponent, rel=1e-9)
        assert again["fits"][kind]["point_error"] == pytest.approx(fit.point_error, rel=1e-9)


@pytest.mark.parametrize("kind", ["float32", "int8"])
def test_every_published_figure_lies_in_its_interval(kind: Kind) -> None:
    for point in estimating.points(CALIBRATION["instructions"], kind):
        _, low_ms, high_ms = FITS[kind].ms(point.instructions, point.runtime, point.phone)
        assert low_ms <= point.ms <= high_ms, point


@pytest.mark.parametrize(
    ("main_class", "kind", "published_ms"), [("fmla_f32", "float32", 14.4), ("smull", "int8", 10.7)]
)
def test_a_known_net_is_estimated_as_published(
    main_class: str, kind: Kind, published_ms: float
) -> None:
    small = CALIBRATION["instructions"][f"MobileNetV3Small-w1-224-{kind}"]
    rows = estimating.estimate(Counted("a.tflite", small, main_class), FITS)
    assert [(row.runtime, row.kind) for row in rows] == [
        (runtime, kind) for runtime in published.RUNTIMES[kind]
    ]
    assert (rows[0].low_ms or 0) < published_ms < (rows[0].high_ms or 0)
    assert rows[-1].ms <= rows[0].ms  # XNNPACK's kernels are the faster ones
    text = estimating.text(rows, FITS)
    assert text.startswith("ESTIMATE, not measured: one big core of a Snapdragon 845")
    assert "EXTRAPOLATED" not in text


@pytest.mark.parametrize(
    ("main_class", "instructions"),
    [("fmla_f32", 3_000_000), ("fmla_f32", 300_000_000), ("smull", 3_000_000)],
)
def test_outside_the_range_only_when_asked(main_class: str, instructions: int) -> None:
    outside = Counted("a.tflite", instructions, main_class)
    with pytest.raises(InputError, match=r"the range of the calibration for .*--extrapolate"):
        estimating.estimate(outside, FITS)
    rows = estimating.estimate(outside, FITS, extrapolate=True)
    assert all(row.extrapolated and row.low_ms is None for row in rows)
    assert estimating.text(rows, FITS).count("EXTRAPOLATED") == len(rows)


def test_other_kinds_are_not_calibrated() -> None:
    with pytest.raises(InputError, match=r"most of its work is fmla_f16, expected fmla_f32 or sm"):
        estimating.estimate(Counted("a.tflite", 10_000_000, "fmla_f16"), FITS, extrapolate=True)


def run(*argv: str) -> Outcome:
    parser = argparse.ArgumentParser()
    command.add(parser.add_subparsers())
    return command.run(parser.parse_args(["estimate", *argv]), "a command")


def test_a_record_of_counts_needs_no_emulator(tmp_path: Path) -> None:
    row = {"file": "a.tflite", "cpu": "a72", "fp16": False, "instructions": 10_000_000,
           "main_class": "fmla_f32", "sha256": "a" * 64, "model": "efld-small",
           "peer": False}  # fmt: skip
    path, tools = tmp_path / "emulated.json", CALIBRATION["tools"]
    path.write_text(json.dumps({"tools": tools, "counts": [row, row | {"cpu": "a76"}]}))
    record = run(str(path)).record or {}
    assert record["means"] == "ESTIMATE, not measured"
    assert [found["instructions"] for found in record["estimates"]] == [10_000_000] * 2
    assert [found["sha256"] for found in record["estimates"]] == ["a" * 64] * 2
    assert [found["goal_fps"] for found in record["estimates"]] == [280] * 2
    bench = tmp_path / "runs" / "x" / "bench"
    bench.mkdir(parents=True)
    path = path.rename(bench / path.name)
    assert run(str(path)).default == bench / "estimate.json"
    path.write_text(json.dumps({"tools": {"library_sha256": "f" * 64}, "counts": [row]}))
    with pytest.raises(InputError, match=r"counted with library ffffffff, expected .*setup-arm"):
        run(str(path))
    path.write_text(json.dumps({"counts": []}))
    with pytest.raises(InputError, match="with counts for a72, found none"):
        run(str(path))


@pytest.mark.parametrize(
    ("content", "said"),
    [('{"counts": [', "not JSON"), ("[]", "found a list"), (None, "no such file")],
)
def test_a_record_that_is_none_is_refused(tmp_path: Path, content: str | None, said: str) -> None:
    path = tmp_path / "emulated.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match=said):
        run(str(path))


@pytest.mark.parametrize("argv", [[], ["a.tflite", "--calibrate"]])
def test_files_or_calibration(argv: list[str]) -> None:
    with pytest.raises(InputError, match="expected files, or --calibrate alone"):
        run(*argv)


def test_a_net_that_is_there_is_not_built_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    path = nets.folder() / "MobileNetV2-w0.35-96-float32.tflite"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"built before")
    assert nets.tflite(published.V2._replace(width=0.35, input_px=96)) == path
    assert path.read_bytes() == b"built before"
