"""Faces to crops, a model over crops, an error per face: all accuracy numbers pass through here."""

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from efld import geometry, metrics, schemes
from efld.corrupt import UNCHANGED, Condition
from efld.data.faces import Face
from efld.errors import InputError
from efld.geometry import Picture, Points
from efld.spec import Channels, ModelSpec


@dataclass(frozen=True, eq=False)
class Crops:
    """Square crops by the `truth` box of one spec, ready for models of that spec."""

    images: NDArray[np.uint8]  # (faces, input_px, input_px, 1 or 3), grey or red, green, blue
    truth: Points  # (faces, points, 2), 0..1 over the crop's edges
    ids: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def sha256(self) -> str:
        """Of pictures and points: what a kept result was measured on."""
        return hashlib.sha256(self.images.tobytes() + self.truth.tobytes()).hexdigest()


class Landmarker(Protocol):
    """What finds points on crops: `runtime.LandmarkModel`, or a model that is still training."""

    spec: ModelSpec

    def __call__(self, crops: NDArray[Any], /) -> Points: ...


@dataclass(frozen=True)
class View:
    """How a picture becomes a crop."""

    input_px: int
    box_factor: float
    condition: Condition = UNCHANGED
    channels: Channels = "grey"

    @classmethod
    def of(cls, spec: ModelSpec, condition: Condition = UNCHANGED) -> Self:
        """What a model of `spec` wants to see."""
        return cls(spec.input_px, spec.box_factor, condition, spec.channels)


def cut(faces: Sequence[Face], spec: ModelSpec) -> Crops:
    """Decodes and crops faces: square of `spec.box_factor` times the longer side of the landmarks.

    Raises:
        InputError: no faces, an unreadable picture, or other points than the scheme of `spec` has.
    """
    check_fit(faces, spec)
    view = View.of(spec)
    return cut_views(faces, [view])[view]


def check_fit(faces: Sequence[Face], spec: ModelSpec) -> None:
    """
    Raises:
        InputError: faces that a model of `spec` cannot be measured on, said before any is decoded.
    """
    if not faces:
        raise InputError("no faces to cut, expected at least one.")
    expected = schemes.scheme(spec.scheme).points
    for face in faces:
        if face.points.shape != (expected, 2) or face.scheme != spec.scheme:
            raise InputError(
                f"{face.id}: {len(face.points)} points; model {spec.model} (scheme {spec.scheme}) "
                f"expects {expected}, found scheme {face.scheme}. Use a dataset of that scheme."
            )
        if not annotated(face.points).any():
            raise InputError(f"{face.id}: no point is annotated, expected one. Leave it out.")


def annotated(points: Points) -> NDArray[np.bool_]:
    """Which of `(..., points, 2)` landmarks are known, `(..., points)`."""
    return np.asarray(np.isfinite(points).all(axis=-1))


def cut_views(faces: Sequence[Face], views: Sequence[View]) -> dict[View, Crops]:
    """Decodes each picture once, grey and colour apart, and cuts all views of it.

    `check_fit` comes first.
    """
    with ThreadPoolExecutor() as pool:  # OpenCV releases the interpreter lock
        cuts = list(pool.map(lambda face: _cut_one(face, views), faces))
    ids = tuple(face.id for face in faces)
    return {
        view: Crops(
            images=np.stack([own[i][0] for own in cuts]),
            truth=np.stack([own[i][1] for own in cuts]),
            ids=ids,
        )
        for i, view in enumerate(views)
    }


def _cut_one(face: Face, views: Sequence[View]) -> list[tuple[Picture, Points]]:
    planes = {channels: _planes(face, channels) for channels in {view.channels for view in views}}
    cuts = []
    for view in views:
        box = view.condition.box(truth_box(face, view.box_factor), face.id)
        crops = [geometry.crop(plane, box, view.input_px) for plane in planes[view.channels]]
        image = np.stack([view.condition.picture(crop, face.id) for crop in crops], axis=-1)
        cuts.append((image, geometry.to_crop(face.points, box)))
    return cuts


def _planes(face: Face, channels: Channels) -> Sequence[Picture]:
    """The decoded picture as one `(height, width)` a channel."""
    return [face.grey()] if channels == "grey" else list(np.moveaxis(face.rgb(), -1, 0))


def truth_box(face: Face, factor: float) -> geometry.Box:
    """The square around the annotated landmarks."""
    return geometry.truth_square(face.points[annotated(face.points)], factor)


def nme_percent(
    model: Landmarker, crops: Crops, normaliser: metrics.Normaliser = "inter-ocular"
) -> NDArray[np.float64]:
    """Error of each face, `(faces,)` percent of the normaliser.

    Crops are square, so distances over them need no pixels.

    Raises:
        InputError: a face whose normaliser is zero, or a model that computes NaN.
    """
    return metrics.nme_percent(model(crops.images), crops.truth, model.spec.scheme, normaliser)
