"""`python -m efld data`: what lies in a folder, what is damaged, the contact sheet."""

import json
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest

from efld.__main__ import main
from efld.data.datasets import open_faces
from efld.data.faces import Face
from efld.data.layouts import strict
from efld.data.survey.find import find
from efld.data.survey.sheet import NOTHING, TILE_PX, choose, contact_sheet
from efld.data.survey.survey import Dataset, survey
from efld.errors import InputError
from efld.predict import read_colour
from tests.tiny_data import POINTS, close, put


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with an empty folder `data`."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    return tmp_path


def put_picture(path: Path, picture: np.ndarray | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((40, 30, 3), 99, np.uint8) if picture is None else picture)


def put_300w(root: Path) -> None:
    for index, name in enumerate(("afw/1_1", "helen/trainset/2_1", "ibug/3")):
        put(root, name, grey=50 + index)


def only(root: Path, quick: bool = False) -> Dataset:
    (dataset,) = survey(root, quick).datasets
    return dataset


def test_counts_stand_beside_the_official_ones(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put_300w(here / "data")
    main(["data", "data"])
    sheet = f"runs/data/{here.name}-data.jpg"
    out = capsys.readouterr().out
    for line in ("300-W: data", "train        2 of 3148", "helen/trainset       1 of 2000",
                 "common       0 of 554", "size         all 100x100 px",
                 "damage       none found", f"{sheet}: contact sheet"):  # fmt: skip
        assert line in out
    assert "usable" not in out
    assert read_colour(here / sheet).shape[1] == 8 * TILE_PX


def test_datasets_side_by_side_are_each_listed(here: Path) -> None:
    put_300w(here / "data")
    put(here / "data", "mine/ann/a_01")
    put(here / "data", "mine/bob/b_01", POINTS[:39])
    put_picture(here / "data/frames/x.jpg")
    for name in ("one/a", "two/b"):
        put_picture(here / f"data/masked/{name}.jpg")
        put_picture(here / f"data/masked/{name}.png", np.full((40, 30), 2, np.uint8))
    found = {Path(one.root).name: one for one in survey(here / "data").datasets}
    assert {name: (one.name, one.total) for name, one in found.items()} == {
        "data": ("300-W", 3),
        "frames": ("pictures without annotation", 1),
        "masked": ("pictures with masks", 2),
        "mine": ("pictures with .pts", 2),
    }
    assert found["mine"].schemes == {"68": 1, "39": 1}
    assert found["masked"].counts == {"none/one": 1, "none/two": 1}


def test_two_layouts_in_one_folder_are_both_listed(here: Path) -> None:
    put(here / "data", "afw/1_1")
    table = here / "data" / "training_frames_keypoints.csv"
    table.write_text(",".join(["", *map(str, range(136))]) + "\na.jpg" + ",1" * 136)
    put_picture(here / "data/training/a.jpg")
    assert [one.name for one in survey(here / "data").datasets] == ["300-W", "Udacity P1"]


def test_every_kind_of_damage_is_one_line(here: Path) -> None:
    root = here / "data"
    put(root, "train/same", grey=7)
    put(root, "test/same", grey=7)
    put(root, "train/far", POINTS + 50, grey=8)
    put(root, "train/near", POINTS + 12, grey=9)
    put(root, "train/empty").with_suffix(".png").write_bytes(b"")
    put(root, "train/gone").with_suffix(".png").unlink()
    put(root, "train/cut").write_text("n_points: 68\n{\n1 2\n")
    put(root, "train/link").with_suffix(".png").unlink()
    (root / "train/link.png").symlink_to(root / "nowhere.png")
    put(root, "train/spot", np.full((68, 2), 50, np.float32), grey=10)
    put(root, "train/bare", grey=11).unlink()
    eyes = POINTS.copy()
    eyes[45] = eyes[36]
    put(root, "train/eyes", eyes, grey=12)
    wild = POINTS.copy()
    wild[3] = 99999
    put(root, "train/wild", wild, grey=13)
    dataset = only(root)
    texts = ["spot.pts: all points lie on one spot", "eyes.pts: the outer eye corners",
             "data: 1 picture without a .pts: train/bare.png", "wild.pts: a point lies 99899.5 px",
             "cut.pts: expected a block", "gone.pts: no picture beside it", "link.pts: no picture",
             "far.pts: a point lies", "empty.png: 0 bytes that decode to no picture",
             "train/same and test/same: the same picture in train and test"]  # fmt: skip
    assert len(dataset.damage) == len(texts)
    for text in texts:
        assert sum(text in line for line in dataset.damage) == 1, text
    assert dataset.outside
    assert (dataset.outside.faces, dataset.outside.worst) == (3, "train/wild")
    assert dataset.outside.worst_px == pytest.approx(99999 - 99.5, abs=0.1)
    assert (dataset.usable, dataset.total) == (7, 8)  # not empty


def test_quick_decodes_nothing(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(here / "data", "a").with_suffix(".png").write_bytes(b"no picture")
    main(["data", "data", "--quick", "--no-sheet"])
    assert "none found; pictures were not decoded" in capsys.readouterr().out
    assert not (here / "runs").exists()


def test_long_lists_are_cut_and_json_has_all(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for index in range(23):
        put(here / "data", f"{index:02d}").write_text("1 2")
    main(["data", "data", "--no-sheet", "--json", "report.json"])
    assert "and 3 more: --json has all" in capsys.readouterr().out
    record = json.loads((here / "report.json").read_text())
    assert record["schema"] == 1
    assert len(record["datasets"][0]["damage"]) == 23
    main(["data", "data", "--no-sheet", "--json", "-"])
    assert json.loads(capsys.readouterr().out) == record


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["data"], "data: found no dataset and no picture"),
        (["nowhere"], "nowhere: no such folder"),
        (["mine/a.png"], "mine/a.png: is a file, expected a folder"),
        (["mine", "--sheet", "sheet.tiff"], "sheet.tiff: suffix '.tiff'"),
        (["mine", "--json", "report.txt"], "report.txt: suffix '.txt', expected .json"),
        (["mine", "--json", ""], "--json: is empty"),
        (["mine", "--sheet", ""], "--sheet: is empty"),
        ([""], "ROOT: is empty"),
        (["mine", "--sheet", "mine/a.png"], "mine/a.png: exists in the surveyed folder mine"),
        (["mine", "--sheet", "data/../mine/a.png"], "a.png: exists in the surveyed folder"),
        (["mine", "--sheet", "mine/a.png/s.jpg"], "mine/a.png is a file, expected a folder"),
        (["mine", "--sheet", "s.jpg", "--no-sheet"], "not allowed with argument"),
    ],
)
def test_errors(
    here: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    before = put(here, "mine/a").with_suffix(".png").read_bytes()
    with pytest.raises(SystemExit) as stop:
        main(["data", *words])
    assert stop.value.code == 2
    assert message in capsys.readouterr().err
    assert (here / "mine/a.png").read_bytes() == before
    assert not (here / "runs").exists()


def test_a_folder_that_cannot_be_written_to_is_said_before_the_survey(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.access", lambda path, _: path != here)
    with pytest.raises(SystemExit):
        main(["data", "nowhere", "--json", "new/report.json"])
    assert f"new/report.json: the folder {here} cannot be" in capsys.readouterr().err


def test_unannotated_pictures_are_one_line_and_unusable_faces_a_number(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in "abcd":
        put(here / "data", f"afw/{name}").unlink()
    put(here / "data", "afw/e")
    put(here / "data", "afw/f").with_suffix(".png").write_bytes(b"")
    main(["data", "data", "--no-sheet"])
    out = capsys.readouterr().out
    assert "data: 4 pictures without a .pts: afw/a.png, afw/b.png, afw/c.png, ..." in out
    assert "usable       1 of 2" in out
    assert len(open_faces(here / "data", "train")) == 2


def test_a_root_that_cannot_be_listed_is_one_sentence(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    close(monkeypatch, "data")
    with pytest.raises(
        InputError, match=r"^\S*data: cannot be listed \(Permission denied\)\. [^.]*\.$"
    ):
        survey(here / "data")


def test_a_mask_of_another_size_or_none(here: Path) -> None:
    put_picture(here / "data/a.jpg")
    put_picture(here / "data/a.png", np.zeros((20, 20), np.uint8))
    put_picture(here / "data/b.jpg")
    missing, size = only(here / "data").damage
    assert "b.jpg: no mask beside it" in missing
    assert "a.png: 20x20 px, but a.jpg has 30x40" in size


def test_links_in_a_circle_end(here: Path) -> None:
    put(here / "data", "a")
    (here / "data" / "again").symlink_to(here / "data", target_is_directory=True)
    assert only(here / "data").total == 1


def test_a_folder_that_cannot_be_listed_is_said(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(here / "data", "open/a")
    (here / "data" / "closed").mkdir()
    close(monkeypatch, "closed")
    found = survey(here / "data")
    assert [one.total for one in found.datasets] == [1]
    assert "closed: cannot be listed (Permission denied)" in found.damage[0]


def test_samples_are_even_over_the_parts_and_repeatable() -> None:
    ground = np.zeros((4, 4), np.uint8)
    parts = ["train"] * 50 + ["test"] * 50 + ["validation"] * 2
    faces = [Face(str(i), ground, POINTS, part, "") for i, part in enumerate(parts)]  # type: ignore[arg-type]
    chosen = choose(faces, 20)
    assert Counter(face.part for face in chosen if isinstance(face, Face)) == {
        "train": 9, "test": 9, "validation": 2,
    }  # fmt: skip
    assert choose(faces, 20) == chosen != choose(faces, 20, seed=1)


def test_the_sheet_draws_what_is_there() -> None:
    """A face without its picture has its points on grey; a point that is NaN is left out."""
    points = POINTS.copy()
    points[:17] = np.nan
    gone = Face("gone", Path("nowhere.jpg"), points, "train", "")
    sheet = contact_sheet([("title", [gone])])
    tile = sheet[-TILE_PX - 18 : -18 - 2, : TILE_PX - 2]
    assert (tile == NOTHING).all(axis=2).mean() > 0.5
    assert (tile != NOTHING).any()
    nowhere = Face("bare", np.zeros((9, 9), np.uint8), np.full((68, 2), np.nan, "f4"), "test", "")
    assert contact_sheet([("title", [nowhere])]).shape == sheet.shape


def test_real_folders_hold_what_their_readme_says(real_data: Path) -> None:
    found = find(real_data, strict)
    names = {(one.root.name, one.layout.name if one.layout else one.kind) for one in found}
    assert {
        ("300w", "300-W"), ("300w_annotations", "300-W as HRNet's csv"), ("wflw", "points"),
        ("celebamask_hq", "masks"), ("fasseg", "masks"), ("helen_unlabelled", "pictures"),
        ("original_files", "300-W"), ("udacity_P1", "Udacity P1"), ("unannotated", "pictures"),
        ("dlib_examples_faces", "dlib xml of train and test"), ("ibug_300w_lp", "300W-LP"),
        ("youtube_faces", "pictures with .pts in train and test"),
    } == names  # fmt: skip


def test_real_youtube_faces_has_six_with_points_outside(real_data: Path) -> None:
    dataset = only(real_data / "youtube_faces")
    assert dataset.counts == {"train": 3462, "test": 770}
    assert dataset.outside
    assert (dataset.outside.faces, dataset.outside.worst_px) == (6, 21.0)
