"""Faces to crops, a model over crops, an error per face: all accuracy numbers pass through here."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from efld import geometry, metrics, schemes
from efld.data.faces import Face
from efld.errors import InputError
from efld.geometry import Picture, Points
from efld.spec import ModelSpec


@dataclass(frozen=True, eq=False)
class Crops:
    """Square crops by the `truth` box of one spec, ready for models of that spec."""

    images: NDArray[np.uint8]  # (faces, input_px, input_px, 1), grey 0..255
    truth: Points  # (faces, points, 2), 0..1 over the crop's edges
    ids: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.ids)


class Landmarker(Protocol):
    """What finds points on crops: `runtime.LandmarkModel`, or a model that is still training."""

    spec: ModelSpec

    def __call__(self, crops: NDArray[Any], /) -> Points: ...


def cut(faces: Sequence[Face], spec: ModelSpec) -> Crops:
    """Decodes and crops faces: square of `spec.box_factor` times the longer side of the landmarks.

    Raises:
        InputError: no faces, an unreadable picture, another number of points than the scheme of
            `spec` has, or a spec that wants colour.
    """
    if not faces:
        raise InputError("no faces to cut, expected at least one.")
    check_grey(spec)
    expected = schemes.scheme(spec.scheme).points
    for face in faces:
        if face.points.shape != (expected, 2):
            raise InputError(
                f"{face.id}: {len(face.points)} points; model {spec.model} (scheme {spec.scheme}) "
                f"expects {expected}. Use a dataset of that scheme."
            )
    with ThreadPoolExecutor() as pool:  # OpenCV releases the interpreter lock
        cuts = list(pool.map(lambda face: _cut_one(face, spec), faces))
    return Crops(
        images=np.stack([image for image, _ in cuts])[..., np.newaxis],
        truth=np.stack([points for _, points in cuts]),
        ids=tuple(face.id for face in faces),
    )


def _cut_one(face: Face, spec: ModelSpec) -> tuple[Picture, Points]:
    box = geometry.truth_square(face.points, spec.box_factor)
    return geometry.crop(face.grey(), box, spec.input_px), geometry.to_crop(face.points, box)


def check_grey(spec: ModelSpec) -> None:
    """
    Raises:
        InputError: a model for colour: pictures are decoded to grey.
    """
    if spec.channels != "grey":
        raise InputError(f"model {spec.model}: channels {spec.channels!r}, expected 'grey'.")


def nme_percent(
    model: Landmarker, crops: Crops, normaliser: metrics.Normaliser = "inter-ocular"
) -> NDArray[np.float64]:
    """Error of each face, `(faces,)` percent of the normaliser.

    Crops are square, so distances over them need no pixels.

    Raises:
        InputError: a face whose normaliser is zero, or a model that computes NaN.
    """
    return metrics.nme_percent(model(crops.images), crops.truth, model.spec.scheme, normaliser)
