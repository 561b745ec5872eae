"""300-VW, and frames of videos."""

import threading
from pathlib import Path

import numpy as np
import pytest

from efld.data.layouts import layout_of
from efld.data.layouts.three_hundred_vw import ARCHIVE, CATEGORIES, TRAIN, VIDEOS
from efld.data.pts import write_pts
from efld.data.survey.survey import survey
from efld.data.video import Frame
from efld.errors import InputError
from tests.tiny_data import POINTS, put_video, read_all

GREYS = [20, 60, 100, 140, 180]
JPEG = 4  # grey levels that JPEG and the limited range of video may cost


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    """Videos of training and of all test categories, five frames each."""
    for index, video in enumerate(("001", "114", "203", "410")):
        folder = tmp_path / ARCHIVE / video
        put_video(folder / "vid.avi", [grey + 10 * index for grey in GREYS])
        (folder / "annot").mkdir()
        for number in range(1, 6):
            write_pts(folder / "annot" / f"{number:06d}.pts", POINTS + number)
    return tmp_path


def test_the_split_has_the_official_sizes() -> None:
    assert len(TRAIN) == 50
    assert {name: len(ids) for name, ids in CATEGORIES.items()} == {
        "category1": 31, "category2": 19, "category3": 14,
    }  # fmt: skip
    assert len(set(VIDEOS)) == 114


def test_frames_and_their_points_belong_together(videos: Path) -> None:
    faces, damage = read_all(layout_of(videos), videos)
    assert not damage
    assert len({face.id for face in faces}) == 20
    assert {(face.group, face.part, *(face.attributes or ())) for face in faces} == {
        ("001", "train"), ("114", "test", "category1"),
        ("203", "test", "category2"), ("410", "test", "category3"),
    }  # fmt: skip
    for index, face in enumerate(faces):
        grey = GREYS[index % 5] + 10 * (index // 5)
        np.testing.assert_allclose(face.points, POINTS + int(face.id[-6:]), atol=1e-5)
        assert abs(face.grey().mean() - grey) <= JPEG


def test_the_archives_own_folder_is_a_root_too(videos: Path) -> None:
    assert layout_of(videos / ARCHIVE).name == "300-VW"
    assert len(read_all(layout_of(videos / ARCHIVE), videos / ARCHIVE)[0]) == 20


def test_frames_in_any_order_and_from_several_threads(tmp_path: Path) -> None:
    put_video(tmp_path / "vid.avi", GREYS)
    wrong: list[int] = []

    def read() -> None:
        for number in (2, 2, 5, 1, 4, 3):
            grey = Frame(tmp_path / "vid.avi", number).grey().mean()
            if abs(grey - GREYS[number - 1]) > JPEG:
                wrong.append(number)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_more_annotations_than_frames(videos: Path) -> None:
    write_pts(videos / ARCHIVE / "001" / "annot" / "000006.pts", POINTS)
    with pytest.raises(InputError, match=r"vid\.avi: ends after frame 5, before its last anno"):
        Frame(videos / ARCHIVE / "001" / "vid.avi", 6).grey()
    assert "ends after frame 5" in survey(videos).datasets[0].damage[0]


def test_more_frames_than_annotations(videos: Path) -> None:
    (videos / ARCHIVE / "114" / "annot" / "000005.pts").unlink()
    (damage,) = survey(videos).datasets[0].damage
    assert "114/vid.avi: 1 frames after the last annotation" in damage


def test_a_missing_and_an_undecodable_video(videos: Path) -> None:
    (videos / ARCHIVE / "001" / "vid.avi").unlink()
    (videos / ARCHIVE / "203" / "vid.avi").write_bytes(b"no video")
    found = survey(videos).datasets[0]
    assert found.total == 15
    missing, undecodable = found.damage
    assert "001/vid.avi: no such file, but annotations of it" in missing
    assert "203/vid.avi: cannot be decoded" in undecodable


def test_an_annotation_that_names_no_frame(videos: Path) -> None:
    write_pts(videos / ARCHIVE / "001" / "annot" / "frame1.pts", POINTS)
    (damage,) = read_all(layout_of(videos), videos)[1]
    assert "frame1.pts: expected the number of a frame as its name" in damage
