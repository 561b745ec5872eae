"""Runs that begin with a backbone that learnt elsewhere."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from efld import files
from efld.errors import InputError
from efld.models import efficientnet_lite, zoo
from efld.spec import ModelSpec
from tests import tiny_run
from train import backbone, imagenet, loop
from train.backbone import RECORD
from train.config import PRESETS, TrainConfig, changed
from train.imagenet import Arrays

EMBEDDED = Path(__file__).parent.parent / "pretrained/backbones/efficientnet-lite0/model.keras"


def lite0() -> Arrays:
    """Arrays with the names and shapes of EfficientNet-Lite0's first eleven blocks in PyTorch."""
    rng = np.random.default_rng(0)
    state = {}

    def add(convolution: str, shape: tuple[int, ...], normalisation: str, channels: int) -> None:
        state[f"{convolution}.weight"] = rng.normal(size=shape).astype(np.float32)
        for part in ("weight", "bias", "running_mean", "running_var"):
            values = rng.uniform(0.5, 1.5, channels)
            state[f"{normalisation}.{part}"] = values.astype(np.float32)

    add("_conv_stem", (32, 3, 3, 3), "_bn0", 32)
    # kernel, channels in, hidden, out
    rows = [(3, 32, 32, 16), (3, 16, 96, 24), (3, 24, 144, 24), (5, 24, 144, 40), (5, 40, 240, 40),
            (3, 40, 240, 80), (3, 80, 480, 80), (3, 80, 480, 80), (5, 80, 480, 112),
            (5, 112, 672, 112), (5, 112, 672, 112)]  # fmt: skip
    for i, (kernel, before, hidden, out) in enumerate(rows):
        block = f"_blocks.{i}"
        if i:
            add(f"{block}._expand_conv", (hidden, before, 1, 1), f"{block}._bn0", hidden)
        add(f"{block}._depthwise_conv", (hidden, 1, kernel, kernel), f"{block}._bn1", hidden)
        add(f"{block}._project_conv", (out, hidden, 1, 1), f"{block}._bn2", out)
    return state


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("backbone")
    source = folder / "lite0.pth"
    source.write_bytes(b"read by PyTorch")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(imagenet, "state_of", lambda _: lite0())
        imagenet.main([str(source), "--out", str(folder)], lambda _: None)
    return folder / "model.keras"


def test_every_layer_of_the_backbone_comes_from_the_file(converted: Path) -> None:
    model = zoo.build("efficientnet-lite0")
    before = {layer.name: layer.get_weights() for layer in model.layers if layer.weights}
    backbone.take(model, converted)
    same = [
        name
        for name, arrays in before.items()
        if all(map(np.array_equal, arrays, model.get_layer(name).get_weights()))
    ]
    assert same
    assert all(name.startswith(("head_", "landmarks")) for name in same)
    state = lite0()
    kernel = model.get_layer("stage4_block2_depthwise").get_weights()[0]
    np.testing.assert_array_equal(
        kernel[:, :, 7, 0], state["_blocks.6._depthwise_conv.weight"][7, 0]
    )
    kernel = model.get_layer("stage5_block3_project").get_weights()[0]
    np.testing.assert_array_equal(
        kernel[0, 0], state["_blocks.10._project_conv.weight"][:, :, 0, 0].T
    )
    mean = model.get_layer("stage2_block1_expand_bn").get_weights()[2]
    np.testing.assert_array_equal(mean, state["_blocks.1._bn0.running_mean"])


def test_a_grey_picture_is_seen_as_three_equal_colours() -> None:
    kernel = lite0()["_conv_stem.weight"]
    layers = dict(imagenet.layers_of(lite0(), Path("lite0.pth")))
    patch = np.random.default_rng(1).uniform(-1, 1, (3, 3))
    colours = np.einsum("ocij,ij->o", kernel, patch)
    grey = np.einsum("ijco,ij->o", layers["stem"][0], patch)
    np.testing.assert_allclose(grey, colours, rtol=1e-5)  # the order of float32 sums differs


def test_a_run_says_what_its_backbone_has_seen(converted: Path, tmp_path: Path) -> None:
    spec = ModelSpec.read(trained(tmp_path / "run", converted) / "spec.json")
    assert spec.data == ("embedded synthetic faces (40 faces)", imagenet.DATA)
    assert spec.licence == f"none: rendered faces only; {imagenet.TERMS}"


def trained(run: Path, weights: Path, model: str = "efficientnet-lite0") -> Path:
    choices = {**tiny_run.ONE_STEP, "model": model, "backbone": str(weights)}
    config = changed(PRESETS["smoke"], choices)
    loop.train(config, run, resume=False, overwrite=False, say=lambda _: None)
    return run


def test_the_backbone_we_bring_is_what_its_record_says() -> None:
    record = backbone.backbone_of(EMBEDDED, "efficientnet-lite0")
    assert (record.data, record.licence) == (imagenet.DATA, imagenet.TERMS)
    backbone.take(zoo.build("efficientnet-lite0"), EMBEDDED)


def missing(folder: Path) -> None:
    (folder / "model.keras").unlink()


def another(folder: Path) -> None:
    (folder / "model.keras").write_bytes(b"other")


def unknown(folder: Path) -> None:
    (folder / RECORD).unlink()


def of_another_form(folder: Path) -> None:
    files.write_json(folder / RECORD, {"schema": 1, "model": "efficientnet-lite0"})


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (missing, r"model.keras: no such file. `python -m train backbone` makes one"),
        (another, r"model.keras: has sha256 d9298a10, expected .* as in backbone.json beside it"),
        (unknown, r"backbone.json: no such file. Run `python -m train backbone` first"),
        (of_another_form, r"backbone.json: .*missing.*Run `python -m train backbone`"),
    ],
)
def test_a_backbone_of_unknown_origin_is_refused(
    converted: Path, tmp_path: Path, harm: Callable[[Path], None], message: str
) -> None:
    weights = copied(converted, tmp_path / "copy")
    harm(weights.parent)
    with pytest.raises(InputError, match=message):
        trained(tmp_path / "run", weights)
    assert not (tmp_path / "run").exists()


def copied(weights: Path, folder: Path) -> Path:
    folder.mkdir()
    for name in (weights.name, RECORD):
        (folder / name).write_bytes(weights.with_name(name).read_bytes())
    return folder / weights.name


def test_a_backbone_fits_its_model_alone(converted: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is the backbone of efficientnet-lite0, .* efld-nano"):
        trained(tmp_path / "run", converted, "efld-nano")


def test_a_backbone_of_another_width_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.keras"
    efficientnet_lite.backbone(0.5, 1.0).save(path)
    with pytest.raises(InputError, match=r"model.keras: does not fit efficientnet_lite"):
        backbone.take(zoo.build("efficientnet-lite0"), path)


def test_weights_of_a_run_have_a_backbone_already() -> None:
    with pytest.raises(InputError, match=r"has a backbone already: give --backbone ''"):
        TrainConfig(init="a.keras", backbone="b.keras")


def test_weights_of_b0_are_not_taken_for_those_of_lite0() -> None:
    state = dict(lite0()) | {"_blocks.0._se_reduce.weight": np.zeros((8, 32, 1, 1), np.float32)}
    with pytest.raises(InputError, match=r"x.pth: has squeeze-excite, as EfficientNet-B0 does"):
        list(imagenet.layers_of(state, Path("x.pth")))


def test_a_file_that_is_not_lite0_says_what_it_lacks() -> None:
    state = dict(lite0())
    del state["_blocks.3._bn1.bias"]
    with pytest.raises(InputError, match=r"x.pth: has no '_blocks.3._bn1.bias', expected Eff"):
        list(imagenet.layers_of(state, Path("x.pth")))


def test_a_missing_pth_says_where_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"x.pth: no such file. Expected a .pth"):
        imagenet.state_of(tmp_path / "x.pth")
