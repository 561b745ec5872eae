"""The table of ARM counts for documents, and what half precision does to points."""

import json
from pathlib import Path

import pytest

from benchmark.emulated import half, toolchain
from efld.errors import InputError
from efld.runtime import load
from efld.spec import ModelSpec
from tests.test_emulated import command
from tests.tiny_files import write_tflite

PEER = "peer.tflite"


@pytest.fixture(autouse=True)
def _tools() -> None:
    try:
        toolchain.tools()
    except InputError as error:
        pytest.skip(str(error))


def test_the_table_holds_what_the_record_holds_and_no_folders(tmp_path: Path) -> None:
    ours = write_tflite(tmp_path / "model.fp32.tflite")
    peer = write_tflite(tmp_path / PEER, spec=None, reverse=True)
    page = tmp_path / "counts.md"
    record = command(ours, "--peer", peer, "--markdown", page).record
    text = page.read_text()
    assert record is not None
    assert str(tmp_path) not in text + json.dumps(record)
    assert text.count("\n## a7") == 2
    for row in record["counts"]:
        name = PEER if row["peer"] else "tiny/model.fp32.tflite"
        start = f"| {name} | float32 | {row['file_bytes']:,} | {row['multiply_adds']:,} | "
        assert f"{start}{row['instructions']:,} | " in text
    assert text.count("| 1.000 |") == 2  # the peer, on each processor


def test_a_table_is_a_markdown_file(tmp_path: Path) -> None:
    ours = write_tflite(tmp_path / "model.tflite")
    with pytest.raises(InputError, match=r"expected a file \*\.md to write to"):
        command(ours, "--markdown", tmp_path / "counts.txt")


def test_half_precision_moves_points_by_what_its_digits_lack(tmp_path: Path) -> None:
    """Answers from 0.1 to 0.9 have steps of 2 ** -11 and finer in half precision; 16 px a crop."""
    model = load(write_tflite(tmp_path / "model.tflite"))
    found = half.moved(model.path, "a76", model.spec, model.session)
    assert found is not None
    assert found.faces == half.FACES
    assert 0 < found.mean_px <= found.largest_px
    other = ModelSpec(model="wflw", input_px=16, scheme="98")
    assert half.moved(model.path, "a76", other, model.session) is None
