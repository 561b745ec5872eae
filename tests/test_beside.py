"""`python -m benchmark beside`: other people's files on the same faces as ours."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from benchmark import beside
from benchmark.accuracy import Ruler
from efld import evaluate, geometry
from efld.data import datasets
from efld.data.faces import Face, read_rgb
from efld.data.pts import write_pts
from efld.errors import InputError
from efld.geometry import Picture
from efld.predict import predict, read_colour, seen
from efld.runtime import load
from tests.test_benchmark import run
from tests.tiny_files import ANSWER, SHIFT, SPEC, write_onnx, write_tflite

CROP = geometry.Box(20, 10, 16, 16)  # as many pixels as the models take
POINTS_PX = geometry.to_picture(ANSWER, CROP)
EYES = 0.4  # between the outer corners, of the crop's side
GREEN, BLUE = 77, 200
RGB = np.dstack([
    np.tile(np.arange(64, dtype=np.uint8) * 4, (64, 1)),  # red rises by 4 a pixel to the right
    np.full((64, 64), GREEN, np.uint8),
    np.full((64, 64), BLUE, np.uint8),
])  # fmt: skip
RED_IN_CROP = 4 * 27.5  # the mean over the pixels 20 to 35
PEER: dict[str, Any] = {
    "schema": 1, "model": "peer", "input_px": 16, "channels": "rgb", "input_range": [0, 1],
    "origin_px": 1, "licence": "none stated",
}  # fmt: skip


@dataclass(frozen=True)
class Inside:
    """A picture inside a larger file, which is read as grey."""

    path: Path

    def grey(self) -> Picture:
        return np.zeros((64, 64), np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve faces in `data`, a file of ours in `runs/tiny`, a peer and its spec."""
    (tmp_path / "data").mkdir()
    for i in range(12):
        cv2.imwrite(str(tmp_path / "data" / f"{i}.png"), RGB[..., ::-1])  # OpenCV writes BGR
        write_pts(tmp_path / "data" / f"{i}.pts", POINTS_PX)
    (tmp_path / "runs" / "tiny").mkdir(parents=True)
    write_tflite(tmp_path / "runs" / "tiny" / "ours.tflite")
    write_peer(tmp_path / "peer.onnx")
    (tmp_path / "peer.json").write_text(json.dumps(PEER))
    return tmp_path


def write_peer(path: Path) -> Path:
    """A foreign file: any batch, red, green, blue 0..1; red alone moves its points, `(1, 136)`."""
    red = np.zeros((136, 3 * 256), np.float32)
    red[::2, :256] = SHIFT / 256
    return write_onnx(path, None, ("n", 3, 16, 16), red)


def nme_percent(level: float) -> float:
    """Of a tiny file that sees pictures of that mean level."""
    return 100 * SHIFT * level / 255 / EYES


def command(folder: Path, *more: object) -> list[str]:
    ours, data = folder / "runs" / "tiny" / "ours.tflite", folder / "data"
    words = ("beside", ours, "--data", data, "--split", "all", "--seconds", "0.1", *more)
    return [str(word) for word in words]


def test_a_peer_is_measured_beside_our_file(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = command(folder, "--peer", folder / "peer.onnx", "--peer-spec", folder / "peer.json")
    code, out, _ = run(capsys, *argv)
    record = json.loads((folder / "runs" / "tiny" / "bench" / "beside.json").read_text())
    ours, peer = record["accuracy"]["files"]
    assert (code, record["schema"], record["command"].split()[3]) == (0, 1, "beside")
    luma = 0.299 * RED_IN_CROP + 0.587 * GREEN + 0.114 * BLUE
    assert ours["nme_percent"] == pytest.approx(nme_percent(luma), rel=5e-3)  # grey is rounded
    assert peer["nme_percent"] == pytest.approx(nme_percent(RED_IN_CROP + 2), rel=1e-4)
    assert peer["minus_first_file"]["mean"] == pytest.approx(
        peer["nme_percent"] - ours["nme_percent"]
    )
    assert [row["peer"] for row in record["host"]["files"]] == [False, True]
    assert record["host"]["files"][1]["ratio"] == 1
    assert record["peer_specs"][0]["licence"] == "none stated"
    for expected in ("minus [1]", f"{nme_percent(RED_IN_CROP + 2):.3f}", "ratio", "onnxruntime"):
        assert expected in out
    assert "peer.onnx worse than ours.tflite by " in out


@pytest.mark.parametrize("origin_px", [0, 0.5, 1])
def test_a_crop_lies_where_the_authors_of_the_peer_had_it(folder: Path, origin_px: float) -> None:
    path = folder / "peer.json"
    path.write_text(json.dumps({**PEER, "origin_px": origin_px}))
    found = measured(folder, [folder / "peer.onnx"], [path])
    expected = nme_percent(RED_IN_CROP + 4 * (origin_px - 0.5))
    assert found[1] == pytest.approx(expected, rel=1e-4)


def test_peers_with_and_without_a_spec(folder: Path) -> None:
    own = write_onnx(folder / "own.onnx")
    second = folder / "second.json"
    second.write_text(json.dumps({**PEER, "origin_px": 0.5}))
    peers = [folder / "peer.onnx", own, write_peer(folder / "second.onnx")]
    ours, *others = measured(folder, peers, [folder / "peer.json", second])
    expected = [nme_percent(RED_IN_CROP + 2), ours, nme_percent(RED_IN_CROP)]
    assert others == pytest.approx(expected, rel=1e-4)


def measured(folder: Path, peers: list[Path], specs: list[Path]) -> list[float]:
    """NME of our file and of the peers, percent."""
    models = [load(folder / "runs/tiny/ours.tflite"), *beside.open_peers(peers, specs)]
    found = beside.results(models, datasets.open_faces(folder / "data", "all"), Ruler())
    return [result.row.nme_percent for result in found]


def test_what_a_spec_leaves_out_is_as_in_a_spec_of_ours(folder: Path) -> None:
    path = folder / "short.json"
    path.write_text('{"schema": 1, "model": "peer", "input_px": 16}')
    assert beside.PeerSpec.read(path) == beside.PeerSpec(model="peer", input_px=16)
    write_onnx(folder / "grey.onnx", None)
    ours, peer = measured(folder, [folder / "grey.onnx"], [path])
    assert peer == pytest.approx(ours, rel=1e-4)


def refused(folder: Path, capsys: pytest.CaptureFixture[str], message: str, *peers: str) -> None:
    """One line that says so, and nothing is left."""
    before = sorted(folder.rglob("*"))
    code, out, err = run(capsys, *command(folder, *peers))
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert message in err
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize(
    ("peer", "specs", "message"),
    [
        ("peer.onnx", [], "0 --peer-spec for 1 peers that carry no spec (peer.onnx), expected one"),
        ("peer.onnx", ["peer.json", "peer.json"], "2 --peer-spec for 1 peers"),
        ("own.onnx", ["peer.json"], "1 --peer-spec for 0 peers that carry no spec (none)"),
        ("none.onnx", ["peer.json"], "none.onnx: no such file"),
        ("peer.onnx", ["none.json"], "none.json: No such file"),
        ("peer.onnx", ["peer.onnx"], "peer.onnx: its spec is not JSON"),
    ],
)
def test_peers_and_specs_must_go_together(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    peer: str,
    specs: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(folder)
    write_onnx(folder / "own.onnx")
    words = [word for spec in specs for word in ("--peer-spec", spec)]
    refused(folder, capsys, message, "--peer", peer, *words)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--peer", "none.keras"], "none.keras: a .keras file is not timed"),
        (["--peer", "none.onnx", "--threads", "0"], "threads 0, expected 1 to"),
        (["--peer", "none.onnx", "--seconds", "0"], "seconds 0.0, expected"),
    ],
)
def test_what_cannot_be_timed_is_refused_before_anything_is_measured(
    folder: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    refused(folder, capsys, message, *words)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"input_px": 20}, "(1, 20, 20, 3), its graph has 'image' float32 (?, 3, 16, 16). Mend"),
        ({"channels": "grey"}, "(1, 16, 16, 1), its graph has 'image' float32 (?, 3, 16, 16)"),
        ({"channels": "bgr"}, "bad.json: channels 'bgr', expected ('grey', 'rgb')"),
        ({"input_range": [1, 0]}, "bad.json: input_range (1, 0), expected [low, high]"),
        ({"input_range": 255}, "bad.json: input_range 255, expected [low, high]"),
        ({"box_factor": "1.1"}, "bad.json: box_factor '1.1', expected a number above 0"),
        ({"origin_px": None}, "bad.json: origin_px None, expected a number"),
        ({"scheme": 68}, "point scheme 68 is unknown"),
        ({"scheme": "98"}, "expected one output float32 (1, 98, 2) or (1, 196)"),
        ({"schema": 2}, "bad.json: spec with schema 2"),
        ({"origin": 1}, "--help` shows the form."),
    ],
)
def test_a_spec_must_be_right_and_fit_the_graph(
    folder: Path, capsys: pytest.CaptureFixture[str], changed: dict[str, Any], message: str
) -> None:
    path = folder / "bad.json"
    path.write_text(json.dumps({**PEER, **changed}))
    refused(folder, capsys, message, "--peer", str(folder / "peer.onnx"), "--peer-spec", str(path))


def test_a_spec_that_is_no_object_is_refused(folder: Path) -> None:
    (folder / "list.json").write_text("[1]")
    with pytest.raises(InputError, match="spec with schema None and fields"):
        beside.PeerSpec.read(folder / "list.json")


def test_files_calibrated_on_tested_faces_are_refused(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tested = [Face("set/2", RGB[..., 0], POINTS_PX, "common", "g")]
    monkeypatch.setattr("efld.data.datasets.open_faces", lambda *_: tested)
    write_tflite(folder / "runs" / "tiny" / "ours.tflite", SPEC.calibrated_on(("set/2",)))
    peer = ("--peer", str(folder / "peer.onnx"), "--peer-spec", str(folder / "peer.json"))
    refused(folder, capsys, "1 of the tested faces set its int8 scales", *peer)


def test_pictures_are_given_in_red_green_blue(folder: Path) -> None:
    np.testing.assert_array_equal(read_rgb(folder / "data" / "0.png"), RGB)
    grey = RGB[..., 0]
    cv2.imwrite(str(folder / "grey.png"), grey)
    for picture in (grey, folder / "grey.png"):
        found = Face("a", picture, POINTS_PX, "none", "g").rgb()
        np.testing.assert_array_equal(found, np.dstack([grey] * 3))
    inside = Face("a", Inside(folder / "a.avi"), POINTS_PX, "none", "g")
    with pytest.raises(InputError, match=r"a\.avi: its pictures are read as grey"):
        inside.rgb()


def test_transparent_pictures_have_no_colour(folder: Path) -> None:
    path = folder / "clear.png"
    cv2.imwrite(str(path), np.zeros((4, 4, 4), np.uint8))
    with pytest.raises(InputError, match="transparent"):
        read_rgb(path)
    cv2.imwrite(str(path), np.full((4, 4, 4), (1, 2, 3, 255), np.uint8))
    np.testing.assert_array_equal(read_rgb(path)[0, 0], (3, 2, 1))


def test_crops_of_colour_are_crops_of_each_channel() -> None:
    face = Face("a", RGB[..., 0], POINTS_PX, "none", "g")
    colour = evaluate.cut([face], replace(SPEC, channels="rgb")).images
    assert colour.shape == (1, 16, 16, 3)
    np.testing.assert_array_equal(colour[..., :1], evaluate.cut([face], SPEC).images)


def test_predict_shows_a_model_the_colours_it_wants(folder: Path) -> None:
    (peer,) = beside.open_peers([folder / "peer.onnx"], [folder / "peer.json"])
    face = geometry.square(CROP, 1 / peer.spec.box_factor)
    picture = read_colour(folder / "data" / "0.png")
    to_the_right = np.array([SHIFT * RED_IN_CROP / 255, 0], np.float32)
    expected = geometry.to_picture(ANSWER + to_the_right, CROP)
    found_px = predict(peer, seen(picture, "rgb"), face)
    np.testing.assert_allclose(found_px, expected, atol=1e-3)  # float32 of some tens of pixels
    with pytest.raises(ValueError, match=r"crops \(1, 16, 16, 1\), expected"):
        predict(peer, seen(picture, "grey"), face)
