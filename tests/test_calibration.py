"""What calibration notes, and the ranges that methods make of it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from efld.runtime import in_range
from quantize import calibration
from quantize.calibration import BINS, METHODS, Histogram, OfValues, Seen
from quantize.layers import activations
from tests import tiny_run


@pytest.fixture(scope="module")
def fp32() -> Path:
    return tiny_run.exported("dense") / "model.fp32.tflite"


@pytest.fixture(scope="module")
def images() -> NDArray[np.float32]:
    crops = tiny_run.evaluation().crops(tiny_run.SPEC)
    return in_range(crops.images, tiny_run.SPEC)


@pytest.fixture(scope="module")
def seen(fp32: Path, images: NDArray[np.float32]) -> dict[str, Seen]:
    return calibration.observe(fp32, images)


def histogram(values: NDArray[np.float64], low: float, high: float) -> Histogram:
    return Histogram(low, high, np.histogram(values, BINS, (low, high))[0])


def test_crops_come_in_the_range_of_the_graph() -> None:
    spec = replace(tiny_run.SPEC, input_range=(-1.0, 1.0))
    crops = np.array([0, 51, 255], np.uint8)
    np.testing.assert_allclose(in_range(crops, spec), [-1, -0.6, 1], atol=1e-6)


def test_every_value_of_every_picture_is_counted(
    fp32: Path, images: NDArray[np.float32], seen: dict[str, Seen]
) -> None:
    values: dict[str, list[NDArray[np.float32]]] = {}
    for tensors in activations(fp32, images):
        for name, own in tensors.items():
            values.setdefault(name, []).append(own)
    assert seen.keys() == values.keys()
    for name, found in seen.items():
        every = np.stack(values[name])
        assert found.histogram.counts.sum() == every.size
        assert found.extremes[:, 0].tolist() == [picture.min() for picture in every]
        np.testing.assert_allclose(found.mean, every.mean(axis=(0, 1)), rtol=1e-4, atol=1e-5)


def test_one_odd_picture_does_not_widen_a_histogram(seen: dict[str, Seen]) -> None:
    image = seen["image"]
    assert image.extremes[:, 0].min() <= image.histogram.low
    assert image.histogram.high <= image.extremes[:, 1].max()


@pytest.mark.parametrize("method", METHODS)
def test_a_range_lies_within_what_was_seen(method: str, seen: dict[str, Seen]) -> None:
    for name, (low, high) in calibration.ranges(seen, METHODS[method]).items():
        ends = seen[name].extremes
        assert min(0, ends[:, 0].min()) <= low <= high <= max(0, ends[:, 1].max()), name


def test_value_quantiles_known_by_hand() -> None:
    values = np.concatenate([np.linspace(0, 10, 9998), [50.0, 100.0]])
    low, high = calibration.value_quantile(histogram(values, 0, 100), 0.999)
    assert (low, high) == pytest.approx((0, 10), abs=0.1)
    assert calibration.value_quantile(histogram(values, 0, 100), 1.0) == pytest.approx((0, 100))


def test_least_error_clips_tails_and_nothing_else() -> None:
    rng = np.random.default_rng(0)
    assert calibration.least_error(histogram(rng.uniform(-1, 3, 100_000), -1, 3)) == pytest.approx(
        (-1, 3), abs=0.05
    )
    tails = rng.laplace(0, 1, 100_000).clip(-12, 12)
    low, high = calibration.least_error(histogram(tails, -12, 12))
    assert -12 < low < -5
    assert 5 < high < 12
    assert calibration._error(histogram(tails, -12, 12), low, high) < calibration._error(
        histogram(tails, -12, 12), -12, 12
    )


@pytest.mark.parametrize("value", [0.0, 3.0, -2.0])
def test_a_tensor_that_never_changes_has_a_range(value: float) -> None:
    constant = Histogram(value, value, np.bincount([0] * 64, minlength=BINS))
    for method in METHODS.values():
        if isinstance(method, OfValues):
            low, high = method.range(constant)
            assert low <= value <= high
