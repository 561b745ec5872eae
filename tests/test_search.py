"""The search for what stays float: grouping, budget, journal, and the whole on a tiny run."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from efld import files, run_files, tflite_file
from efld.errors import InputError, StepError
from quantize import chain, rounding
from quantize.search import cost, plot, trials, units
from quantize.search.journal import Journal, Result
from quantize.search.trials import within
from quantize.search.units import Wiring
from tests import tiny_run


def graph(*ops: tuple[str, tuple[int, ...]], pinned: frozenset[int] = frozenset()) -> Wiring:
    """A graph of `(kind, ops it reads)`; -1 is the image."""
    kinds, sources = zip(*ops, strict=True)
    names = tuple(f"{kind.lower()}_{i}" for i, kind in enumerate(kinds))
    return Wiring(kinds, names, sources, (10,) * len(ops), (100,) * len(ops), pinned)


BLOCK = graph(
    ("CONV_2D", (-1,)),            # 0 stem
    ("HARD_SWISH", (0,)),
    ("CONV_2D", (1,)),             # 2 expand
    ("HARD_SWISH", (2,)),
    ("PAD", (3,)),
    ("DEPTHWISE_CONV_2D", (4,)),   # 5
    ("HARD_SWISH", (5,)),
    ("MEAN", (6,)),                # 7 squeeze-excite
    ("CONV_2D", (7,)),
    ("CONV_2D", (8,)),
    ("LOGISTIC", (9,)),
    ("MUL", (6, 10)),
    ("CONV_2D", (11,)),            # 12 project
    ("ADD", (1, 12)),
    ("AVERAGE_POOL_2D", (1,)),     # 14 a head of two scales
    ("RESHAPE", (14,)),
    ("AVERAGE_POOL_2D", (13,)),
    ("RESHAPE", (16,)),
    ("CONCATENATION", (15, 17)),
    ("FULLY_CONNECTED", (18,)),
    ("RESHAPE", (19,)),
)  # fmt: skip


def test_an_op_is_switched_with_what_belongs_to_it() -> None:
    found = [sorted(layer) for layer in units.layers(BLOCK)]
    assert found == [[0, 1], [2, 3], [4, 5, 6], [7, 8, 9, 10, 11], [12, 13], [14, 15], [16, 17],
                     [18], [19, 20]]  # fmt: skip


def test_a_block_is_switched_at_once_and_a_head_in_parts() -> None:
    found = {unit.name: len(unit.layers) for unit in units.units(BLOCK)}
    assert found == {
        "conv_2d_0..hard_swish_1": 1,
        "conv_2d_2..add_13": 4,
        "average_pool_2d_14..reshape_15": 1,
        "average_pool_2d_16..reshape_17": 1,
        "concatenation_18": 1,
        "fully_connected_19..reshape_20": 1,
    }


@pytest.mark.parametrize("head", ["dense", "heatmap"])
def test_every_op_of_a_real_graph_is_in_one_unit(head: str) -> None:
    found = Wiring.of(tflite_file.read(tiny_run.exported(head) / "model.fp32.tflite"))
    ops = sorted(op for unit in units.units(found) for op in unit.ops)
    assert ops == list(range(len(found.kinds)))


def test_no_needless_conversions_are_left() -> None:
    assert BLOCK.closed({12, 14, 15, 16, 18, 19}) == {12, 14, 15, 16, 17, 18, 19, 20}
    assert replace(BLOCK, pinned=frozenset({17, 18})).closed({16, 18, 19}) == {16, 19, 20}


def test_a_graph_without_fixed_sizes_is_refused() -> None:
    model = tflite_file.read(tiny_run.exported("dense") / "model.fp32.tflite")
    model.subgraphs[0].tensors[0].shapeSignature = np.array([-1, 32, 32, 1], np.int32)
    with pytest.raises(InputError, match=r"sizes \[-1, 32, 32, 1\], expected fixed ones"):
        Wiring.of(model)


def test_custom_ops_are_refused() -> None:
    model = tflite_file.read(tiny_run.exported("dense") / "model.fp32.tflite")
    code = model.operatorCodes[model.subgraphs[0].operators[3].opcodeIndex]
    code.builtinCode = code.deprecatedBuiltinCode = 32
    code.customCode = b"Mine"
    with pytest.raises(InputError, match="the graph has CUSTOM:Mine ops, expected builtin ones"):
        Wiring.of(model)


def test_a_budget_is_held_with_a_margin() -> None:
    result = Result(bytes=1, mean_px=0.1, drop=0.02, drop_half=0.008, nme_percent=3.0)
    assert within(result, 0.03)
    assert not within(replace(result, drop_half=0.012), 0.03)
    assert within(replace(result, drop=0.015, drop_half=0.5), 0.03)  # at most half of it


def test_the_journal_forgets_only_what_was_cut_off(tmp_path: Path) -> None:
    folder, result = tmp_path / "search", Result(1, 0.1, 0.02, 0.01, 3.0)
    first = Journal.open(folder, {"faces": ["a"]})
    first.add("one", result)
    first.add("two", replace(result, bytes=2))
    first.path.write_text(first.path.read_text()[:-9])
    second = Journal.open(folder, {"faces": ["a"]})
    assert second.known == {"one": result}
    second.add("three", result)
    assert Journal.open(folder, {"faces": ["b"]}).known == {}
    assert Journal.open(folder, {"faces": ["a"]}).known.keys() == {"one", "three"}


def test_equal_times_are_decided_by_accuracy_then_by_fewer_float_ops() -> None:
    found = ((0.80, 0.3, 30), (0.81, 0.2, 20), (0.81, 0.2, 15), (0.85, 0.1, 10))
    rows = [{"cost": time, "mean_px": px, "float_ops": ops} for time, px, ops in found]
    assert cost.cheapest(rows, "host-latency") == 2
    assert cost.cheapest(rows, "size") == 0


def test_arm_without_its_tools_says_what_to_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cost, "ROOT", tmp_path)  # there is no benchmark to start
    with pytest.raises(InputError, match=r"objective arm-instructions: .* Run `make setup-arm`"):
        cost.arm_instructions([tmp_path / "a.tflite"])


def test_weights_on_a_grid_are_stored_without_error() -> None:
    grid = np.array([np.arange(-2, 31) / 28, np.arange(33) / 3], np.float32)
    whole, scales = rounding.best(grid, axis=0)
    np.testing.assert_allclose(whole * scales[:, None], grid, rtol=1e-6, atol=1e-7)
    other = np.random.default_rng(0).normal(size=(4, 9)).astype(np.float32)
    whole, scales = rounding.best(other, axis=0)
    usual = np.abs(other).max(axis=1, keepdims=True) / 127
    assert (
        np.square(whole * scales[:, None] - other).sum()
        <= np.square(np.rint(other / usual) * usual - other).sum()
    )


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run after a search for the smallest file."""
    run = tmp_path_factory.mktemp("search") / "run"
    shutil.copytree(tiny_run.exported("dense"), run)
    options = replace(tiny_run.OPTIONS, objective="size", max_nme_drop=BUDGET)
    chain.quantize(run, tiny_run.evaluation(), options, lambda _: None)
    return run


BUDGET = 5.0


@pytest.fixture
def search(searched: Path) -> dict[str, Any]:
    record = run_files.QUANTIZE.read(searched)
    return dict(record["search"])


def test_the_record_says_what_each_unit_costs(search: dict[str, Any]) -> None:
    assert len(search["units"]) > 5
    for unit in search["units"]:
        assert unit["only_int8_px"] is None or unit["only_int8_px"] > 0
    assert sum(unit["work_percent"] for unit in search["units"]) == pytest.approx(100)


def test_the_smallest_plan_within_the_budget_is_chosen(search: dict[str, Any]) -> None:
    chosen = [row for row in search["frontier"] if row["chosen"]]
    assert len(chosen) == 1
    holding = [row for row in search["frontier"] if row["holds"]]
    assert chosen[0]["bytes"] == min(row["bytes"] for row in holding)
    assert all(row["drop"] <= BUDGET for row in holding)
    baselines = {row["baseline"] for row in search["frontier"]} - {None}
    assert baselines == {"int8 wherever possible", "the hand recipe"}


def test_the_drawing_shows_every_unit(searched: Path, search: dict[str, Any]) -> None:
    text = (searched / run_files.QUANTIZE_PLOT).read_text()
    assert all(f">{unit['unit']}<" in text for unit in search["units"])
    assert plot.drawing(search["units"][:1], set()).count("bold") == 1  # only the legend's


def test_a_second_run_measures_nothing_and_writes_the_same_file(
    searched: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = files.sha256(searched / run_files.FILES["int8"])
    (searched / run_files.FILES["int8"]).unlink()
    monkeypatch.setattr(trials.Trials, "_result", None)  # whoever measures fails
    options = replace(tiny_run.OPTIONS, objective="size", max_nme_drop=BUDGET)
    chain.quantize(searched, tiny_run.evaluation(), options, lambda _: None)
    assert files.sha256(searched / run_files.FILES["int8"]) == before


def test_a_search_that_finds_nothing_changes_no_file(
    searched: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Path(shutil.copytree(searched, tmp_path / "run"))
    before = {path.name: files.sha256(path) for path in run.iterdir() if path.is_file()}
    monkeypatch.setattr("quantize.search.choose.within", lambda *_: False)
    monkeypatch.setattr("quantize.search.search.within", lambda *_: False)
    said: list[str] = []
    with pytest.raises(StepError, match=r"no choice of float layers .* the best of \d+ trials is"):
        chain.quantize(run, tiny_run.evaluation(), tiny_run.OPTIONS, said.append)
    assert any("too near to the limit +5: searching" in text for text in said)
    found = {path.name: files.sha256(path) for path in run.iterdir() if path.is_file()}
    assert found == before
