"""The ablation: rows trained once, measured on held-out faces, written as a table."""

import shlex
from pathlib import Path

import numpy as np
import pytest

from efld.errors import InputError
from tests.tiny_data import put
from train import ablation
from train.config import changed

TINY = {"epochs": 1, "epoch_steps": 2, "batch": 4, "validation": 0.4}


@pytest.fixture
def words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A command over twelve faces, with a budget of two steps."""
    rng = np.random.default_rng(0)
    for i in range(12):
        put(tmp_path / "data", f"face{i}", rng.uniform(10, 90, (68, 2)).astype(np.float32))
    monkeypatch.setattr(ablation, "BUDGET", changed(ablation.BUDGET, TINY))
    paths = ["--data", tmp_path / "data", "--out", tmp_path / "runs", "--table", tmp_path / "a.md"]
    return [*map(str, paths), "--model", "efld-nano", "--seeds", "3"]


def test_rows_are_trained_measured_and_compared(words: list[str], tmp_path: Path) -> None:
    said: list[str] = []
    argv = [*words, "--rows", ablation.RECIPE, "no mirror"]
    ablation.main(argv, said.append)
    text = (tmp_path / "a.md").read_text()
    rows = [line for line in text.splitlines() if line.startswith(("| the recipe", "| no mirror"))]
    assert rows[0].endswith("| |")
    assert "±" in rows[1]
    assert "after 8 pictures of efld-nano" in text
    written = (tmp_path / "runs" / "no-mirror-3" / "model.keras").stat().st_mtime_ns
    ablation.main(argv, said.append)
    assert (tmp_path / "runs" / "no-mirror-3" / "model.keras").stat().st_mtime_ns == written
    assert (tmp_path / "a.md").read_text() == text


def test_the_table_says_what_another_seed_does(words: list[str]) -> None:
    given = ablation.parse([*words, "--seeds", "0", "1"])
    faces = np.arange(4.0)
    rows = [
        ablation.Row(ablation.RECIPE, np.stack([faces, faces + 0.1])),
        ablation.Row("l1", np.stack([faces, faces + 0.5])),
        ablation.Row("l2", np.stack([faces, faces + 0.2])),
    ]
    assert "lie 0.20 apart" in ablation.table(rows, given, ablation.BUDGET)
    one_seed = [row._replace(errors_percent=row.errors_percent[:1]) for row in rows]
    assert "apart" not in ablation.table(one_seed, given, ablation.BUDGET)


def test_the_table_says_the_command_that_makes_it(words: list[str]) -> None:
    some = ["--rows", ablation.RECIPE, "warps to other faces' shapes"]
    given = ablation.parse([*words, *some])
    typed = shlex.split(ablation.command(given))[4:]
    again = ablation.parse(typed)
    for choice in ("model", "rows", "seeds"):
        assert getattr(again, choice) == getattr(given, choice), choice
    whole = ablation.command(ablation.parse(["--data", "data/300w"]))
    assert whole == "python -m train ablation --data data/300w --model efld-small"


def test_the_recipe_must_be_among_the_rows(words: list[str]) -> None:
    with pytest.raises(InputError, match="expected 'the recipe' among them"):
        ablation.main([*words, "--rows", "l2"], print)


def test_models_are_compared_with_those_of_their_size_alone(words: list[str]) -> None:
    assert ablation.parse(["--data", "d"]).rows == list(ablation.ROWS)
    own = ablation.parse(words).rows
    assert own == [name for name, row in ablation.ROWS.items() if "model" not in row]
    other = "its blocks under Hong's head"
    with pytest.raises(InputError, match="another model than efld-nano, of another size"):
        ablation.parse([*words, "--rows", ablation.RECIPE, other])


def test_a_run_with_other_choices_is_not_mixed_in(words: list[str], tmp_path: Path) -> None:
    argv = [*words, "--rows", ablation.RECIPE]
    ablation.main(argv, lambda _: None)
    with pytest.raises(InputError, match=r"cannot resume with other choices .* another --out\."):
        ablation.main([*argv, "--model", "efld-small"], lambda _: None)


def test_every_row_changes_something() -> None:
    for name, choices in ablation.ROWS.items():
        differs = changed(ablation.BUDGET, dict(choices)).changes(ablation.BUDGET)
        assert set(differs) == set(choices), name
