"""Point schemes: what mirrors onto what, which part of the face a point is on, one from another."""

from pathlib import Path

import numpy as np
import pytest

from efld import schemes
from efld.data.pts import read_pts
from efld.errors import InputError
from efld.schemes import SCHEMES

TWO_EYES = sorted(SCHEMES.keys() - {"39"})


@pytest.mark.parametrize("name", SCHEMES)
def test_mirroring_twice_gives_the_face_back(name: str) -> None:
    scheme = SCHEMES[name]
    points = np.random.default_rng(0).uniform(0, 1, (3, scheme.points, 2)).astype(np.float32)
    once = schemes.mirror(points, name)
    np.testing.assert_allclose(schemes.mirror(once, name), points, atol=1e-7)
    np.testing.assert_allclose(once[..., 0], 1 - points[:, list(scheme.mirror), 0], atol=1e-7)


@pytest.mark.parametrize("name", SCHEMES)
def test_every_point_is_in_one_region_which_mirrors_onto_itself(name: str) -> None:
    scheme = SCHEMES[name]
    regions = scheme.regions.values()
    assert sorted(index for region in regions for index in region) == list(range(scheme.points))
    for region in regions:
        assert {scheme.mirror[index] for index in region} == set(region)


@pytest.mark.parametrize("name", TWO_EYES)
def test_eyes_mirror_onto_each_other(name: str) -> None:
    scheme = SCHEMES[name]
    left, right = schemes.outer_eyes(name)
    assert (scheme.mirror[left], scheme.mirror[right]) == (right, left)
    left_eye, right_eye = schemes.pupils(name)
    assert {scheme.mirror[index] for index in left_eye} == set(right_eye)
    assert {left, right, *left_eye, *right_eye} <= set(scheme.regions["eyes"])


@pytest.mark.parametrize("name", SCHEMES)
def test_lines_join_points_of_one_region_and_mirror_onto_lines(name: str) -> None:
    scheme = SCHEMES[name]
    regions = [set(region) for region in scheme.regions.values()]
    drawn = {frozenset(line) for line, _ in scheme.lines}
    for line in drawn:
        assert any(line <= region for region in regions), line
        assert frozenset(scheme.mirror[index] for index in line) in drawn


def test_a_profile_has_no_two_eyes() -> None:
    with pytest.raises(
        InputError, match=r"'39': has no outer eye corners\. Take points of two eyes"
    ):
        schemes.outer_eyes("39")


def test_an_unknown_scheme_lists_the_known() -> None:
    with pytest.raises(InputError, match=r"point scheme '67' is unknown, expected one of \['106'"):
        schemes.scheme("67")


def test_98_points_become_68_whether_mirrored_before_or_after() -> None:
    points = np.random.default_rng(0).uniform(0, 1, (2, 3, 98, 2)).astype(np.float32)
    converted = schemes.convert(points, "98", "68")
    assert converted.shape == (2, 3, 68, 2)
    np.testing.assert_array_equal(
        schemes.mirror(converted, "68"),
        schemes.convert(schemes.mirror(points, "98"), "98", "68"),
    )
    for corner_68, corner_98 in {36: 60, 45: 72, 39: 64, 42: 68, 48: 76, 54: 82, 8: 16}.items():
        np.testing.assert_array_equal(converted[..., corner_68, :], points[..., corner_98, :])


def test_a_scheme_converts_to_itself_and_to_no_unknown_one() -> None:
    points = np.zeros((29, 2), np.float32)
    assert schemes.convert(points, "29", "29") is points
    with pytest.raises(InputError, match="no map from scheme '29' to '68', expected 98 -> 68"):
        schemes.convert(points, "29", "68")
    with pytest.raises(InputError, match=r"shape \(29, 2\): expected \(..., 98, 2\)"):
        schemes.convert(points, "98", "68")


def test_mirrored_wflw_faces_have_each_point_where_the_scheme_says(real_data: Path) -> None:
    files = sorted((real_data / "wflw" / "test_pfld112").glob("*.pts"))
    points = np.stack([read_pts(path, (98,)) for path in files])
    centred = points - points.mean(axis=1, keepdims=True)
    mean = (centred / centred.std(axis=(1, 2), keepdims=True)).mean(axis=0)
    apart = np.linalg.norm((mean * (-1, 1))[:, None] - mean, axis=-1)
    np.testing.assert_array_equal(apart.argmin(axis=1), SCHEMES["98"].mirror)
