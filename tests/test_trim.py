"""Leaving out hidden channels: what may not change, and what the command writes and refuses."""

import json
import shutil
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from efld import files
from efld.errors import InputError
from efld.models import zoo
from efld.models.trimmed import SUFFIX, hidden, least, trimmed
from efld.run_files import TRIM
from efld.runtime import load
from efld.spec import ModelSpec
from tests import tiny_run
from train import finished, loop, trim
from train.config import PRESETS, changed

FACES = str(tiny_run.faces_root())
CROPS = np.random.default_rng(0).uniform(0, 255, (2, 112, 112, 1)).astype(np.float32)
IMAGES = np.random.default_rng(0).uniform(0, 255, (6, 32, 32, 1)).astype(np.float32)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    tiny_run.write_run(tmp_path / "tiny")
    return tmp_path / "tiny"


@pytest.fixture
def model(run: Path) -> keras.Model:
    return keras.models.load_model(run / "model.keras")


def test_channels_that_are_constant_go_without_a_change(model: keras.Model) -> None:
    depthwise = model.get_layer("first_depthwise")
    kernel = depthwise.get_weights()[0]
    kernel[:, :, 3:11] = 0
    depthwise.set_weights([kernel])
    found = hidden(model, [IMAGES])
    kept = least(found, 8 / (16 + 24 + 32))
    assert {block: len(stay) for block, stay in kept.items()} == {
        "first": 8, "second": 24, "third": 32,
    }  # fmt: skip
    assert not set(kept["first"]) & set(range(3, 11))
    smaller = trimmed(model, found, kept)
    # The order of float32 sums differs.
    np.testing.assert_allclose(smaller(IMAGES), model(IMAGES), atol=1e-5)


def test_channels_that_nothing_reads_go_without_a_change(model: keras.Model) -> None:
    for name in ("first_project", "third_project", "third_se_reduce"):
        layer = model.get_layer(name)
        kernel, *rest = layer.get_weights()
        kernel[:, :, :8] = 0
        layer.set_weights([kernel, *rest])
    found = hidden(model, [IMAGES])
    smaller = trimmed(model, found, least(found, 16 / (16 + 24 + 32)))
    widths = [smaller.get_layer(f"{name}_expand").filters for name in ("first", "second", "third")]
    assert widths == [8, 24, 24]
    assert smaller.count_params() < model.count_params()
    # The order of float32 sums differs.
    np.testing.assert_allclose(smaller(IMAGES), model(IMAGES), atol=1e-5)


def test_a_block_keeps_a_multiple_of_eight(model: keras.Model) -> None:
    found = hidden(model, [IMAGES])
    for share in (0.0, 0.1, 0.5, 0.9, 1.0):
        kept = least(found, share)
        assert all(len(stay) % 8 == 0 and len(stay) for stay in kept.values()), share
    assert sum(map(len, least(found, 0.0).values())) == 16 + 24 + 32
    assert sum(map(len, least(found, 1.0).values())) == 3 * 8


def test_the_better_channels_stay(model: keras.Model) -> None:
    found = hidden(model, [IMAGES])
    stay = least(found, 0.5)["third"]
    gone = np.setdiff1d(np.arange(32), stay)
    assert gone.size
    assert found["third"].worth[stay].min() >= found["third"].worth[gone].max(initial=0)


@pytest.mark.parametrize("name", ["efld-nano", "efficientnet-lite0", "efficientnet-w0.25-d1.2"])
def test_every_family_can_be_trimmed(name: str) -> None:
    model = zoo.build(name)
    smaller = less(model)
    assert smaller(CROPS).shape == (2, 68, 2)
    assert smaller.count_params() < model.count_params()


def less(model: keras.Model) -> keras.Model:
    """A new model without some of its hidden channels."""
    tiny_run.wake(model)
    found = hidden(model, [CROPS])
    return trimmed(model, found, least(found, 0.3))


def test_the_command_leaves_a_run_that_goes_on(run: Path, tmp_path: Path) -> None:
    said: list[str] = []
    out = tmp_path / "out"
    words = [str(run), "--data", FACES, "--max-nme-rise", "100", "--out", str(out)]
    trim.main(words, said.append)
    spec = ModelSpec.read(out / "spec.json")
    assert spec.model == "tiny-trimmed"
    assert spec.weights_sha256 == files.sha256(out / "model.keras")
    assert load(out / "model.keras")(np.zeros((1, 32, 32, 1), np.uint8)).shape == (1, 68, 2)
    record = json.loads((out / "trim.json").read_text())
    shares = [one["share"] for one in record["trials"]]
    assert 0 < record["kept"]["share"] == max(shares) <= trim.MOST  # of what may cost so much, all
    assert record["kept"]["parameters"] < record["trials"][0]["parameters"]
    assert record["command"].endswith("/300w --max-nme-rise 100")
    assert "Next: python -m export" in said[-1]
    assert said[0].startswith("0.0% of hidden channels left out")
    (out / "model.onnx").touch()
    trim.main(words, said.append)  # the same again replaces it, and what was made of it goes
    assert not (out / "model.onnx").exists()
    assert (out / "model.keras").exists()


def test_what_is_left_trains_on(tmp_path: Path) -> None:
    smaller = less(zoo.build("efld-nano"))
    weights = tmp_path / "model.keras"
    smaller.save(weights)
    digest = files.sha256(weights)
    spec = ModelSpec(model="efld-nano-trimmed", input_px=112, weights_sha256=digest)
    spec.write(tmp_path / "spec.json")
    config = changed(PRESETS["smoke"], {**tiny_run.ONE_STEP, "init": str(weights)})
    run = tmp_path / "run"
    loop.train(config, run, resume=False, overwrite=False, say=lambda _: None)
    trained = keras.models.load_model(run / "model.keras")
    assert trained.count_params() == smaller.count_params()
    after = ModelSpec.read(run / "spec.json")
    assert (after.model, after.data[1]) == (spec.model, f"weights of {spec.model} {digest[:8]}")


def test_what_cannot_be_spared_stays(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trim, "searched", lambda *_: [])
    with pytest.raises(InputError, match=r"2.5% of its hidden channels cost more than 0.01 points"):
        trim.main([str(run), "--data", FACES, "--out", str(tmp_path / "out")], print)
    assert not (tmp_path / "out").exists()


def test_bad_words_are_refused(run: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"model.keras: no such file. Expected runs/NAME"):
        trim.main([str(tmp_path / "x"), "--data", FACES, "--out", str(tmp_path / "o")], print)
    with pytest.raises(InputError, match=r"is not empty and has no trim.json"):
        trim.main([str(run), "--data", FACES, "--out", str(run)], print)
    left = tmp_path / "killed"
    left.mkdir()
    (left / ".123.model.keras").touch()
    finished.out_of(Namespace(out=left, run=run), SUFFIX, TRIM)
    other = shutil.copytree(run, tmp_path / "other")
    replace(ModelSpec.read(run / "spec.json"), weights_sha256="0" * 64).write(other / "spec.json")
    with pytest.raises(InputError, match=r"expected 00000000 as in spec.json beside it"):
        trim.main([str(other), "--data", FACES, "--out", str(tmp_path / "o")], print)
    with pytest.raises(InputError, match=r"--max-nme-rise -1: expected 0 or more"):
        words = ["--data", FACES, "--max-nme-rise", "-1", "--out", str(tmp_path / "o")]
        trim.main([str(run), *words], print)
