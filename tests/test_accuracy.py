"""`python -m benchmark accuracy`: what it measures, compares, records and shows."""

import base64
import json
import re
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmark import accuracy, accuracy_html, accuracy_report
from benchmark.__main__ import main
from benchmark.accuracy import Ruler
from benchmark.accuracy_report import Report, text
from benchmark.thumbnails import thumbnail
from efld import corrupt
from efld.data.faces import Face, Pose
from efld.errors import InputError
from efld.runtime import LandmarkModel, load
from tests.test_benchmark import OFF, OFF_PERCENT, POINTS_PX, data, run
from tests.tiny_files import SPEC, write_tflite

__all__ = ["data"]  # the fixture

FLAGS = [frozenset({"blur"}), frozenset({"blur", "make-up"}), frozenset[str]()]
GREY = np.full((240, 240), 120, np.uint8)


def faces(count: int = 12) -> list[Face]:
    """Named with what a page must not take for HTML; every third has the same flags."""
    return [
        Face(
            f"<b>&{i}", GREY, POINTS_PX, "test", "g",
            attributes=FLAGS[i % 3], pose=Pose(i / 9, 0, 0),
        )
        for i in range(count)
    ]  # fmt: skip


@pytest.fixture
def models(tmp_path: Path) -> list[LandmarkModel]:
    good = write_tflite(tmp_path / "good.tflite")
    return [load(good), load(write_tflite(tmp_path / "off.tflite", answer=OFF))]


def report(models: list[LandmarkModel], *conditions: corrupt.Condition) -> Report:
    results = list(accuracy.measure(models, faces(), conditions=conditions))
    return Report("python -m x", "set", "test", "research only", Ruler(), faces(), results)


def test_regions_attributes_and_poses_of_two_files(models: list[LandmarkModel]) -> None:
    found = report(models)
    groups = {group.name: group for group in found.groups}
    assert {name for name, group in groups.items() if group.kind == "attribute"} == {
        "blur", "make-up",
    }  # fmt: skip
    assert (groups["blur"].faces, groups["make-up"].faces, groups["jaw"].faces) == (8, 4, 12)
    shift = 0.1 * 120 / 255  # of tiny files: what the crop's brightness adds to x, 4.7 % of a side
    assert [found.mean for found in groups["jaw"].nme_percent] == pytest.approx(
        [100 * shift / 0.4, 100 * np.hypot(0.03 + shift, 0.04) / 0.4], rel=1e-3
    )
    assert sum(map(len, found.grids[0].errors_percent.values())) == 12
    assert found.names == ["good.tflite", "off.tflite"]
    assert found.comparisons[0].startswith("off.tflite worse than good.tflite by ")


def test_conditions_change_what_the_model_sees(models: list[LandmarkModel]) -> None:
    dark = next(condition for condition in corrupt.CONDITIONS if condition.light < 1)
    (result, _) = accuracy.measure(models, faces(), conditions=[dark])
    # A quarter of the light leaves a quarter of the shift, and of the error; grey levels are whole.
    assert result.changed[dark.name].mean() == pytest.approx(result.row.nme_percent / 4, rel=0.01)


def test_points_that_are_not_annotated_are_said(tmp_path: Path) -> None:
    points = POINTS_PX.copy()
    points[5] = np.nan
    own = [replace(face, points=points) for face in faces(2)]
    (result,) = accuracy.measure([load(write_tflite(tmp_path / "m.tflite"))], own)
    found = Report("", "set", "test", "", Ruler(), own, [result])
    assert "2 of 136 points not annotated, left out" in found.how


def test_normaliser_and_threshold_are_used_and_named(
    tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_tflite(tmp_path / "off.tflite", answer=OFF)
    common = ("accuracy", path, "--data", data, "--split", "all", "--json", "-")
    _, out, err = run(capsys, *common, "--normaliser", "diagonal", "--threshold", "20")
    record = json.loads(out)
    (row,) = record["files"]
    assert (record["normaliser"], record["threshold_percent"]) == ("diagonal", 20)
    # 0.4 between the eyes, 0.8 x 0.6 the box: its diagonal is 1.
    assert row["nme_percent"] == pytest.approx(OFF_PERCENT * 0.4, rel=1e-3)
    assert row["auc"] == pytest.approx(1 - 5 / 20, rel=1e-3)
    assert row["nme_interval"] == pytest.approx([row["nme_percent"]] * 2)
    assert "diagonal of the landmarks' box" in err
    assert "AUC@0.2" in err
    assert "2 faces (none 2)" in err


def test_files_of_a_run_are_recorded_and_shown_there(
    tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "runs" / "tiny"
    folder.mkdir(parents=True)
    path = write_tflite(folder / "model.tflite")
    code, out, _ = run(capsys, "accuracy", path, "--data", data, "--split", "all", "--robust")
    record = json.loads((folder / "bench" / "accuracy-data-all.json").read_text())
    assert code == 0
    assert [g["name"] for g in record["groups"] if g["kind"] == "condition"] == [
        condition.name for condition in corrupt.CONDITIONS
    ]
    assert "20 % covered" in out
    page = (folder / "accuracy-data-all.html").read_text()
    assert "terms of its owner" in page
    assert str(tmp_path) not in page


def test_other_faces_replace_no_record() -> None:
    names = [
        accuracy_report.record_name("data/300w", "full", accuracy.NORMALISER),
        accuracy_report.record_name("data/300w", "common", accuracy.NORMALISER),
        accuracy_report.record_name("data/300w", "full", "inter-pupil"),
        accuracy_report.record_name("embedded synthetic faces", "full", accuracy.NORMALISER),
    ]
    assert names == [
        "accuracy-300w-full",
        "accuracy-300w-common",
        "accuracy-300w-full-inter-pupil",
        "accuracy-embedded-synthetic-faces-full",
    ]


def test_page_is_whole_alone_safe_and_repeatable(models: list[LandmarkModel]) -> None:
    found = report(models, corrupt.CONDITIONS[0])
    page = accuracy_html.page(found)
    assert page == accuracy_html.page(report(models, corrupt.CONDITIONS[0]))
    links = re.findall(r'\b(?:src|href)="([^"]*)"|url\(([^)]*)\)', page)
    assert all("".join(link).startswith(("data:image/jpeg", "#")) for link in links)
    assert page.count("data:image/jpeg") == 24  # the worst are all twelve, and so is the sheet
    assert "<script" not in page
    assert "@import" not in page
    assert "&lt;b&gt;&amp;3" in page
    assert "<b>&" not in page
    for expected in (*found.names, "research only", "make-up", "jaw", corrupt.CONDITIONS[0].name):
        assert expected in page
    assert len(re.findall(r"<svg[ >]", page)) == 1
    assert text(found) == text(report(models, corrupt.CONDITIONS[0]))


def test_a_page_that_nobody_asked_for_may_lack_libraries(
    tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accuracy_html, "find_spec", lambda _name: None)
    folder = tmp_path / "runs" / "tiny"
    folder.mkdir(parents=True)
    argv = ("accuracy", write_tflite(folder / "m.tflite"), "--data", data, "--split", "all")
    code, out, _ = run(capsys, *argv)
    assert code == 0
    assert "no page: jinja2 is missing" in out
    code, out, err = run(capsys, *argv, "--html", tmp_path / "a.html")
    assert (code, out) == (2, "")
    assert "pip install '.[benchmark]'" in err


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--threshold", "0"], "threshold 0 %, expected above 0"),
        (["--threshold", "nan"], "threshold nan %"),
        (["--html", "page"], "page: expected a file *.html"),
        (["--html", f"{__file__}/page.html"], "is a file, expected a folder"),
    ],
)
def test_bad_options_are_said_before_the_measurement(
    tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str], argv: list[str], message: str
) -> None:
    path = write_tflite(tmp_path / "m.tflite")
    code, out, err = run(capsys, "accuracy", path, "--data", data, "--split", "all", *argv)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1


def test_models_faces_and_normaliser_must_fit(
    tmp_path: Path, models: list[LandmarkModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    wide = [replace(face, points=np.zeros((98, 2), np.float32), scheme="98") for face in faces(1)]
    with pytest.raises(InputError, match=r"98 points; model tiny \(scheme 68\) expects 68"):
        next(accuracy.measure(models, wide))
    with pytest.raises(InputError, match="no faces"):
        next(accuracy.measure(models, []))
    eyeless = [
        replace(faces(1)[0], points=np.where(np.arange(68)[:, None] == 36, np.nan, POINTS_PX))
    ]
    with pytest.raises(
        InputError, match="<b>&0: distance of the outer eye corners is nan, expected above 0"
    ):
        next(accuracy.measure(models, eyeless))
    assert next(accuracy.measure(models, eyeless, Ruler("box"))).row.faces == 1
    other = models[1]
    monkeypatch.setattr(other, "spec", replace(SPEC, scheme="98"))
    with pytest.raises(InputError, match=r"off.tflite: point scheme 98, expected 68"):
        next(accuracy.measure([models[0], other], faces()))


def test_help_names_every_split_and_normaliser(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["accuracy", "--help"])
    out = capsys.readouterr().out
    for expected in ("train", "validation", "challenging", "inter-pupil", "diagonal"):
        assert expected in out


@pytest.mark.parametrize("with_truth", [True, False])
def test_a_thumbnail_draws_the_truth_only_where_wanted(with_truth: bool) -> None:
    uri = thumbnail(faces(1)[0], OFF, SPEC.box_factor, with_truth)
    jpeg = np.frombuffer(base64.b64decode(uri.partition(",")[2]), np.uint8)
    picture = cv2.imdecode(jpeg, cv2.IMREAD_COLOR)
    assert picture is not None
    blue, _, red = cv2.split(picture.astype(np.int16))
    assert (red - blue).max() > 100  # orange: found
    assert ((blue - red).max() > 60) == with_truth  # sky blue: true


def test_faces_that_are_not_for_testing_are_said(models: list[LandmarkModel]) -> None:
    own = [replace(face, part="train", attributes=None) for face in faces()]
    results = list(accuracy.measure(models, own))
    said = text(Report("python -m x", "set", "train", "", Ruler(), own, results))
    assert f"the files were trained on: {', '.join(SPEC.data) or 'not said'}" in said
    assert "head-down (pitch beyond 12°)" in said


def test_a_file_given_twice_is_refused(models: list[LandmarkModel]) -> None:
    with pytest.raises(InputError, match=r"good\.tflite: is given twice"):
        list(accuracy.measure([models[0], models[0]], faces()))
