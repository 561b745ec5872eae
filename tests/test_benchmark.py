import json
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import cv2
import numpy as np
import pytest

from benchmark import accuracy, host
from benchmark.__main__ import _named, main
from benchmark.feeds import random_feeds
from efld import geometry
from efld.data.faces import Face, Part
from efld.data.pts import write_pts
from efld.errors import InputError
from efld.runtime import load
from efld.sessions import Edge, Session
from tests.tiny_files import ANSWER, SPEC, write_onnx, write_tflite

POINTS_PX = geometry.to_picture(ANSWER, geometry.Box(20, 10, 200, 200))
BLACK = np.zeros((240, 240), np.uint8)
# Every point 0.05 off, the eye corners are 0.4 apart: 12.5 %.
OFF, OFF_PERCENT = ANSWER + np.array([0.03, 0.04], np.float32), 12.5


def faces(part: Part = "common") -> list[Face]:
    return [Face(f"set/{i}", BLACK, POINTS_PX, part, "g") for i in range(4)]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder of two annotated pictures."""
    root = tmp_path / "data"
    root.mkdir()
    for name in ("a", "b"):
        cv2.imwrite(str(root / f"{name}.png"), BLACK)
        write_pts(root / f"{name}.pts", POINTS_PX)
    return root


def run(capsys: pytest.CaptureFixture[str], *argv: object) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of `python -m benchmark`."""
    code = 0
    try:
        main([str(word) for word in argv])
    except SystemExit as stop:
        code = int(str(stop.code))
    done = capsys.readouterr()
    return code, done.out, done.err


def test_accuracy_of_a_right_and_a_wrong_model(tmp_path: Path) -> None:
    good = write_tflite(tmp_path / "good.tflite")
    off = write_tflite(tmp_path / "off.tflite", answer=OFF)
    first, second = (found.row for found in accuracy.measure([load(good), load(off)], faces()))
    assert (first.faces, first.model, first.file_bytes) == (4, "tiny", good.stat().st_size)
    assert first.nme_percent == pytest.approx(0, abs=1e-3)
    assert first.auc == pytest.approx(1, abs=1e-3)
    assert first.failure_rate == 0
    assert second.nme_percent == pytest.approx(OFF_PERCENT, rel=1e-4)
    assert (second.auc, second.failure_rate) == (0, 1)


def test_a_file_calibrated_on_test_faces_is_refused(tmp_path: Path) -> None:
    path = write_tflite(tmp_path / "m.tflite", SPEC.calibrated_on(("set/2", "other/7")))
    with pytest.raises(InputError, match="1 of the tested faces set its int8 scales"):
        list(accuracy.measure([load(path)], faces("common")))
    assert len(list(accuracy.measure([load(path)], faces("train")))) == 1


def test_accuracy_command_prints_json_alone_on_stdout(
    tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_tflite(tmp_path / "off.tflite", answer=OFF)
    code, out, err = run(capsys, "accuracy", path, "--data", data, "--split", "all", "--json", "-")
    record = json.loads(out)
    assert code == 0
    assert (record["schema"], record["split"], record["data"]) == (
        2,
        "all",
        "/".join(data.parts[-2:]),
    )
    assert (record["normaliser"], record["threshold_percent"]) == ("inter-ocular", 8)
    assert record["command"].startswith("python -m benchmark accuracy ")
    (row,) = record["files"]
    assert row["faces"] == 2
    assert row["nme_percent"] == pytest.approx(OFF_PERCENT, rel=1e-3)
    assert "12.50" in err


def test_accuracy_command_writes_a_record(
    tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_tflite(tmp_path / "m.tflite")
    target = tmp_path / "new" / "accuracy.json"
    code, out, _ = run(capsys, "accuracy", path, "--data", data, "--split", "all", "--json", target)
    assert code == 0
    assert f"written: {target}" in out
    assert "split all" in out
    assert len(json.loads(target.read_text())["files"]) == 1


def test_host_compares_files_in_one_run(tmp_path: Path) -> None:
    small = write_tflite(tmp_path / "small.tflite")
    large = write_tflite(tmp_path / "large.tflite", spec=None, input_px=112, reverse=True)
    result = host.measure([large], [small], seconds=0.2, starts=1)
    ours, peer = result.files
    assert result.reference == f"{tmp_path.name}/small.tflite"
    assert (peer.peer, peer.ratio, peer.ratio_quartiles) == (True, 1, (1, 1))
    assert ours.ratio > 2  # 49 times the weights
    assert 0 < ours.median_ms <= ours.p95_ms
    assert ours.runs >= host.LEAST_ROUNDS
    assert (ours.partitions, ours.outside) == (2, {"REVERSE_V2": 1})
    assert (peer.partitions, peer.outside) == (1, {})
    assert ours.memory_bytes is None or ours.memory_bytes > 0
    assert min(ours.load_ms, ours.first_ms, peer.load_ms, peer.first_ms) > 0


def test_host_feeds_foreign_files(tmp_path: Path) -> None:
    path = write_onnx(tmp_path / "m.onnx", spec=None, shape=("batch", 1, 16, 16))
    (row,) = host.measure([path], seconds=0.1, starts=1).files
    assert row.runtime.startswith("onnxruntime ")
    assert (row.ratio, row.partitions, row.outside) == (1, None, None)


@pytest.mark.parametrize(
    ("shape", "fed"), [((None, 3, 8, 8), (1, 3, 8, 8)), ((4, 8, 8, 3), (4, 8, 8, 3)), ((2,), (2,))]
)
def test_a_size_that_a_graph_fixes_is_kept(
    shape: tuple[int | None, ...], fed: tuple[int, ...]
) -> None:
    session = cast(Session, SimpleNamespace(inputs=(Edge("x", shape, "float32"),)))
    assert random_feeds(session, Path("m.onnx"))["x"].shape == fed


def test_a_record_names_no_folder_of_this_machine() -> None:
    words = ["host", "a.tflite", "--data=/home/me/faces/300w", "--json", "/tmp/x/y/o.json"]
    assert _named(words).split()[3:] == [
        "host", "a.tflite", "--data=faces/300w", "--json", "y/o.json"
    ]  # fmt: skip


def test_host_records_in_the_folder_of_the_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "runs" / "tiny"
    folder.mkdir(parents=True)
    path = write_tflite(folder / "model.tflite")
    code, out, _ = run(capsys, "host", path, "--seconds", "0.1", "--starts", "1")
    record = json.loads((folder / "bench" / "host.json").read_text())
    assert code == 0
    assert "host.json" in out
    assert record["schema"] == 2
    assert record["files"][0]["file_bytes"] == path.stat().st_size
    assert record["cpu"]
    assert record["memory_means"]
    assert record["starts"] == 1


def test_host_json_goes_to_stdout_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_tflite(tmp_path / "model.tflite")
    code, out, err = run(capsys, "host", path, "--seconds", "0.1", "--starts", "1", "--json", "-")
    assert code == 0
    record = json.loads(out)
    assert record["files"][0]["threads"] == 1
    assert "ratio" in err
    assert str(tmp_path) not in out  # records get published


BAD = {
    "accuracy, no file": (["accuracy", "none.tflite"], "no such file"),
    "accuracy, no spec": (["accuracy", "bare.tflite"], "no spec"),
    "accuracy, no data": (["accuracy", "m.tflite", "--data", "none"], "none"),
    "accuracy, empty split": (["accuracy", "m.tflite", "--split", "challenging"], "challenging"),
    "host, no file": (["host", "none.tflite"], "no such file"),
    "host, garbage": (["host", "garbage.tflite"], "garbage.tflite"),
    "host, keras": (["host", "m.keras"], "m.keras: a .keras file is not timed"),
    "host, free sides": (["host", "free.onnx"], "expected fixed sizes"),
    "host, no threads": (["host", "m.tflite", "--threads", "0"], "threads 0, expected 1 to"),
    "host, no starts": (["host", "none.tflite", "--starts", "0"], "starts 0, expected at least 1"),
    "host, no time": (["host", "m.tflite", "--seconds", "0"], "seconds 0.0, expected"),
    "host, nan": (["host", "m.tflite", "--seconds", "nan"], "seconds nan, expected"),
    "host, json": (["host", "m.tflite", "--json", "out.txt"], "expected a file *.json to write to"),
    "host, json in a file": (
        ["host", "m.tflite", "--json", "m.tflite/x.json"],
        "is a file, expect",
    ),
    "host, record in a file": (["host", "runs/tiny/none.tflite"], "bench is a file, expected a"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line_and_leaves_nothing(
    tmp_path: Path,
    data: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    case: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    write_tflite(tmp_path / "m.tflite")
    write_tflite(tmp_path / "bare.tflite", spec=None)
    write_onnx(tmp_path / "free.onnx", shape=(1, 1, "height", "width"))
    (tmp_path / "garbage.tflite").write_bytes(b"garbage " * 99)
    (tmp_path / "runs" / "tiny").mkdir(parents=True)
    (tmp_path / "runs" / "tiny" / "bench").touch()
    before = sorted(tmp_path.rglob("*"))
    argv, message = BAD[case]
    if argv[0] == "accuracy" and "--data" not in argv:
        argv = [*argv, "--data", str(data), *([] if "--split" in argv else ["--split", "all"])]
    code, out, err = run(capsys, *argv)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert message in err
    assert sorted(tmp_path.rglob("*")) == before
