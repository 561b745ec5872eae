"""The report of a run: what it says, what it says is missing, and that both pages agree."""

import html
import re
import shutil
import subprocess
from argparse import Namespace
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from benchmark import __main__ as benchmark_main
from benchmark.commands import report as command
from benchmark.emulated.measure import Counts, Emulated
from benchmark.emulated.toolchain import Tools
from benchmark.host import Host, Latency
from efld import files
from efld.errors import InputError
from efld.spec import ModelSpec
from train import config

NAMES = ("model.fp32.tflite", "model.fp16.tflite", "model.int8.tflite")
INSTRUCTIONS = {  # float32, float16, int8
    "a72": (7_456_367, 7_456_367, 6_888_354),
    "a76": (7_456_367, 3_986_230, 4_525_602),
}
NME_PERCENT = (3.926, 3.926, 3.948)
SIZES = (857_232, 446_576, 287_696)
PEER = "pfld.tflite"
PEER_SHA = "9" * 64
EVIL = '<script>alert("x")</script>|`_*'


def write(path: Path, **record: Any) -> None:
    files.write_json(path, {"schema": 1, **record})


def sha(run: Path, name: str) -> str:
    return PEER_SHA if name == PEER else files.sha256(run / name)


def error(run: Path, name: str, nme_percent: float) -> dict[str, Any]:
    return {
        "file": f"runs/x/{name}", "sha256": sha(run, name), "file_bytes": 1000, "model": "PFLD",
        "faces": 689, "nme_percent": nme_percent, "nme_interval": [3.8, 4.1], "auc": 0.5,
        "failure_rate": 0.02, "minus_first_file": None,
    }  # fmt: skip


def accuracy(run: Path, errors: dict[str, float]) -> dict[str, Any]:
    rows = [error(run, name, nme) for name, nme in errors.items()]
    spread = [{"nme_percent": 6.31, "nme_interval": [6.05, 6.54]}] * len(rows)
    groups = [{"kind": "region", "name": "jaw", "faces": 689, "files": spread}]
    return {
        "schema": 2, "command": "python -m benchmark accuracy FILES", "data": "data/300w",
        "split": "full", "normaliser": "inter-ocular", "threshold_percent": 8.0, "level": 0.95,
        "files": rows, "groups": groups,
    }  # fmt: skip


def host(run: Path, names: tuple[str, ...]) -> dict[str, Any]:
    rows = tuple(
        Latency(
            file=f"/home/me/secret/{name}", sha256=sha(run, name), file_bytes=1000,
            peer=name == PEER, runtime="litert", threads=1, runs=9, median_ms=0.2, p95_ms=0.3,
            ratio=0.142 + i, ratio_quartiles=(0.1, 0.2), partitions=1, outside={},
            memory_bytes=4096,
        )
        for i, name in enumerate(names)
    )  # fmt: skip
    found = Host(
        cpu="AMD EPYC", cores=2, system="Linux", load_average=0.5, seconds_per_file=3, seed=0,
        reference=f"/home/me/secret/{names[-1]}", memory_means="", files=rows,
    )  # fmt: skip
    return {"command": "python -m benchmark host FILES", **asdict(found)}


def emulated(run: Path) -> dict[str, Any]:
    rows = [
        Counts(
            file=f"runs/x/{name}", sha256=sha(run, name), file_bytes=size, model="efld-small",
            peer=name == PEER, cpu=cpu, fp16=cpu == "a76" and name == NAMES[1], instructions=count,
            classes={}, shares={"fmla_f32": 0.5}, multiply_adds=1, main_class="fmla_f32",
            efficiency=0.5, host_difference=0.01, partitions=1,
        )
        for cpu, counts in INSTRUCTIONS.items()
        for name, count, size in zip(
            (*NAMES, PEER), (*counts, 56_629_186), (*SIZES, 2_926_580), strict=True
        )
    ]  # fmt: skip
    found = Emulated(tools=Tools("7.2", "1", "2", "3"), host_runtime="litert", counts=tuple(rows))
    layers = [{"kind": "CONV_2D 1x1", "instructions": 7_000_000},
              {"kind": "HARD_SWISH", "instructions": -100},
              {"kind": "ADD", "instructions": 456_467}]  # fmt: skip
    by_layer = [{"file": f"runs/x/{NAMES[0]}", "cpu": "a72", "layers": layers}]
    return {"command": "python -m benchmark emulated FILES", **asdict(found), "layers": by_layer}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`runs/x` with model files, spec and the records of the chain; nothing measured yet."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(benchmark_main.COMMANDS, "report", command)
    run = Path("runs/x")
    run.mkdir(parents=True)
    for name in ("model.keras", *NAMES):
        (run / name).write_text(name)
    ModelSpec(model="efld-small", input_px=112, data=(EVIL,), licence="research only").write(
        run / "spec.json"
    )
    chosen = {"epochs": 2, "epoch_steps": 9, "batch": 64, "loss": "wing", "seed": 0,
              "data": "/home/me/secret"}  # fmt: skip
    trained: dict[str, Any] = {"command": "python -m train 300w", "config": chosen}
    write(run / "config.json", schema=config.SCHEMA, versions={"a": "1"}, **trained)
    (run / "history.csv").write_text("epoch,nme,val_nme\n1,28.74,20.94\n2,3.75,3.71\n")
    steps = [step(run, name, size) for name, size in zip(NAMES, SIZES, strict=True)]
    data = {"root": "embedded synthetic faces", "split": "common", "faces": 300}
    write(run / "export.json", input_px=112, data=data, steps=steps[:2])
    options = {"calibration_faces": 256, "max_nme_drop": 0.05}
    write(run / "quantize.json", calibration_data="synthetic", method="min-max", options=options,
          latency={"int8_over_fp32": 0.74}, step=steps[2])  # fmt: skip
    return run


def step(run: Path, name: str, size: int) -> dict[str, Any]:
    return {"step": name.split(".")[1], "file": name, "bytes": size, "sha256": sha(run, name),
            "largest_px": 0.098, "mean_px": 0.009, "nme_percent": 7.26,
            "verdict": "ok, limit 0.25 px"}  # fmt: skip


@pytest.fixture
def measured(run: Path) -> Path:
    """The same with every record but those of phones and papers."""
    own = dict(zip(NAMES, NME_PERCENT, strict=True))
    files.write_json(run / "bench/accuracy.json", accuracy(run, own))
    write(run / "bench/host.json", **host(run, (*NAMES, PEER)))
    write(run / "bench/emulated.json", **emulated(run))
    write(run / "bench/beside.json", command="python -m benchmark beside FILES", peer_specs=[],
          accuracy=accuracy(run, own | {PEER: 3.72}), host=host(run, (*NAMES, PEER)))  # fmt: skip
    return run


def made(run: Path, *flags: str) -> tuple[str, str]:
    """The page and the Markdown."""
    benchmark_main.main(["report", str(run), *flags])
    return (run / "report.html").read_text(), (run / "report.md").read_text()


def numbers(text: str) -> set[str]:
    return set(re.findall(r"\d[\d.,]*\d|\d", text))


def page_numbers(page: str) -> set[str]:
    """Of a page's text; pictures repeat what stands in tables."""
    text = re.sub(r"<(svg|style|nav|title)\b.*?</\1>", "", page, flags=re.DOTALL)
    return numbers(html.unescape(re.sub("<[^>]*>", " ", text)))


def test_a_run_with_no_measurements_says_which_commands_make_them(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page, text = made(run)
    said = capsys.readouterr().out
    for name in ("accuracy", "host", "beside", "emulated", "estimate", "android"):
        assert f"python -m benchmark {name} runs/x/model.fp32.tflite" in page
        assert f"python -m benchmark {name} runs/x/model.fp32.tflite" in text
        assert f"python -m benchmark {name} runs/x/model.fp32.tflite" in said
    assert "python -m benchmark claims" in said


def test_a_run_that_was_only_trained_says_how_to_export_it(run: Path) -> None:
    for name in ("export.json", "quantize.json", "config.json", *NAMES):
        (run / name).unlink()
    page, _ = made(run)
    assert "python -m export runs/x" in page
    assert "python -m quantize runs/x" in page


def test_html_and_markdown_hold_the_same_figures(measured: Path) -> None:
    page, text = made(measured)
    assert page_numbers(page) == numbers(html.unescape(text))
    for figure in ("7,456,367", "3.948", "56,629,186", "0.142", "28.74", "857,232"):
        assert figure in text


def test_the_same_records_give_the_same_bytes(measured: Path) -> None:
    assert made(measured) == made(measured)


def test_whatever_a_record_says_stays_text(run: Path) -> None:
    page, text = made(run)
    assert "<script" not in page
    assert html.escape(EVIL, quote=False).split("|")[0] in page.replace("&#34;", '"')
    assert "<script" not in text
    assert "\\|\\`\\_\\*" in text


def test_folders_of_this_machine_stay_here(measured: Path) -> None:
    assert "secret" not in "".join(made(measured))


def test_the_page_needs_no_network_and_no_scripts(measured: Path) -> None:
    page, _ = made(measured)
    links = re.findall(r"""(?:src|href)=["']?([^"'> ]+)""", page)
    assert [link for link in links if not link.startswith(("#", "data:"))] == []
    assert "<script" not in page
    assert "url(http" not in page


def test_accuracy_html_is_linked_where_it_is(run: Path) -> None:
    files.write_json(run / "bench/accuracy.json", accuracy(run, {NAMES[0]: 3.9}))
    assert 'href="accuracy.html"' not in made(run)[0]
    (run / "accuracy.html").write_text("")
    assert 'href="accuracy.html"' in made(run)[0]


def test_figures_of_other_bytes_are_left_out_and_said_so(measured: Path) -> None:
    (measured / NAMES[2]).write_text("another int8 file")
    _, text = made(measured)
    assert "6,888,354" not in text
    assert "Left out, measured before the file changed: model.int8.tflite" in text
    assert "model.int8.tflite has changed since this step wrote it" in text


def test_a_peer_stands_on_the_frontier_chart_where_its_error_and_count_are_known(
    measured: Path,
) -> None:
    row = next(line for line in made(measured)[1].splitlines() if line.startswith("| PFLD"))
    assert row == "| PFLD | a peer's | 3.720 | 56,629,186 \\* | 56,629,186 \\* |"


def test_advice_rests_on_what_the_chain_measured_until_all_is_measured(measured: Path) -> None:
    assert "Errors: 689 faces, split full, inter-ocular." in made(measured)[1]
    for name in ("accuracy", "beside"):
        (measured / f"bench/{name}.json").unlink()
    files.write_json(measured / "bench/accuracy.json", accuracy(measured, {NAMES[2]: 3.948}))
    assert "faces of embedded synthetic faces, as the chain measured them" in made(measured)[1]


def test_a_peer_record_adds_to_the_runs_own(measured: Path) -> None:
    (measured / "bench/beside.json").rename("elsewhere.json")
    assert "3.720" not in made(measured)[1]
    assert "3.720" in made(measured, "--peer-record", "elsewhere.json")[1]


@pytest.mark.parametrize(
    ("content", "said"),
    [("{}", "expected a record of"), ("[", "not JSON"), (None, "no such file")],
)
def test_a_peer_record_that_is_none_is_refused(run: Path, content: str | None, said: str) -> None:
    if content is not None:
        Path("peer.json").write_text(content)
    with pytest.raises(InputError, match=said):
        command.run(_options(run, Path("peer.json")), "")


def test_a_history_that_is_cut_off_is_refused(run: Path) -> None:
    (run / "history.csv").write_text("epoch,nme,val_nme\n1,28.7\n")
    with pytest.raises(InputError, match="expected a number in each column"):
        command.run(_options(run), "")


def _options(run: Path, *peers: Path) -> Namespace:
    return Namespace(run=run, peer_record=list(peers))


def test_a_folder_that_is_no_run_is_refused(run: Path) -> None:
    with pytest.raises(InputError, match=r"no such run\. Make it: `make export MODEL=y`"):
        command.run(_options(Path("runs/y")), "")


def browse(page: Path, profile: Path) -> list[str]:
    """What headless Chromium says on its console about a page."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not installed (on Debian: apt install chromium)")
    flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"]
    done = subprocess.run(
        [chromium, *flags, f"--user-data-dir={profile}", "--dump-dom", page.absolute().as_uri()],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert "</html>" in done.stdout
    return re.findall("CONSOLE.*", done.stderr)


def test_chromium_opens_the_page_without_errors(measured: Path, tmp_path: Path) -> None:
    made(measured)
    assert browse(measured / "report.html", tmp_path / "profile") == []


def test_chromium_refuses_the_page_all_requests_and_scripts(run: Path, tmp_path: Path) -> None:
    page, _ = made(run)
    bad = tmp_path / "bad.html"
    intruder = '<img src="http://example.invalid/x.png"><script>window.x = 1</script>'
    bad.write_text(page.replace("<h1>", f"{intruder}<h1>"))
    said = browse(bad, tmp_path / "profile")
    assert len(said) == 2
    assert all("violates the following Content Security Policy" in line for line in said)
