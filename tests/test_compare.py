"""`python -m benchmark compare`: what got worse between two records, and what is noise."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmark import compare
from efld.errors import InputError

INT8 = "runs/x/model.int8.tflite"


def host(ratio: float, spread: float = 0.05, **row: Any) -> dict[str, Any]:
    own = {
        "file": INT8, "sha256": "a" * 64, "file_bytes": 1000, "threads": 1, "ratio": ratio,
        "ratio_quartiles": [ratio - spread, ratio + spread], "partitions": 1,
    }  # fmt: skip
    peer = own | {
        "file": "peer.tflite",
        "sha256": "b" * 64,
        "ratio": 1.0,
        "ratio_quartiles": [1.0, 1.0],
    }
    return {
        "schema": 1, "cpu": "a desktop", "cores": 2, "system": "Linux", "seconds_per_file": 3,
        "reference": "peer.tflite", "files": [own | row, peer],
    }  # fmt: skip


def accuracy(nme: float, half: float, faces: int = 689) -> dict[str, Any]:
    row = {
        "file": INT8, "file_bytes": 1000, "faces": faces, "nme_percent": nme,
        "nme_interval": [nme - half, nme + half],
    }  # fmt: skip
    return {
        "schema": 2, "data": "300w", "split": "full", "box": "truth",
        "normaliser": "inter-ocular", "files": [row],
    }  # fmt: skip


def android(*medians_ms: float, soc: str = "SDM845", delegate: str = "cpu") -> dict[str, Any]:
    row = {
        "file": INT8, "file_bytes": 1000, "asked": delegate, "threads": 1, "partitions": 1,
        "median_ms": sorted(medians_ms)[len(medians_ms) // 2],
        "repeats": [{"median_ms": value} for value in medians_ms],
    }  # fmt: skip
    phone = {"model": "Pixel 3", "soc": soc, "system": "Android 9"}
    return {"schema": 1, "emulated": False, "phone": phone, "plan": {"fp16": False}, "files": [row]}


def emulated(instructions: int, cpu: str = "a72") -> dict[str, Any]:
    row = {
        "file": INT8, "file_bytes": 1000, "cpu": cpu, "fp16": False,
        "instructions": instructions, "partitions": 1,
    }  # fmt: skip
    return {"schema": 1, "tools": {"library_sha256": "c" * 64}, "counts": [row]}


def run(folder: Path, old: dict[str, Any], new: dict[str, Any], **how: Any) -> compare.Comparison:
    paths = folder / "old.json", folder / "new.json"
    for path, record in zip(paths, (old, new), strict=True):
        path.write_text(json.dumps(record))
    return compare.compare(*paths, **how)


@pytest.mark.parametrize(
    ("old", "new", "verdicts"),
    [
        (host(0.50), host(0.50), {}),
        (host(0.50), host(0.58), {"time ratio": "noise"}),  # quartiles overlap
        (host(0.50), host(0.61), {"time ratio": "worse"}),
        (host(0.50), host(0.39), {"time ratio": "better"}),
        (host(0.50), host(0.50, partitions=2), {"partitions": "worse"}),
        (host(0.50, partitions=0), host(0.50), {}),  # the delegate takes it now
        (host(0.50), host(0.50, file_bytes=1010), {"bytes": "noise"}),
        (host(0.50), host(0.50, file_bytes=1011), {"bytes": "worse"}),
        (accuracy(4.0, 0.1), accuracy(4.15, 0.1), {"NME %": "noise"}),
        (accuracy(4.0, 0.1), accuracy(4.25, 0.1), {"NME %": "worse"}),
        (android(2.0, 2.1, 2.2), android(2.15, 2.2, 2.3), {"ms": "noise"}),
        (android(2.0, 2.1, 2.2), android(2.3, 2.4, 2.5), {"ms": "worse"}),
        (emulated(1_000_000), emulated(1_010_000), {"instructions": "noise"}),
        (emulated(1_000_000), emulated(1_010_001), {"instructions": "worse"}),
        (emulated(1_000_000), emulated(900_000), {"instructions": "better"}),
    ],
)
def test_what_got_worse(
    tmp_path: Path, old: dict[str, Any], new: dict[str, Any], verdicts: dict[str, str]
) -> None:
    found = run(tmp_path, old, new)
    assert {c.metric: c.verdict for c in found.changes if c.verdict != "same"} == verdicts
    assert bool(found.worse) == ("worse" in verdicts.values())


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (host(0.5), accuracy(4, 0.1), "a record of accuracy, expected one of host"),
        (
            host(0.5),
            host(0.5) | {"cpu": "another"},
            "elsewhere than .* (cpu a desktop and another)",
        ),
        (android(2), android(2, soc="SM8150"), "elsewhere than .*phone.soc SDM845 and SM8150"),
        (accuracy(4, 0.1), accuracy(4, 0.1, faces=554), "faces 689 and 554"),
        (accuracy(4, 0.1), accuracy(4, 0.1) | {"split": "common"}, "split full and common"),
        (android(2), android(2, delegate="gpu"), "holds model.int8.tflite, asked gpu"),
        (android(2), android(2.1), "model.int8.tflite: 1 repeat, expected two or more"),
        (emulated(1), emulated(1, cpu="a76"), "expected a file of .*cpu a72"),
        (host(0.5), {"schema": 1, "files": []}, "expected a record of `python -m benchmark` host"),
    ],
)
def test_what_cannot_be_compared(
    tmp_path: Path, old: dict[str, Any], new: dict[str, Any], says: str
) -> None:
    with pytest.raises(InputError, match=says.replace("(", r"\(").replace(")", r"\)")):
        run(tmp_path, old, new)


def test_ratios_to_another_reference_are_not_compared(tmp_path: Path) -> None:
    other = host(0.5)
    other["files"][1]["sha256"] = "d" * 64
    with pytest.raises(InputError, match=r"ratios to peer.tflite \(bbbbbbbb\) and .*--peer"):
        run(tmp_path, host(0.5), other)


def test_across_devices_when_asked(tmp_path: Path) -> None:
    found = run(tmp_path, android(2.0, 2.1), android(1.0, 1.1, soc="SM8150"), across_devices=True)
    assert (found.changes[0].metric, found.changes[0].verdict) == ("ms", "better")
    assert "across devices: phone.soc SDM845 and SM8150" in compare.text(found)


def test_files_of_one_side_are_named(tmp_path: Path) -> None:
    more = host(0.5)
    more["files"].append(more["files"][0] | {"file": "runs/x/model.fp16.tflite"})
    text = compare.text(run(tmp_path, host(0.5), more))
    assert f"only in {tmp_path / 'new.json'}: model.fp16.tflite, threads 1" in text


def test_files_of_the_same_name_are_matched_by_their_paths(tmp_path: Path) -> None:
    two = accuracy(4.0, 0.1)
    two["files"].append(two["files"][0] | {"file": "runs/y/model.int8.tflite"})
    found = run(tmp_path, two, two)
    assert {change.file for change in found.changes} == {INT8, "runs/y/model.int8.tflite"}


def test_a_file_that_is_no_record(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    with pytest.raises(InputError, match="no such file"):
        compare.compare(path, path)
    path.write_text("[1")
    with pytest.raises(InputError, match="not JSON"):
        compare.compare(path, path)
