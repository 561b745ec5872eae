"""`python -m quantize recipes`: one model by every recipe, side by side."""

import json
import shutil
from pathlib import Path

import pytest

from efld import files
from efld.errors import InputError
from quantize import recipes_table
from quantize.commands import recipes as command
from quantize.recipes_table import Point
from tests import tiny_run

GIVEN = ("--data", str(tiny_run.faces_root()), "--calibration-faces", "24")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(tiny_run.exported("dense"), tmp_path_factory.mktemp("r") / "tiny"))


def test_every_recipe_has_its_row(run: Path, tmp_path: Path) -> None:
    before = {path.name: files.sha256(path) for path in run.iterdir()}
    out = tmp_path / "recipes.json"
    text, exit_code = command.run([str(run), *GIVEN, "--curve", "--json", str(out)])
    assert exit_code == 0
    assert {path.name: files.sha256(path) for path in run.iterdir()} == before
    record = json.loads(out.read_text())
    rows = {row["recipe"]: row for row in record["rows"]}
    assert list(rows)[:2] == ["float32", "float16"]
    assert not any(row["failed"] for row in rows.values())
    assert rows["float32"]["largest_px"] == 0
    assert rows["mixed"]["partitions"] == 1
    assert rows["int8 everywhere"]["partitions"] > 1
    assert "HARD_SWISH" in rows["int8 everywhere"]["outside"]
    assert not rows["HARD_SWISH float"]["outside"]
    assert rows["mixed, slim, corrected"]["bytes"] < rows["mixed"]["bytes"]
    ours, equalised = rows["mixed, slim, corrected"], rows["the same, equalised"]
    assert equalised["mean_px"] < 1.5 * ours["mean_px"]  # the net is not trained
    assert rows["mixed"]["bytes"] < 0.4 * rows["float32"]["bytes"]
    assert rows["int8, int8 edges"]["largest_px"] < 5  # it computes the same, but for rounding
    assert [point["pictures"] for point in record["curve"]] == [8, 16]
    lines = text.splitlines()
    assert "training, held out" in lines[0]
    assert [line.split("  ")[0] for line in lines[2 : 2 + len(rows)]] == list(rows)
    assert "ops outside" in next(line for line in lines if line.startswith("int8 everywhere"))
    assert lines[-2].startswith(" 16 calibration pictures: ")
    assert lines[-1].startswith(f"{record['enough_pictures']} are enough: ")


def test_so_many_pictures_are_enough_from_which_on_nothing_changes() -> None:
    curve = [Point(n, 7.0, px) for n, px in ((8, 0.30), (16, 0.25), (32, 0.27), (64, 0.251))]
    assert command.enough(curve[:2]) == 16
    assert command.enough(curve) == 64  # with 16 it was luck


def test_a_recipe_that_fails_says_why_in_its_row(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("no kernel\nfor this")

    monkeypatch.setattr(recipes_table, "_static", refuse)
    text, _ = command.run([str(run), *GIVEN, "--split", "common"])
    assert f"NME on {tiny_run.TEST_FACES} faces" in text
    assert "int16 activations       failed: no kernel for this" in text
    assert "mixed, slim, corrected" in text


def test_a_run_without_an_export_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"model\.fp32\.tflite: no such file"):
        command.run([str(tmp_path), *GIVEN])


def test_an_unknown_split_is_refused(run: Path) -> None:
    with pytest.raises(InputError, match="unknown"):
        command.run([str(run), *GIVEN, "--split", "nonsense"])
