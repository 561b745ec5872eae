"""Imports go one way. The same table is in ARCHITECTURE.md."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MAY_IMPORT: dict[str, set[str]] = {
    "efld": set(),
    "train": {"efld"},
    "export": {"efld"},
    "quantize": {"efld", "export"},
    "benchmark": {"efld"},
}


def imports(path: Path) -> set[str]:
    """Top-level packages that a file imports, inside functions too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize("stage", MAY_IMPORT)
def test_stages_import_one_way(stage: str) -> None:
    for path in (ROOT / stage).rglob("*.py"):
        illegal = imports(path) & MAY_IMPORT.keys() - {stage} - MAY_IMPORT[stage]
        assert not illegal, f"{path} must not import {sorted(illegal)}"


def test_models_and_losses_know_no_backend() -> None:
    paths = {*(ROOT / "efld/models").glob("*.py"), ROOT / "efld/losses.py"}
    for path in paths - {ROOT / "efld/models/tensorflow_kernels.py"}:
        assert not imports(path) & {"tensorflow", "jax", "torch"}, path


def test_architecture_md_has_the_same_table() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    rows = dict(re.findall(r"^\| `(\w+)/` \| ([^|]*) \|", text, re.MULTILINE))
    assert {stage: set(re.findall(r"`(\w+)`", row)) for stage, row in rows.items()} == MAY_IMPORT
