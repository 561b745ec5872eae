"""What a report says of int8, and of runs that were made of somebody else's file."""

import html
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from efld import files
from efld.run_files import QUANTIZE
from export.foreign_spec import Told
from quantize.commands import foreign as foreign_command
from quantize.commands import run as run_command
from quantize.search.blame import Blame
from quantize.search.journal import Result
from tests.report_fixtures import EVIL, NAMES, made, run, step
from tests.test_report import numbers, page_numbers

__all__ = ["run"]  # the fixture


def changed(path: Path, **fields: Any) -> None:
    record = files.read_json(path, QUANTIZE.schema if path.name == QUANTIZE.file else 1, "")
    files.write_json(path, record | fields)


def int8(run: Path) -> str:
    """The section, in Markdown."""
    return made(run)[1].partition("## int8")[2].partition("\n## ")[0]


def searched(**fields: Any) -> dict[str, Any]:
    parts = [
        Blame("conv_2d_0..conv_2d_8", ("CONV_2D",), 7.79, 1.889, 0.752, 1.4514),
        Blame("conv_2d_9", ("CONV_2D",), 91.9, 0.2123, 2.199, -0.0002),
        Blame("softmax_81", ("SOFTMAX",), 0.3, None, None, 0.0),
    ]
    result = asdict(
        Result(bytes=107_856, mean_px=0.3354, drop=0.0159, drop_half=0.0374, nme_percent=6.839)
    )
    finalists = [
        result | {"float_ops": 42, "method": "min-max", "latency_ratio": 0.847, "cost": 0.847,
                  "chosen": True, "holds": True, "baseline": None},
        result | {"float_ops": 40, "method": "min-max", "latency_ratio": 0.84, "cost": 3_061_597.0,
                  "chosen": False, "holds": False, "baseline": "the hand recipe"},
    ]  # fmt: skip
    kept = {"unit": parts[0].unit, "float_ops": 3, "of_ops": 9, "gain_px": 1.586, "gain_nme": 0.47}
    found = {
        "objective": "host-latency", "budget": 0.05, "margin": "half of it", "trials": 77,
        "seconds": 1.3, "blame_method": "least-error", "units": [asdict(part) for part in parts],
        "frontier": finalists, "float_units": [kept],
    }  # fmt: skip
    return found | fields


def test_the_calibration_methods_stand_side_by_side_and_the_chosen_one_is_marked(run: Path) -> None:
    text = int8(run)
    assert "| min-max, chosen | 6.853 | 0.389 |" in text
    assert "| moving-average | 6.908 | 0.485 |" in text
    assert "256 training faces of synthetic, on 114 other training faces of embedded" in text


def test_a_file_made_as_its_weights_keep_it_compares_no_methods(run: Path) -> None:
    assert "The one nearest to float32 is chosen" in int8(run)
    changed(run / QUANTIZE.file, as_kept=True)
    text = int8(run)
    assert "The method and what stays float are those kept with the weights." in text
    assert "is chosen:" not in text


def test_figures_of_two_sets_of_faces_are_not_in_one_table(run: Path) -> None:
    other = {"root": "data/300w", "split": "common", "faces": 554}
    assert "| model.int8.tflite |" in made(run)[1]
    changed(run / QUANTIZE.file, data=other)
    text = made(run)[1]
    assert "| model.int8.tflite |" not in text
    assert "model.int8.tflite was measured on 554 faces of data/300w, split common, before" in text


def test_what_stayed_float_stands_by_reason(run: Path) -> None:
    text = int8(run).replace("\\", "")
    assert "8 ops compute in int8, 4 in float, 7 convert between them; 1 XNNPACK part" in text
    assert "| kernel | 2 HARD_SWISH, 1 SOFTMAX | 3 | XNNPACK has no int8 kernel" in text


def test_without_a_search_the_ten_worst_layers_stand_and_how_to_search(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [line for line in int8(run).splitlines() if line.startswith("| conv\\_2d\\_")]
    assert rows[0] == "| conv\\_2d\\_11 | 1.10 |"
    assert len(rows) == 10
    command = "python -m quantize runs/x --calibration-faces 256 --seed 0 --max-nme-drop 0.05"
    assert f"Run: {command} --objective host-latency" in capsys.readouterr().out


def test_a_search_shows_each_part_and_the_files_it_chose_from(run: Path) -> None:
    changed(run / "quantize.json", search=searched())
    text = int8(run).replace("\\", "")
    row = "| conv_2d_0..conv_2d_8 | 7.8 | 1.889 | 0.752 | +1.451 | 3 of 9 | +1.586 | +0.470 |"
    assert row in text
    assert "| conv_2d_9 | 91.9 | 0.212 | 2.199 | +0.000 | - | - | - |" in text
    assert "| softmax_81 | 0.3 | no kernel | - | - | - | - | - |" in text
    assert "| min-max, chosen | 42 | 107,856 | 0.335 | +0.016 | 0.037 | 0.847 |" in text
    assert "| the hand recipe, min-max, over the budget | 40 |" in text
    assert "Missing" not in text


def test_a_search_for_instructions_shows_them(run: Path) -> None:
    changed(run / "quantize.json", search=searched(objective="arm-instructions"))
    assert "| 0.840 | 3,061,597 |" in int8(run)


def test_both_pages_hold_the_same_figures_and_the_drawing_is_in_one(run: Path) -> None:
    changed(run / "quantize.json", search=searched())
    page, text = made(run)
    assert page_numbers(page) == numbers(html.unescape(text))
    drawn = page.partition('aria-label="what each part costs in int8"')[2].partition("</svg>")[0]
    assert "conv_2d_0..conv_2d_8" in drawn
    assert "only it in int8" in drawn


def test_names_of_parts_stay_text(run: Path) -> None:
    odd = asdict(Blame(f"$x_1${EVIL}", ("CONV_2D",), 1.0, 0.1, 0.2, 0.3))
    changed(run / "quantize.json", search=searched(units=[odd]))
    page, _ = made(run)
    assert "<script" not in page
    assert "$x_1$" in page.partition("what each part costs")[2].partition("</svg>")[0]


@pytest.mark.parametrize("name", [NAMES[0], NAMES[2]])
def test_figures_of_other_bytes_are_left_out(run: Path, name: str) -> None:
    (run / name).write_text("another file")
    text = int8(run)
    assert f"Left out, measured before the file changed: {name}. Run again: " in text
    assert "6.853" not in text


def test_a_run_without_int8_says_how_to_make_it(run: Path) -> None:
    (run / "quantize.json").unlink()
    assert "To make it: `python -m quantize runs/x`" in int8(run)
    data = {"root": "data/300w", "split": "common", "faces": 9}
    changed(run / "export.json", data=data)
    made = "python -m quantize runs/x --data data/300w --split common"
    assert f"To make it: `{made}`" in int8(run)


def test_the_command_line_is_one_that_quantize_takes(run: Path) -> None:
    given = {"calibration_faces": 64, "seed": 3, "max_nme_drop": 0.03, "objective": "size"}
    data = {"root": "data/300w", "split": "common", "faces": 9}
    changed(run / "quantize.json", options=given, search=searched(objective="size"), data=data)
    line = int8(run).rpartition("Command: `python -m quantize ")[2].partition("`")[0]
    found = vars(run_command.parse(line.split()))
    assert found == given | {"run": "runs/x", "data": Path("data/300w"), "split": "common"}


@pytest.fixture
def foreign(run: Path) -> Path:
    """The run, as if it had been made of a file of other people."""
    for name in ("config.json", "history.csv", "model.keras"):
        (run / name).unlink()
    (run / "source.onnx").write_text("theirs")
    told = Told(preprocess="rgb01", scheme="68", box_factor=1.1, origin_px=0.0, output="points")
    seen = {"faces": 256, "origin": "given", "nme_percent": 3.3895, "better": [],
            "others_nme_percent": {"--box 1.2": 3.3438}}  # fmt: skip
    source = step(run, "source.onnx", 2_913_787) | {"step": "source", "verdict": "reference"}
    steps = [source, *files.read_json(run / "export.json", 1, "")["steps"]]
    about = {"file": "their net.onnx", "sha256": source["sha256"], "told": asdict(told)}
    data = {"root": "data/300w", "split": "common", "faces": 554}
    changed(run / "export.json", steps=steps, data=data, foreign=about | {"found": seen},
            limits={"fp16": {"largest_px": 0.5}})  # fmt: skip
    changed(run / QUANTIZE.file, data=data)
    return run


def test_a_foreign_run_speaks_of_the_file_it_was_made_of(
    foreign: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page, text = made(foreign)
    assert "| weights | source.onnx, sha256" in text
    assert "Differences to source.onnx, pixels" in text
    assert "Made of their net.onnx, which was trained elsewhere, and kept as source.onnx." in text
    assert "NME 3.389 % on 256 training faces" in text
    for nonsense in ("model.keras", "python -m train", "python -m export"):
        assert nonsense not in page + text + capsys.readouterr().out


def test_a_foreign_run_says_the_command_that_makes_it(foreign: Path) -> None:
    line = (
        "python -m quantize 'their net.onnx' --data data/300w --split common --preprocess rgb01 "
        "--points 68 --box 1.1 --units 01 --origin 0 --output points --fp16-limit-px 0.5 "
        "--run runs/x"
    )
    assert f"Command: `{line}`" in made(foreign)[1]
    foreign_command.parse(line.replace("their net", "net").split()[3:])


def test_a_foreign_run_that_fits_another_reading_better_says_so(foreign: Path) -> None:
    record = files.read_json(foreign / "export.json", 1, "")["foreign"]
    record["found"]["better"] = ["--box 1.2"]
    changed(foreign / "export.json", foreign=record)
    assert "> There it has 3.344 % with --box 1.2: was it trained like that?" in made(foreign)[1]
