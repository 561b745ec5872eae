"""Model cards and the README say what was measured."""

import copy
import json
import re
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmark import accuracy_report, beside, card
from benchmark.__main__ import main
from benchmark.emulated import gate
from efld import files
from efld.errors import InputError
from efld.run_files import CALIBRATION, FILES, QUANTIZE, SPEC, WEIGHTS
from efld.spec import ModelSpec
from quantize.commands import recipes
from quantize.kept import SCHEMA
from train.__main__ import config_of, parser

ROOT = Path(__file__).parent.parent
PUBLISHED = sorted((ROOT / "pretrained").glob(f"*/{card.RECORD}"))
# Each by a preset of its own.
BY_PRESET = (
    "efld-small", "efficientnet-lite0", "efld-small-160px", "efficientnet-lite0-144px",
    "efficientnet-lite0-160px", "efficientnet-lite0-176px", "efld-large",
)  # fmt: skip
# Beside PFLD; the most accurate last.
MEASURED = (
    *BY_PRESET, "efld-small-160px-mirrored", "efld-large-mirrored",
    "efficientnet-lite0-176px-mirrored",
)  # fmt: skip


def record() -> dict[str, Any]:
    accuracy = {
        split: [
            {"file": name, "nme_percent": 4 + i + j / 10, "file_bytes": 1000 * (j + 1)}
            for j, name in enumerate(card.ARTEFACTS.values())
        ]
        for i, split in enumerate(card.SPLITS)
    }
    return {
        "schema": card.SCHEMA,
        "name": "x-best",
        "command": "python -m benchmark card runs/x --data 300w",
        "spec": {
            "model": "x", "input_px": 112, "box_factor": 1.25, "data": ["a", "b"],
            "licence": "research only", "weights_sha256": "00",
        },
        "training": {"command": "python -m train 300w", "versions": {"keras": "3"}},
        "seed": 0,
        "calibration": "embedded synthetic faces",
        "accuracy": accuracy,
        "cpu": "Kryo",
        "latency": [{"file": "model.int8.tflite", "median_ms": 0.1, "ratio": 0.5}],
    }  # fmt: skip


def test_a_card_names_data_terms_command_and_figures() -> None:
    text = card.card(record())
    for expected in ("a; b", "research only", "python -m train 300w", "seed 0", "synthetic faces"):
        assert expected in text
    assert "| x-best | TFLite int8 | 5,000 | 4.40 | 5.40 | 6.40 | 0.50 |" in text
    assert "time on one thread of Kryo" in text


def test_a_card_tells_what_int8_saves_on_arm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    counted = {"fp32": {"a72": 1000, "a76": 500}, "int8": {"a72": 940, "a76": 300}}
    counts = {
        gate.key("x-best", FILES[kind], cpu): count
        for kind, by_cpu in counted.items()
        for cpu, count in by_cpu.items()
    }
    files.write_json(gate.RECORD, {"schema": gate.SCHEMA, "instructions": counts})
    text = card.card(record())
    assert "| TFLite float32 | 3,000 | 4.20 | 5.20 | 6.20 |  | 1.00 | 1.00 |" in text
    assert "| TFLite int8 | 5,000 | 4.40 | 5.40 | 6.40 | 0.50 | 0.94 | 0.60 |" in text


def test_the_smallest_model_comes_first() -> None:
    small = record() | {"name": "small"}
    large = copy.deepcopy(small) | {"name": "large"}
    large["accuracy"]["full"][-1]["file_bytes"] += 1  # of int8
    names = [line.split(" | ")[0] for line in card.table([large, small]).splitlines()[2:12]]
    assert names == ["| small"] * 5 + ["| large"] * 5


def test_results_are_written_between_the_marks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    files.write_json(tmp_path / "pretrained" / "x" / card.RECORD, record())
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{card.MARKS[0]}\nold\n{card.MARKS[1]}\nafter\n")
    main(["results"])
    text = readme.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    assert card.table([record()]) in text
    readme.write_text("no marks")
    with pytest.raises(InputError, match="expected the marks"):
        card.write_results(readme)


def test_a_run_that_was_not_exported_has_no_card(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Run export and quantize"):
        card.measure(tmp_path, tmp_path, "")
    with pytest.raises(InputError, match="expected a name such as efld-small"):
        card.measure(tmp_path, tmp_path, "", name="../x")


def test_a_run_without_a_training_is_refused_before_it_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = tmp_path / "run"
    ModelSpec(model="x", input_px=112).write(run / SPEC)
    QUANTIZE.write(run, {"calibration_data": "embedded synthetic faces"})
    for name in card.ARTEFACTS.values():
        (run / name).touch()
    with pytest.raises(InputError, match="nothing says how its weights were made"):
        card.measure(run, tmp_path, "")


def test_kept_calibration_is_published_with_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = tmp_path / "run"
    for name in (WEIGHTS, SPEC, CALIBRATION):
        with files.whole(run / name) as path:
            path.write_text(name)
    published = card.publish(run, record()) / CALIBRATION
    assert published.read_text() == CALIBRATION
    (run / CALIBRATION).unlink()
    card.publish(run, record())
    assert not published.exists()


def test_a_published_model_is_measured_again_without_its_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    spec = ModelSpec(model="x", input_px=112, weights_sha256="00")
    files.write_json(tmp_path / "pretrained" / "x" / card.RECORD, record())
    found = card._training(tmp_path / "run", Path("pretrained/x"), spec)
    assert found == {"training": record()["training"], "seed": 0}
    with pytest.raises(InputError, match=r"nothing says how .*--name of the published model"):
        card._training(tmp_path / "run", Path("pretrained/x"), replace(spec, weights_sha256="01"))


@pytest.mark.parametrize("verb", ["trim", "mirror"])
def test_a_model_made_of_another_says_how_both_were_made(
    verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    spec = ModelSpec(model="x", input_px=112, weights_sha256="00")
    source = tmp_path / "pretrained" / "x"
    spec.write(source / "spec.json")
    files.write_json(source / card.RECORD, record())
    made = {"schema": 1, "command": f"python -m train {verb} pretrained/x", "source_sha256": "00"}
    files.write_json(tmp_path / "run" / f"{verb}.json", {**made, "source": "pretrained/x"})
    found = card._training(tmp_path / "run", Path("pretrained/y"), spec)
    before = record()["training"]
    command = f"{before['command']}; python -m train {verb} pretrained/x"
    assert found == {"training": {**before, "command": command}, "seed": 0}
    replace(spec, weights_sha256="01").write(source / "spec.json")
    with pytest.raises(InputError, match=rf"by now \(01\) than {verb}\.json tells of \(00\)"):
        card._training(tmp_path / "run", Path("pretrained/y"), spec)


def test_readme_has_the_figures_of_the_cards() -> None:
    records = [files.read_json(path, card.SCHEMA, "card") for path in PUBLISHED]
    assert card.table(records) in (ROOT / "README.md").read_text()


def test_readme_has_the_figure_of_rendered_faces_alone() -> None:
    record = files.read_json(
        ROOT / "results/synthetic-on-300w-common.json", accuracy_report.SCHEMA, "-"
    )
    (row,) = record["files"]
    assert (
        f"NME of {row['nme_percent']:.1f} % on the real faces" in (ROOT / "README.md").read_text()
    )


def test_readme_has_the_figures_of_the_efld_loss() -> None:
    path = ROOT / "results/efld-loss-on-300w.json"
    rows = files.read_json(path, accuracy_report.SCHEMA, "-")["files"]
    found = {Path(row["file"]).parent.name: row["nme_percent"] for row in rows}
    text = " ".join((ROOT / "README.md").read_text().split())
    assert f"is {found['efld-0']:.1f} and {found['efld-1']:.1f} %" in text
    assert f"with wing {found['wing-0']:.2f} and {found['wing-1']:.2f} %" in text
    assert f"(`--loss efld-wing`, one seed) it is {found['efld-wing-0']:.2f} %" in text


def test_readme_says_what_the_ablation_shows() -> None:
    lines = (ROOT / "results/ablation.md").read_text().splitlines()
    rows = [line.split("|") for line in lines if "±" in line]
    adds = {row[1].strip(): float(row[-2].split("±")[0]) for row in rows}
    loss = adds.pop("EFLD")
    text = " ".join((ROOT / "README.md").read_text().split())
    largest = max(map(abs, adds.values()))
    assert f"EFLD's loss adds {loss:.0f} points of NME" in text
    assert f"nothing else moves it by more than {largest:.2f}," in text
    [apart] = re.findall(r"lie (\S+) apart", "\n".join(lines))
    assert f"where two seeds of one choice lie {apart} apart" in text


@pytest.mark.parametrize("name", MEASURED)
def test_readme_has_the_figures_beside_pfld(name: str) -> None:
    path = ROOT / f"results/{name}-beside-pfld-on-300w.json"
    record = files.read_json(path, beside.SCHEMA, "-")
    ours, _, peer = (row["nme_percent"] for row in record["accuracy"]["files"])
    ratio = record["host"]["files"][0]["ratio"]
    text = " ".join((ROOT / "README.md").read_text().split())
    assert f"| {name} | {ratio:.2f} | [{ours:.2f} %]({path.relative_to(ROOT)}) |" in text
    assert f"an open PFLD (2.9 MB, {peer:.2f} %, trained" in text


@pytest.mark.parametrize("stem", ["efficientnet-w0.5-d1.1", "pfld"])
def test_readme_says_what_int8_costs_by_the_usual_ways(stem: str) -> None:
    path = f"results/{stem}-recipes-on-300w.json"
    record = files.read_json(ROOT / path, recipes.SCHEMA, "-")
    rows = {row["recipe"]: row for row in record["rows"]}

    def cost(recipe: str) -> str:
        added = rows[recipe]["nme_percent"] - rows["float32"]["nme_percent"]
        return f"{added:+.3f} ({rows[recipe]['time_ratio']:.2f})"

    usual = " | ".join(map(cost, ("int8 everywhere", "HARD_SWISH float")))
    ours = cost(f"{FILES['int8']} of the run")
    assert f"| {usual} | [{ours}]({path}) |" in (ROOT / "README.md").read_text()


def test_readme_says_what_more_accurate_models_cost_on_arm() -> None:
    counts = gate.recorded(ROOT / gate.RECORD)
    same, best = (
        sorted(
            counts[gate.key(name, FILES["int8"], cpu)]
            / counts[gate.key("efld-small", FILES["int8"], cpu)]
            for cpu in card.ARM
        )
        for name in ("efld-small-160px", MEASURED[-1])
    )
    text = " ".join((ROOT / "README.md").read_text().split())
    assert f"MODEL={MEASURED[-1]}` the most accurate of the models below" in text
    said = f"{same[0]:.1f} and {best[0]:.1f} to {best[1]:.1f}"
    assert f"their int8 files need {said} times the instructions of efld-small's on ARM" in text
    assert round(same[0], 1) == round(same[1], 1)


def test_readme_has_the_instructions_beside_mediapipe() -> None:
    counts = json.loads((ROOT / "results/arm-counts.json").read_text())["counts"]
    found = {Path(row["file"]).name: row["instructions"] for row in counts
             if row["cpu"] == "a72" and (row["peer"] or row["model"] == "efld-small")}  # fmt: skip
    ratio = found["model.int8.tflite"] / found["mediapipe_face_landmark_468_192px.tflite"]
    text = " ".join((ROOT / "README.md").read_text().split())
    assert f"takes {ratio:.2f} of the instructions of MediaPipe's face mesh" in text


@pytest.mark.parametrize("name", ["starts/efld-small-300w", *BY_PRESET])
def test_a_preset_says_what_its_command_reached(name: str) -> None:
    record = files.read_json(ROOT / "pretrained" / name / card.RECORD, card.SCHEMA, "card")
    keras = record["accuracy"]["full"][0]
    text = " ".join((ROOT / "train/config.py").read_text().replace(" # ", " ").split())
    words = f"command in pretrained/{name}, seed 0, the NME on full is"
    assert f"{words} {keras['nme_percent']:.2f} %" in text


@pytest.mark.parametrize("path", PUBLISHED, ids=lambda path: path.parent.name)
def test_a_card_tells_the_command_of_its_weights(path: Path) -> None:
    """A preset that changes afterwards would make the command train another model."""
    command, *made = files.read_json(path, card.SCHEMA, "card")["training"]["command"].split("; ")
    words = shlex.split(command)
    assert words[:3] == ["python", "-m", "train"]
    config = config_of(parser().parse_args(words[3:]))
    spec = ModelSpec.read(path.with_name(SPEC))
    trained = spec.model.removesuffix("-mirrored")
    assert (config.model, config.scheme) == (trained, spec.scheme)
    mirroring = f"python -m train mirror pretrained/{trained} --data data/300w"
    assert made == ([] if trained == spec.model else [mirroring])
    assert config.box_factor == spec.box_factor
    assert len(config.extra) <= sum("faces)" in line for line in spec.data)


@pytest.mark.parametrize("path", PUBLISHED, ids=lambda path: path.parent.name)
def test_a_published_card_is_of_its_weights(path: Path) -> None:
    found = files.read_json(path, card.SCHEMA, "card")
    spec = ModelSpec.read(path.with_name("spec.json"))
    assert files.sha256(path.with_name("model.keras")) == spec.weights_sha256
    assert found["spec"]["weights_sha256"] == spec.weights_sha256
    assert path.with_name(card.CARD).read_text() == card.card(found)
    if (kept := path.with_name(CALIBRATION)).is_file():
        int8 = next(row for row in found["accuracy"]["common"] if row["file"] == FILES["int8"])
        choice = files.read_json(kept, SCHEMA, "quantize")
        assert choice["int8_sha256"] == int8["sha256"]
        assert choice["rendered_px"] > 0
