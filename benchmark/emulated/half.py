"""How far half precision moves the points of our own models, emulated, on rendered faces.

A picture of noise would say three to five times too much: its heat maps are flat.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmark.emulated import toolchain
from efld import evaluate
from efld.data import synthetic
from efld.data.faces import Face
from efld.runtime import LandmarkModel, in_range
from efld.sessions import Session
from efld.spec import ModelSpec

FACES = 4
SCHEME = "68"  # of rendered faces


@dataclass(frozen=True)
class Moved:
    """Distances between the points of half precision and of this machine, pixels of the crop."""

    faces: int
    mean_px: float
    largest_px: float

    def __str__(self) -> str:
        return f"{self.mean_px:.2f} px, at most {self.largest_px:.2f}, on {self.faces} faces"


def moved(path: Path, cpu: str, spec: ModelSpec, session: Session) -> Moved | None:
    """Runs `FACES` rendered faces, a second each; None for a model of other points."""
    if spec.scheme != SCHEME:
        return None
    rendered = [synthetic.render(seed) for seed in range(FACES)]
    faces = [Face(f"{i}", own.picture, own.points, "train", "") for i, own in enumerate(rendered)]
    crops = evaluate.cut(faces, spec).images
    expected = LandmarkModel(spec, path, session)(crops)
    values = in_range(crops, spec)
    [edge] = session.inputs
    outputs = [
        toolchain.run(path, cpu, {edge.name: values[i : i + 1]}, fp16=True).output
        for i in range(FACES)
    ]
    found = np.frombuffer(b"".join(outputs), np.float32).reshape(expected.shape)
    distances_px = np.linalg.norm(found - expected, axis=-1) * spec.input_px
    return Moved(FACES, float(distances_px.mean()), float(distances_px.max()))
