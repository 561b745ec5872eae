"""The report of a run: what it says, what it says is missing, and that both pages agree."""

import html
import json
import re
import shutil
import subprocess
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

import pytest

from benchmark.commands import report as command
from benchmark.emulated import gate
from benchmark.report import records
from efld import files
from efld.errors import InputError
from efld.run_files import MIRROR
from efld.spec import ModelSpec
from tests.report_fixtures import (
    EVIL,
    NAMES,
    PEER,
    accuracy,
    error,
    host,
    made,
    measured,
    run,
    write,
)
from tests.test_card import record

__all__ = ["measured", "run"]  # the fixtures


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
    figures = ("7,456,367", "3.948", "56,629,186", "0.142", "28.74", "857,232", "3.21", "0.456")
    for figure in (
        *figures,
        "by 0.12 px of the crop, at most 0.34",
        "90 (90%)",
        "Energy: not exposed",
    ):
        assert figure in text


def test_published_weights_say_how_they_were_trained(run: Path) -> None:
    (run / "config.json").unlink()
    assert "how it was trained" in made(run)[1]
    files.write_json(Path("pretrained/x/card.json"), record() | {"accuracy": {}, "latency": []})
    spec = ModelSpec.read(run / "spec.json")
    replace(spec, weights_sha256="00").write(run / "spec.json")
    text = made(run)[1].replace("\\", "")
    assert "Published as x-best. Trained by python -m train 300w, seed 0." in text
    assert "how it was trained" not in text


def test_a_published_file_keeps_its_count_where_the_run_measures_its_error(measured: Path) -> None:
    (measured / "bench/emulated.json").unlink()
    rows = {"full": [error(measured, NAMES[0], 3.9)]}
    card = record() | {"normaliser": "inter-ocular", "accuracy": rows, "latency": []}
    files.write_json(Path("pretrained/x/card.json"), card)
    counts = {gate.key("x", NAMES[0], cpu): 7_456_367 for cpu in ("a72", "a76")}
    write(gate.RECORD, command=gate.RENEW, instructions=counts)
    assert "| x | float32 | 3.926 | 7,456,367 \\* | 7,456,367 \\* |" in made(measured)[1]


def test_what_was_told_to_compute_in_half_precision_is_no_cost_of_a_float32_file(
    measured: Path,
) -> None:
    told = json.loads((measured / "bench/emulated.json").read_text())
    for row in told["counts"]:
        row["fp16"] = row["cpu"] == "a76"
    command = told["command"] + " --fp16"
    files.write_json(measured / "bench/emulated.json", told | {"command": command})
    text = made(measured)[1]
    costs = text.partition("## Error against cost")[2].partition("\n## ")[0]
    assert "| x | float32 | 3.926 | 7,456,367 \\* | - |" in costs
    assert "| PFLD | a peer's | 3.720 | 56,629,186 \\* | - |" in costs
    assert "| a76, half precision | 7,456,367 | - |" in text


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


def test_errors_on_several_datasets_stand_side_by_side(run: Path) -> None:
    full = accuracy(run, {NAMES[0]: 3.926})
    files.write_json(run / "bench/accuracy.json", full)
    files.write_json(run / "bench/accuracy-300w-full.json", full | {"command": "the later one"})
    other = accuracy(run, {NAMES[0]: 7.123}) | {"data": "data/wflw", "split": "all"}
    files.write_json(run / "bench/accuracy-wflw-all.json", other)
    (run / "accuracy-wflw-all.html").write_text("")
    page, text = made(run)
    assert "data/wflw, split all" in text
    assert "7.123" in text
    assert text.count("data/300w, split full: NME") == 1
    assert "the later one" in text
    assert 'href="accuracy-wflw-all.html"' in page


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


def test_the_frontier_is_drawn_over_instructions_bytes_and_time(measured: Path) -> None:
    page, text = made(measured)
    assert "| PFLD | a peer's | 3.720 | 0.001 \\* |" in text
    costs = (
        "instructions on a72",
        "instructions on a76",
        "megabytes of the file",
        "a ratio to pfld",
    )
    for cost in costs:
        assert re.search(f'aria-label="error over [^"]*{cost}', page)


def test_files_that_are_not_for_phones_may_stand_beside(measured: Path) -> None:
    (measured / "model.onnx").write_text("ours")
    names, path = (*NAMES, "model.onnx", PEER), measured / "bench/beside.json"
    errors = accuracy(measured, dict.fromkeys(names, 3.9))
    write(path, command="a command", peer_specs=[], accuracy=errors, host=host(measured, names))
    path.write_text(path.read_text().replace(PEER, "model.onnx"))
    text = made(measured)[1]
    assert "| PFLD (peer) | a peer's | 3.900 |" in text
    assert "| PFLD | a peer's | 3.900 | 0.001" in text


def test_a_peer_named_as_a_file_of_ours_is_not_taken_for_it(measured: Path) -> None:
    for name in ("host", "emulated"):
        path = measured / f"bench/{name}.json"
        path.write_text(path.read_text().replace(PEER, NAMES[0]))
    (measured / NAMES[0]).write_text("another float32 file")
    found = records.read(measured)
    assert found.stale(found.records["host"]["files"], found.records["host"])
    assert "| model.fp32.tflite | a72 | 56,629,186 | - |" in made(measured)[1]


def test_advice_rests_on_what_the_chain_measured_until_all_is_measured(measured: Path) -> None:
    assert "Errors: 689 faces, split full, inter-ocular." in made(measured)[1]
    for name in ("accuracy", "beside"):
        (measured / f"bench/{name}.json").unlink()
    files.write_json(measured / "bench/accuracy.json", accuracy(measured, {NAMES[2]: 3.948}))
    assert "faces of embedded synthetic faces, as the chain measured them" in made(measured)[1]


def test_errors_on_other_faces_are_no_advice(measured: Path) -> None:
    for name in ("accuracy", "beside"):
        (measured / f"bench/{name}.json").unlink()
    quantized = json.loads((measured / "quantize.json").read_text())
    quantized["data"]["root"], quantized["step"]["nme_percent"] = "data/300w", 9.9
    files.write_json(measured / "quantize.json", quantized)
    text = made(measured)[1]
    assert "its figures are of other faces and left out" in text
    assert "int8 is out" not in text


def test_a_mirrored_model_says_what_it_was_made_of(run: Path) -> None:
    (run / "config.json").unlink()
    MIRROR.write(run, {"source": "runs/once", "command": "python -m train mirror runs/once"})
    text = made(run)[1]
    assert "Made of runs/once, without training." in text
    assert "python -m train mirror runs/once" in text
    assert "how it was trained" not in text


def test_a_peer_record_of_another_run_is_no_reason_to_measure_again(measured: Path) -> None:
    given = json.loads((measured / "bench/emulated.json").read_text())
    for row in given["counts"]:
        row["sha256"] = row["sha256"] if row["peer"] else "f" * 64
    files.write_json(Path("elsewhere.json"), given)
    (measured / "bench/emulated.json").unlink()
    text = made(measured, "--peer-record", "elsewhere.json")[1]
    assert "56,629,186" in text
    assert "Left out" not in text


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


def test_a_run_is_found_by_its_name(measured: Path) -> None:
    command.run(_options(Path(measured.name)), "")
    assert (measured / "report.html").is_file()


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
