"""Training: what a run writes, refuses, and survives."""

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import cv2
import keras
import numpy as np
import pytest
from numpy.typing import NDArray

from efld import files, run_files
from efld.data import datasets
from efld.data.augment import Augmentation
from efld.data.batches import Batches, Regions, Source
from efld.data.pts import write_pts
from efld.errors import InputError
from efld.models import zoo
from efld.runtime import load as load_model
from efld.spec import ModelSpec
from tests import tiny_run
from tests.tiny_data import put
from train import loop
from train.__main__ import config_of, parser, train
from train.backbone import backbone_of
from train.config import PRESETS, TrainConfig, changed, flat
from train.feed import begun_with, load

ROOT = Path(__file__).parent.parent
TINY = ["smoke", "--faces", "60", "--batch", "16", "--validation", "0.2"]
SAW = ("embedded synthetic faces (60 faces)",)


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "train", *map(str, words)]


def history(run: Path) -> list[dict[str, str]]:
    path = run / "history.csv"
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_negative_number_of_faces_is_refused() -> None:
    with pytest.raises(InputError, match=r"faces=-3: expected a number from 0"):
        changed(PRESETS["smoke"], {"faces": -3})


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of three epochs."""
    run = tmp_path_factory.mktemp("runs") / "whole"
    subprocess.run(
        command(*TINY, "--epochs", 3, "--epoch-steps", 20, "--run", run),
        check=True,
        stderr=subprocess.PIPE,
    )
    return run


def test_the_efld_loss_leaves_a_plain_landmark_model(tmp_path: Path) -> None:
    tiny = {"faces": 40, "batch": 8, "epochs": 1, "epoch_steps": 2, "validation": 0.2}
    run = tmp_path / "run"
    config = changed(PRESETS["smoke"], {**tiny, "loss": "efld"})
    loop.train(config, run, resume=False, overwrite=False, say=lambda _: None)
    assert float(history(run)[0]["val_nme"]) > 0
    found = load_model(run / "model.keras")(np.zeros((1, 112, 112, 1), np.uint8))
    assert found.shape == (1, 68, 2)
    state = keras.models.load_model(run / "last.keras")
    assert set(state.output) == {"landmarks", "pose"}


def test_a_model_of_98_points(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for i in range(12):
        cv2.imwrite(str(tmp_path / f"face{i}.png"), rng.integers(0, 256, (80, 80), np.uint8))
        write_pts(tmp_path / f"face{i}.pts", rng.uniform(10, 70, (98, 2)).astype(np.float32))
    run = tmp_path / "run"
    tiny = {"faces": 0, "batch": 4, "epochs": 1, "epoch_steps": 1, "validation": 0.4}
    config = changed(PRESETS["smoke"], {**tiny, "data": str(tmp_path), "scheme": "98"})
    loop.train(config, run, resume=False, overwrite=False, say=lambda _: None)
    model = load_model(run / "model.keras")
    assert model.spec.scheme == "98"
    assert model(np.zeros((1, 112, 112, 1), np.uint8)).shape == (1, 98, 2)


def test_a_run_leaves_its_files(finished: Path) -> None:
    assert [row["epoch"] for row in history(finished)] == ["1", "2", "3"]
    record = json.loads((finished / "config.json").read_text())
    assert record["config"]["faces"] == 60
    assert {"backend", "keras", "numpy"} <= set(record["versions"])
    spec = ModelSpec.read(finished / "spec.json")
    assert spec.model == "efld-nano"
    assert spec.data == ("embedded synthetic faces (60 faces)",)
    assert list((finished / "tensorboard").iterdir())
    assert not list(finished.glob(".*")), "a temporary file was left"


def test_the_model_runs_and_carries_no_optimizer(finished: Path) -> None:
    points = load_model(finished / "model.keras")(np.zeros((1, 112, 112, 1), np.uint8))
    assert points.shape == (1, 68, 2)
    assert keras.models.load_model(finished / "last.keras").compiled
    assert not keras.models.load_model(finished / "model.keras").compiled


def test_learning_lowers_the_loss(finished: Path) -> None:
    losses = [float(row["loss"]) for row in history(finished)]
    assert losses[-1] < losses[0]


def test_a_killed_run_resumes_to_the_same_end(finished: Path, tmp_path: Path) -> None:
    run = tmp_path / "killed"
    words = command(*TINY, "--epochs", 3, "--epoch-steps", 20, "--run", run)
    with subprocess.Popen(words, stderr=subprocess.DEVNULL) as process:
        while not history(run):
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    done = len(history(run))
    assert done < 3, "killed too late to show anything"
    again = command("smoke", "--resume", "--run", run)  # its choices are in its folder
    subprocess.run(again, check=True, stderr=subprocess.PIPE)
    whole, resumed = history(finished), history(run)
    assert [row["epoch"] for row in resumed] == ["1", "2", "3"]
    for column in ("loss", "learning_rate"):
        expected = [float(row[column]) for row in whole]
        # Equal seeds, steps and schedule: only the order of sums in threads differs.
        assert [float(row[column]) for row in resumed] == pytest.approx(expected, rel=0.02)


def test_a_run_says_whose_weights_it_began_with(finished: Path, tmp_path: Path) -> None:
    spec = ModelSpec.read(finished / "spec.json")
    replace(spec, licence="research only (there)").write(finished / "spec.json")
    choices = {**tiny_run.ONE_STEP, "init": str(finished / "model.keras")}
    config = changed(PRESETS["smoke"], choices)
    run = tmp_path / "run"
    loop.train(config, run, resume=False, overwrite=False, say=lambda _: None)
    spec.write(finished / "spec.json")
    begun = ModelSpec.read(run / "spec.json")
    weights = f"weights of efld-nano {spec.weights_sha256[:8]}"
    assert begun.data == ("embedded synthetic faces (40 faces)", weights, *spec.data)
    assert begun.licence == "none: rendered faces only; research only (there)"


@pytest.mark.parametrize("preset", [name for name, config in PRESETS.items() if config.init])
def test_a_preset_begins_with_weights_that_are_here(preset: str) -> None:
    config = PRESETS[preset]
    begun_with(ROOT / config.init)
    model = zoo.build(config.model)
    loop.start_from(model, ROOT / config.init, config.model)
    source = keras.models.load_model(ROOT / config.init)
    pairs = [*zip(model.get_weights(), source.get_weights(), strict=True)]
    same = [ours for ours, theirs in pairs if ours.shape == theirs.shape]
    assert len(same) >= len(pairs) - 1  # of another size: where the head expects each point
    for ours, theirs in pairs:
        assert ours.shape != theirs.shape or np.array_equal(ours, theirs)


def test_weights_of_another_model_are_no_beginning() -> None:
    nano = ROOT / "pretrained/efld-nano/model.keras"
    with pytest.raises(InputError, match=r"the weights of efld-small, found others .*Give"):
        loop.start_from(zoo.build("efld-small"), nano, "efld-small")


@pytest.mark.parametrize("preset", [name for name, config in PRESETS.items() if config.backbone])
def test_a_preset_finds_its_backbone(preset: str) -> None:
    config = PRESETS[preset]
    assert "ImageNet" in backbone_of(ROOT / config.backbone, config.model).data


def test_weights_of_unknown_origin_are_no_beginning(finished: Path, tmp_path: Path) -> None:
    weights = tmp_path / "model.keras"
    config = changed(PRESETS["smoke"], {"faces": 40, "init": str(weights)})
    shutil.copy(finished / "spec.json", tmp_path)
    weights.write_bytes(b"other")
    with pytest.raises(InputError, match=r"model.keras: has sha256 d9298a10, expected .* beside"):
        loop.train(config, tmp_path / "run", resume=False, overwrite=False, say=lambda _: None)
    ModelSpec(model="efld-nano-mirrored", input_px=112).write(tmp_path / "spec.json")
    with pytest.raises(InputError, match=r"sees faces mirrored, .* weights of efld-nano, and mir"):
        loop.train(config, tmp_path / "run", resume=False, overwrite=False, say=lambda _: None)
    digest = files.sha256(weights)
    other = ModelSpec(model="efld-nano", input_px=112, scheme="98", weights_sha256=digest)
    other.write(tmp_path / "spec.json")
    with pytest.raises(InputError, match=r"model.keras: finds 98 points, expected 68\. Give "):
        loop.train(config, tmp_path / "run", resume=False, overwrite=False, say=lambda _: None)
    (tmp_path / "spec.json").unlink()
    with pytest.raises(InputError, match=r"model.keras: no spec.json beside it, expected one"):
        loop.train(config, tmp_path / "run", resume=False, overwrite=False, say=lambda _: None)
    (tmp_path / "backbone.json").touch()
    with pytest.raises(InputError, match=r"is a backbone, expected a whole .* to --backbone"):
        loop.train(config, tmp_path / "run", resume=False, overwrite=False, say=lambda _: None)
    weights.unlink()
    with pytest.raises(InputError, match=r"model.keras: no such file"):
        loop.train(config, tmp_path / "run", resume=False, overwrite=False, say=lambda _: None)


def test_normalisation_is_measured_on_pictures_that_are_not_spoilt() -> None:
    faces = Regions(np.full((4, 64, 64), 99, np.uint8), np.full((4, 68, 2), 0.5, np.float32))
    still = Augmentation(0, 0, 0, 0, light=1, blur=1, noise=1, occlusion=1)
    seen: list[float] = []

    def model(pictures: NDArray[np.float32], *, training: bool) -> None:
        assert training
        seen.extend(np.unique(pictures).tolist())

    loop.reestimate_batch_norm(model, Batches([Source(faces)], 2, 32, still, seed=0), 5)
    assert set(seen) == {99}


def test_the_other_backend_trains_too(tmp_path: Path) -> None:
    other = "jax" if keras.backend.backend() == "tensorflow" else "tensorflow"
    env = {**os.environ, "KERAS_BACKEND": other, "XLA_FLAGS": "--xla_backend_optimization_level=0"}
    run = tmp_path / "other"
    words = command(*TINY, "--epochs", 2, "--epoch-steps", 2, "--run", run)
    subprocess.run(words, env=env, check=True, stderr=subprocess.PIPE)
    assert json.loads((run / "config.json").read_text())["versions"]["backend"] == other
    assert [row["epoch"] for row in history(run)] == ["1", "2"]
    assert load_model(run / "model.keras")(np.zeros((1, 112, 112, 1), np.uint8)).shape == (1, 68, 2)


def test_a_place_that_cannot_be_written_is_refused_before_the_data_is_read(tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    for run in (tmp_path / "taken", tmp_path / "taken" / "run"):
        with pytest.raises(InputError, match=r"taken is a file, expected a folder"):
            loop.check_run(TrainConfig(), run, resume=False, overwrite=False)


def test_an_existing_run_is_refused(tmp_path: Path) -> None:
    config = TrainConfig()
    loop.check_run(config, tmp_path, resume=False, overwrite=False)
    loop.begin(config, tmp_path, SAW)
    with pytest.raises(InputError, match=r"this run exists\. Give --resume, --overwrite"):
        loop.check_run(config, tmp_path, resume=False, overwrite=False)
    (tmp_path / "history.csv").write_text("old")
    loop.check_run(config, tmp_path, resume=False, overwrite=True)
    loop.begin(config, tmp_path, SAW)
    assert not (tmp_path / "history.csv").exists()


def test_a_run_is_not_emptied_of_what_it_begins_with(tmp_path: Path) -> None:
    run = tmp_path / "run"
    loop.begin(TrainConfig(), run, SAW)
    (tmp_path / "link").symlink_to("run")
    for where in (run, tmp_path / "other" / ".." / "run", tmp_path / "link"):
        config = TrainConfig(init=str(where / "model.keras"))
        with pytest.raises(InputError, match=r"with and --overwrite would remove\. Give another"):
            loop.check_run(config, run, resume=False, overwrite=True)


def test_a_run_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    run = tmp_path / "run"
    run.symlink_to("disk")
    loop.begin(TrainConfig(), run, SAW)
    (run / "tensorboard").mkdir()
    loop.begin(TrainConfig(), run, SAW)
    assert [path.name for path in (tmp_path / "disk").iterdir()] == ["config.json"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_that_is_no_run_is_never_emptied(tmp_path: Path, overwrite: bool) -> None:
    (tmp_path / "diary.txt").write_text("mine")
    with pytest.raises(InputError, match="is not empty and not a run"):
        loop.check_run(TrainConfig(), tmp_path, resume=False, overwrite=overwrite)


def test_a_wrong_root_costs_no_earlier_run(tmp_path: Path) -> None:
    run = tmp_path / "run"
    loop.begin(TrainConfig(), run, SAW)
    config = TrainConfig(data=str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match="no such folder"):
        loop.train(config, run, resume=False, overwrite=True, say=print)
    assert TrainConfig.read(run) == TrainConfig()
    with pytest.raises(InputError, match="no such folder"):
        loop.train(config, tmp_path / "new", resume=False, overwrite=False, say=print)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"model": "efld-smal"}, "'efld-smal' is unknown"),
        ({"loss": "foo"}, "loss 'foo' is unknown"),
    ],
)
def test_unknown_names_are_said_before_anything_is_read(
    tmp_path: Path, choices: dict[str, str], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        loop.check_run(
            changed(TrainConfig(), dict(choices)), tmp_path, resume=False, overwrite=False
        )


def test_every_choice_has_a_flag_with_a_word_of_help() -> None:
    text = parser().format_help()
    for name in flat(TrainConfig()):
        assert re.search(rf"--{name.replace('_', '-')} \S+\s+\w", text), name


def test_resuming_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing to resume"):
        loop.check_run(TrainConfig(), tmp_path, resume=True, overwrite=False)


def test_resuming_a_finished_run_leaves_its_weights_as_they_are(
    finished: Path, tmp_path: Path
) -> None:
    """What was exported of them, or begun with them, names their hash."""
    run = shutil.copytree(finished, tmp_path / "run")
    before, said = files.sha256(run / run_files.WEIGHTS), list[str]()
    for _ in range(2):
        loop.train(TrainConfig.read(run), run, resume=True, overwrite=False, say=said.append)
        assert said == [f"{run}: is finished. Next: python -m export {run}"]
        assert files.sha256(run / run_files.WEIGHTS) == before
        (run / run_files.LAST).unlink(missing_ok=True)
        said.clear()
    (run / run_files.SPEC).unlink()
    with pytest.raises(InputError, match=r"its last\.keras is gone, so nothing to resume"):
        loop.train(TrainConfig.read(run), run, resume=True, overwrite=False, say=said.append)
    assert files.sha256(run / run_files.WEIGHTS) == before


def test_resuming_under_another_backend_is_refused(tmp_path: Path) -> None:
    TrainConfig().write(tmp_path, SAW, {"backend": "torch"})
    with pytest.raises(InputError, match=r"began under KERAS_BACKEND=torch, found \w+\. Set it as"):
        loop.check_backend(tmp_path)


def test_resuming_asks_for_the_run_before_the_data(tmp_path: Path) -> None:
    given = parser().parse_args(["300w", "--resume", "--run", str(tmp_path)])
    with pytest.raises(InputError, match=r"nothing to resume\. Name the run by the --run or"):
        train(given)


def test_labels_of_the_held_out_faces_are_left_out(tmp_path: Path) -> None:
    root, extra = tmp_path / "data", tmp_path / "labelled"
    for i in range(40):
        put(root, f"some/face{i}", grey=i)
        put(extra, f"some-face{i}", grey=i)
    teacher = {"name": "t", "sha256": "0" * 64}
    labels = {"schema": 1, "data": datasets.label(root), "teacher": teacher, "terms": "mine"}
    files.write_json(extra / "labels.json", labels)
    choices = {"data": str(root), "extra": (str(extra),), "validation": 0.2, "model": "efld-nano"}
    said = list[str]()
    found = load(changed(TrainConfig(), choices), said.append)
    held = len(found.validation)
    assert 0 < held < 20
    assert len(found.sources[1].regions) == 40 - held
    assert f"({40 - held} faces; {held} left out: held out)" in said[0]


def test_extra_faces_that_no_epoch_would_draw_are_refused() -> None:
    with pytest.raises(InputError, match=r"extra_share=0\.4: of 1 epochs is less than one"):
        TrainConfig(extra=("x",), epochs=1, extra_share=0.4)


def test_resuming_with_other_choices_names_them(tmp_path: Path) -> None:
    loop.begin(TrainConfig(), tmp_path, SAW)
    other = changed(TrainConfig(), {"peak_lr": 0.5, "mirror": 0.0})
    with pytest.raises(InputError, match=r"mirror: 0\.5 -> 0\.0, peak_lr: 0\.001 -> 0\.5"):
        loop.check_run(other, tmp_path, resume=True, overwrite=False)


def test_resuming_takes_a_path_as_it_may_be_spelled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    loop.begin(changed(TrainConfig(), {"data": "faces", "extra": ("more",)}), tmp_path / "run", SAW)
    for here in (tmp_path, ".", "../" + tmp_path.name):
        again = changed(TrainConfig(), {"data": f"{here}/faces/", "extra": (f"{here}/more",)})
        loop.check_run(again, tmp_path / "run", resume=True, overwrite=False)
    with pytest.raises(InputError, match=r"data: faces -> elsewhere"):
        other = changed(again, {"data": "elsewhere"})
        loop.check_run(other, tmp_path / "run", resume=True, overwrite=False)


def test_resuming_on_other_faces_says_what_it_began_with(finished: Path, tmp_path: Path) -> None:
    run = shutil.copytree(finished, tmp_path / "run")
    (run / run_files.SPEC).unlink()  # killed before its end
    config = TrainConfig.read(run)
    config.write(run, ("data/faces (59 faces)",), {})
    with pytest.raises(InputError, match=r"run: began with data/faces \(59 faces\), finds embed"):
        loop.train(config, run, resume=True, overwrite=False, say=lambda _: None)


def test_flags_are_the_fields_of_the_config() -> None:
    words = ["300w", "--data", "X", "--peak-lr", "3e-4", "--rotation-deg", "30", "--epochs", "5"]
    config = config_of(parser().parse_args(words))
    assert (config.data, config.peak_lr, config.epochs) == ("X", 3e-4, 5)
    assert config.augmentation.rotation_deg == 30
    assert config.augmentation.mirror == PRESETS["300w"].augmentation.mirror


def test_a_config_is_read_back_whole(tmp_path: Path) -> None:
    config = changed(TrainConfig(), {"blur": 0.9, "seed": 7, "extra": ("a", "b")})
    config.write(tmp_path, SAW, {})
    assert TrainConfig.read(tmp_path) == config


def test_a_config_is_its_command() -> None:
    config = changed(
        PRESETS["300w"], {"data": "/home/me/faces/300w", "epochs": 7, "extra": ("/a/b", "/b/c")}
    )
    assert config.command() == (
        "python -m train 300w --data faces/300w --extra a/b --extra b/c --epochs 7"
    )
    cleared = changed(PRESETS["imagenet"], {"backbone": ""})
    assert cleared.command() == "python -m train imagenet --backbone ''"


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"epochs": 0}, "epochs=0: expected a number above 0"),
        ({"validation": 1.0}, "validation=1.0: expected a number from 0 to below 1"),
        ({"validation": 0.0}, "validation=0: expected a share above 0"),
        ({"seed": -1}, "seed=-1: expected a number from 0"),
        ({"shape": 30.0}, "shape=30.0: expected a probability, 0 to 1"),
    ],
)
def test_impossible_choices_are_refused(choices: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        changed(TrainConfig(), dict(choices))


def test_training_never_opens_a_test_face(real_data: Path) -> None:
    faces = datasets.training_faces(real_data / "300w")
    assert {face.part for face in faces} == {"train"}
