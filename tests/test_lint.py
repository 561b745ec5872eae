"""`python -m quantize lint`: what is known to break int8, found in graphs made for it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from efld.errors import InputError
from quantize import lint
from quantize.audit.finding import Finding
from quantize.audit.reached import Reached
from quantize.commands import lint as command
from quantize.graph import OUTPUT_AXIS, Graph, Op, Value
from quantize.lint import Net
from tests import tiny_run
from tests.audited_files import NAME, source, uneven
from tests.tiny_files import write_tflite

NOTHING = np.empty(0)
Row = tuple[str, Sequence[str], str]  # op, what it reads, what it writes


def graph(*rows: Row, activations: Mapping[str, str] | None = None) -> Graph:
    """From `image` to what the last op writes; `activations` are fused, by what an op writes.

    Layers have no stored weights: they read the image in their place.
    """
    names = ["image", *(written for _, _, written in rows)]
    values = tuple(
        Value(i, name, "float32", (1, 4), None, NOTHING, NOTHING.astype(np.int64), 0)
        for i, name in enumerate(names)
    )
    ops = tuple(
        Op(i, kind, _inputs(kind, names, read), (i + 1,), (activations or {}).get(written, ""))
        for i, (kind, read, written) in enumerate(rows)
    )
    return Graph(values, ops, (0,), (len(rows),))


def _inputs(kind: str, names: list[str], read: Sequence[str]) -> tuple[int, ...]:
    return (*map(names.index, read), *([0] if kind in OUTPUT_AXIS else []))


def measured(output: str = "", **ranges: tuple[float, float]) -> Reached:
    """What was reached; `output` names the one whose columns are those two values."""
    found = Reached()
    for name, ends in ranges.items():
        found.add(name, np.array(ends, np.float32))
    if output:
        found.columns[output] = np.abs(np.array([*ranges[output]] * 2, np.float32))
    return found


def check(net: Graph, found: Reached | None = None, **left_float: str) -> dict[str, Finding]:
    """Findings by code."""
    return {one.code: one for one in lint.check(Net(net, left_float, found))}  # type: ignore[arg-type]


POOLED = graph(
    ("CONV_2D", ["image"], "map"),
    ("AVERAGE_POOL_2D", ["map"], "pooled"),
    ("RESHAPE", ["pooled"], "flat"),
    ("CONV_2D", ["map"], "last"),
    ("CONCATENATION", ["flat", "last"], "all"),
    ("FULLY_CONNECTED", ["all"], "points"),
)


def test_a_pool_into_a_concatenation_is_flagged_where_its_map_is_wider() -> None:
    """What broke the int8 of an open PFLD."""
    wide = measured(map=(-4, 4), pooled=(0, 0.4), flat=(0, 0.4), last=(0, 0.4), all=(0, 0.4))
    found = check(POOLED, wide)
    assert found.keys() == {"pool-into-concat"}
    assert "up to 20 times wider" in found["pool-into-concat"].what
    assert "makes it int8 and measures the cost" in found["pool-into-concat"].todo
    even = measured(map=(0, 0.5), pooled=(0, 0.4), flat=(0, 0.4), last=(0, 0.4), all=(0, 0.4))
    assert not check(POOLED, even)


def test_without_pictures_the_pool_is_flagged_by_the_graph_alone() -> None:
    assert "not measured" in check(POOLED)["pool-into-concat"].what


def test_what_the_recipe_leaves_float_is_said() -> None:
    found = check(POOLED, pooled="tail")["pool-into-concat"]
    assert found.todo == "`python -m quantize` leaves it float (tail)."


def test_concatenated_inputs_of_different_range_are_flagged() -> None:
    ranges = measured(map=(0, 9), pooled=(0, 9), flat=(0, 9), last=(0, 1), all=(0, 9))
    assert check(POOLED, ranges)["concat-ranges"].what.endswith("are 9, 1 wide.")


def test_a_concatenated_constant_has_no_range_to_compare() -> None:
    """As where a net is given the places of its pixels."""
    net = graph(("CONV_2D", ["image"], "map"), ("CONCATENATION", ["map", "image"], "all"))
    places = replace(net.values[0], constant=np.zeros(4, np.float32))
    found = check(replace(net, values=(places, *net.values[1:])), measured(map=(0, 9)))
    assert "concat-ranges" not in found


def test_an_output_that_mixes_quantities_is_flagged() -> None:
    net = graph(("FULLY_CONNECTED", ["image"], "points"))
    found = measured(points=(-9.7, 9.7))
    found.columns["points"] = np.array([0.9, 0.8, 1.0, 9.7], np.float32)  # and a pose
    assert check(net, found).keys() == {"mixed-output"}


def test_coordinates_in_pixels_are_flagged_and_those_in_0_1_are_not() -> None:
    net = graph(("FULLY_CONNECTED", ["image"], "points"))
    assert check(net, measured("points", points=(60.0, 180.0))).keys() == {"output-range"}
    assert not check(net, measured("points", points=(0.3, 0.98)))


def test_relu6_beside_linear_is_noted() -> None:
    net = graph(
        ("CONV_2D", ["image"], "capped"),
        ("CONV_2D", ["image"], "linear"),
        ("ADD", ["capped", "linear"], "sum"),
        activations={"capped": "RELU6"},
    )
    assert check(net).keys() == {"relu6-and-linear"}


def test_outliers_are_flagged() -> None:
    net = graph(("CONV_2D", ["image"], "map"))
    found = Reached()
    found.add("map", np.r_[np.ones(5000), 50].astype(np.float32))
    assert "up to 50 times" in check(net, found)["outliers"].what
    even = Reached()
    even.add("map", np.r_[np.ones(5000), 3].astype(np.float32))
    assert not check(net, even)


def test_custom_ops_are_flagged() -> None:
    assert check(graph(("CUSTOM:Convolution2DTransposeBias", ["image"], "x"))).keys() == {
        "custom-op"
    }


def test_weights_of_very_different_channels_are_noted(tmp_path: Path) -> None:
    found = {one.code: one for one in lint.findings(uneven(tmp_path / "uneven.tflite"))}
    assert found["weight-ranges"].where == "conv_2d_19"


def test_the_tiny_run_is_told_what_becomes_of_its_hard_swish() -> None:
    text, exit_code = command.run(
        [str(tiny_run.exported("dense")), "--data", str(tiny_run.faces_root())]
    )
    assert exit_code == 0
    assert "32 faces of " in text
    lines = text.splitlines()
    at = next(i for i, line in enumerate(lines) if "no-int8-kernel" in line)
    assert lines[at].startswith("warning")
    assert "8 HARD_SWISH: XNNPACK has no int8 kernel" in lines[at + 1]
    assert "leaves it float (kernel)" in lines[at + 1]
    assert any(line.startswith("note     squeeze-excite") for line in lines)


def test_a_file_without_a_spec_is_measured_over_the_range_that_is_given(tmp_path: Path) -> None:
    from efld import tflite_file

    model = tflite_file.read(source().fp32.path)
    model.metadata = []
    path = tmp_path / "foreign.tflite"
    tflite_file.write(model, path)
    assert "Give --input-range" in command.run([str(path)])[0]
    given = [str(path), "--input-range", "0", "255", "--data", str(tiny_run.faces_root())]
    out = tmp_path / "lint.json"
    assert "32 faces of" in command.run([*given, "--json", str(out)])[0]
    record = json.loads(out.read_text())
    assert record["schema"] == 1
    assert {row["code"] for row in record["findings"]} == {"no-int8-kernel", "squeeze-excite"}


def test_what_is_quantised_already_is_refused(tmp_path: Path) -> None:
    path = source().write(tmp_path / NAME)
    with pytest.raises(InputError, match="computes in int8, expected a float file"):
        lint.findings(path)
    with pytest.raises(InputError, match="Leave out --input-range"):
        command.run([str(source().fp32.path), "--input-range", "0", "1"])


def test_a_range_of_no_numbers_is_refused(tmp_path: Path) -> None:
    path = write_tflite(tmp_path / "foreign.tflite", spec=None)
    with pytest.raises(InputError, match="expected two numbers"):
        command.run([str(path), "--input-range", "nan", "1"])
