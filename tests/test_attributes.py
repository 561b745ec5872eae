"""Which classes a face is in, and what it weighs."""

from dataclasses import replace

import numpy as np
import pytest

from efld import attributes
from efld.data.faces import Face
from efld.data.synthetic import NEUTRAL_FACE
from efld.data.synthetic.camera import rotation


def face(yaw: float = 0, pitch: float = 0, gap: float = 0) -> Face:
    """The mean face, turned; the lower lip and the chin `gap` eye distances lower."""
    solid = NEUTRAL_FACE.copy()
    solid[[65, 66, 67, 55, 56, 57, 58, 59], 1] += gap
    turned = solid @ rotation(yaw, pitch, 0).T
    points = (turned[:, :2] / (20 + turned[:, 2:]) * 2000).astype(np.float32)
    return Face("f", np.zeros((4, 4), np.uint8), points, "train", "f")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (face(), {"frontal"}),
        (face(yaw=0.7), {"profile"}),
        (face(yaw=-0.7), {"profile"}),
        (face(pitch=-0.35), {"head-up"}),
        (face(pitch=0.35), {"head-down"}),
        (face(gap=0.3), {"frontal", "expression"}),
        (face(yaw=0.3), set()),
    ],
)
def test_classes_come_from_pose_and_shape(given: Face, expected: set[str]) -> None:
    assert attributes.classes([given])[0] == expected


def test_hidden_points_and_the_datasets_own_flags_count() -> None:
    seen = np.ones(68, bool)
    seen[3] = False
    assert "occlusion" in attributes.of(replace(face(), visible=seen))
    flagged = replace(face(), attributes=frozenset({"occlusion", "blur"}))
    assert attributes.of(flagged) == {"occlusion", "blur"}
    assert attributes.classes([flagged])[0] == {"frontal", "occlusion"}


def test_weights_by_hand() -> None:
    found = [
        frozenset(names)
        for names in (["frontal"], ["frontal"], ["profile"], ["profile", "expression"])
    ]
    # Shares: frontal and profile 1/2, expression 1/4. Sums 2, 2, 2, 6; their mean is 3.
    np.testing.assert_allclose(attributes.weights(found), np.array([2, 2, 2, 6]) / 3, rtol=1e-6)


def test_a_plain_face_weighs_more_than_nothing() -> None:
    """Known bug of open PFLD code: a face in no class has weight 0 and teaches nothing."""
    plain, other = face(yaw=0.3), face()
    found = attributes.classes([plain, other, other, other])
    assert found[0] == frozenset()
    assert attributes.weights(found)[0] == pytest.approx(2)  # 4 faces, 1 plain: 4 of a mean of 2
    assert (attributes.weights([frozenset()] * 3) == 1).all()
