"""A model that looks twice: the mean of two looks, the same weights once, one partition."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest

from efld import schemes, tflite_file
from efld.errors import InputError
from efld.models import zoo
from efld.models.mirrored import mirrored
from efld.runtime import load
from efld.spec import ModelSpec
from export import chain
from quantize import chain as quantization
from tests import tiny_run
from train import mirror

FACES = str(tiny_run.faces_root())
RUNS = ("once", "twice")


def test_the_points_are_the_mean_of_two_looks() -> None:
    model = zoo.build("efld-nano")
    tiny_run.wake(model)
    images = np.random.default_rng(0).uniform(0, 255, (2, 112, 112, 1)).astype(np.float32)
    once = np.asarray(model(images))
    again = schemes.mirror(np.asarray(model(np.ascontiguousarray(images[:, :, ::-1]))), "68")
    assert not np.allclose(once, again, atol=1e-3)
    # The order of float32 sums differs.
    np.testing.assert_allclose(mirrored(model, "68")(images), (once + again) / 2, atol=1e-6)


@pytest.fixture(scope="module")
def twice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that the command made, through the whole chain."""
    folder = tmp_path_factory.mktemp("mirror")
    tiny_run.write_run(folder / "once", "heatmap")
    mirror.main([str(folder / "once"), "--data", FACES, "--out", str(folder / "twice")], print)
    for run in RUNS:
        chain.export(folder / run, tiny_run.evaluation(), lambda _: None)
        quantization.quantize(folder / run, tiny_run.evaluation(), tiny_run.OPTIONS, lambda _: None)
    return folder / "twice"


def test_the_command_leaves_a_run_that_goes_on(twice: Path) -> None:
    assert ModelSpec.read(twice / "spec.json").model == "tiny-mirrored"
    record = json.loads((twice / "mirror.json").read_text())
    assert record["command"].startswith("python -m train mirror ")
    assert set(record["nme_percent"]) == {"once", "twice"}


def test_weights_lie_in_a_file_once(twice: Path) -> None:
    reordering = 68**2 + 16**2 + (tiny_run.INPUT_PX // 16) ** 2
    for file, each_bytes in (("model.fp32.tflite", 4), ("model.fp16.tflite", 2)):
        alone, both = (_stored_bytes(twice.parent / run / file) for run in RUNS)
        assert both - alone <= reordering * each_bytes + 400  # shapes and axes
    # Biases lie there twice.
    alone, both = (_stored_bytes(twice.parent / run / "model.int8.tflite") for run in RUNS)
    assert both - alone < reordering + alone / 8


def _stored_bytes(path: Path) -> int:
    buffers = tflite_file.read(path).buffers
    return sum(len(one.data) for one in buffers if one.data is not None)


def test_files_run_in_one_partition(twice: Path) -> None:
    ops = tflite_file.op_counts(twice / "model.fp32.tflite")
    assert ops["TRANSPOSE"] == 4 + ops["SOFTMAX"]
    for file in ("model.fp32.tflite", "model.int8.tflite"):
        delegation = load(twice / file).session.delegation()
        assert delegation is not None
        assert (delegation.partitions, delegation.outside) == (1, {})


def test_once_is_enough(twice: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="that see faces mirrored already"):
        mirror.main([str(twice), "--data", FACES, "--out", str(tmp_path / "out")], print)
    with pytest.raises(InputError, match="twice: is the run that it is made of"):
        mirror.main([str(twice), "--data", FACES, "--out", str(twice)], print)
    with pytest.raises(InputError, match=r"is not empty and has no mirror\.json"):
        mirror.main([str(twice), "--data", FACES, "--out", str(twice.parent / "once")], print)


def test_pictures_of_odd_width_are_refused() -> None:
    image = keras.Input((40, 40, 1))
    with pytest.raises(InputError, match="40 px wide, expected a multiple of 16"):
        mirrored(keras.Model(image, keras.layers.Flatten()(image)), "68")
