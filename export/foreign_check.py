"""Is it true what a user says of a foreign file? Training faces tell, never test faces."""

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from efld import evaluate, metrics
from efld.data.datasets import has_split, label, training_faces
from efld.data.faces import Face
from efld.errors import InputError
from efld.evaluate import Crops, View
from efld.spec import CENTRE_PX
from efld.statistics import difference
from export.foreign_model import ForeignModel
from export.foreign_spec import ORIGINS_PX, PREPROCESS, UNITS, Told

FACES = 256
BOX_FACTORS = (1.0, 1.1, 1.2, 1.3, 1.4, 1.5)
GROSS = 1.5  # times the NME of something else that could be said: that is meant, surely
LEAST_GAIN = 0.02  # of the NME: less is not worth a word
HOPELESS_PERCENT = 25.0  # NME of a net that does not see the face

Errors = NDArray[np.float64]  # (faces,) percent of the distance of the eyes


class Check(NamedTuple):
    """What the user says, with what was measured in place of what was not said."""

    told: Told
    warning: str  # empty: nothing else suits the file better
    found: dict[str, Any]  # for the record


def check(foreign: ForeignModel, root: Path, origin_px: float | None) -> Check:
    """Compares what is said of a file with what else could be.

    Args:
        root: a dataset with training faces.
        origin_px: None: the exact one, unless another of `ORIGINS_PX` clearly fits better.

    Raises:
        InputError: no training faces, or the file does far better when read in another way, or
            does not find the points in any.
    """
    trial = _Trial(foreign, _training(root, foreign))
    told = trial.origin() if origin_px is None else replace(foreign.told, origin_px=origin_px)
    own = trial.of(told)
    others = {flag: trial.of(other) for flag, other in _others(told) if trial.finite(other)}
    where = f"{len(own)} training faces of {label(root)}"
    best = _best_of_each(others)
    _refuse_gross(foreign.path, own, {flag: others[flag] for flag in best}, where)
    better = [flag for flag in best if _is_better(own, others[flag])]
    warning = _warning(own, {flag: others[flag] for flag in better}, where)
    return Check(told, warning, {
        "faces": len(own),
        "origin": "measured" if origin_px is None else "given",
        "nme_percent": own.mean(),
        "others_nme_percent": {flag: errors.mean() for flag, errors in others.items()},
        "better": better,
    })  # fmt: skip


def _training(root: Path, foreign: ForeignModel) -> list[Face]:
    if not has_split(root):
        raise InputError(
            f"{root}: has no training faces of its own, expected some beside the test faces: those "
            "that measure the result may not calibrate it. Lay it out as train and test folders."
        )
    faces = training_faces(root)
    evaluate.check_fit(faces, foreign.spec)
    return random.Random(0).sample(faces, min(FACES, len(faces)))


class _Trial:
    """A foreign file on training faces, read in several ways."""

    def __init__(self, foreign: ForeignModel, faces: list[Face]) -> None:
        self._foreign = foreign
        factors = dict.fromkeys((foreign.told.box_factor, *BOX_FACTORS))
        spec = foreign.spec
        views = [View(spec.input_px, factor, channels=spec.channels) for factor in factors]
        cut = evaluate.cut_views(faces, views)
        self._crops: dict[float, Crops] = {view.box_factor: cut[view] for view in views}
        self._raw: dict[tuple[str, float], NDArray[np.float32]] = {}

    def raw(self, told: Told) -> NDArray[np.float32]:
        key = told.preprocess, told.box_factor
        if key not in self._raw:
            crops = self._crops[told.box_factor]
            self._raw[key] = self._foreign.read_as(told).raw(crops.images)
        return self._raw[key]

    def finite(self, told: Told) -> bool:
        return bool(np.isfinite(self.raw(told)).all())

    def of(self, told: Told) -> Errors:
        """NME of each face.

        Raises:
            InputError: the file computes NaN or infinity.
        """
        points = self._foreign.read_as(told).placed(self.raw(told))
        return metrics.nme_percent(points, self._crops[told.box_factor].truth, told.scheme)

    def origin(self) -> Told:
        """What is said, with the origin that fits best; the exact one where none is better."""
        told = replace(self._foreign.told, origin_px=CENTRE_PX)
        ways = [replace(told, origin_px=px) for px in ORIGINS_PX]
        best = min(ways, key=lambda way: float(self.of(way).mean()))
        return best if _is_better(self.of(told), self.of(best)) else told


def _others(told: Told) -> Iterator[tuple[str, Told]]:
    """What else could be said, one thing changed at a time, by the flag that says it.

    Of each flag, what is nearest to the user's words comes first.
    """
    for name, fed in sorted(PREPROCESS.items(), key=lambda n: n[1].reverse != told.fed.reverse):
        if fed.channels == told.fed.channels and name != told.preprocess:
            yield f"--preprocess {name}", replace(told, preprocess=name)
    for name in UNITS:
        if name != told.units:
            yield f"--units {name}", replace(told, units=name)
    for origin_px in ORIGINS_PX:
        if origin_px != told.origin_px:
            yield f"--origin {origin_px:g}", replace(told, origin_px=origin_px)
    for factor in sorted(BOX_FACTORS, key=lambda factor: abs(factor - told.box_factor)):
        if factor != told.box_factor:
            yield f"--box {factor:g}", replace(told, box_factor=factor)


def _best_of_each(others: dict[str, Errors]) -> list[str]:
    """Of each kind of flag the first that is as good as any, the best kind first."""
    kinds: dict[str, list[str]] = {}
    for flag in others:
        kinds.setdefault(flag.split()[0], []).append(flag)
    found = []
    for flags in kinds.values():
        best = min(flags, key=lambda flag: float(others[flag].mean()))
        found.append(next(f for f in flags if not _is_better(others[f], others[best])))
    return sorted(found, key=lambda flag: float(others[flag].mean()))


def _is_better(own: Errors, other: Errors) -> bool:
    gain = difference(own, other)
    return gain.low > 0 and gain.mean > LEAST_GAIN * own.mean()


def _refuse_gross(path: Path, own: Errors, best: dict[str, Errors], where: str) -> None:
    flag = min(best, key=lambda flag: float(best[flag].mean()))
    least = float(min(own.mean(), best[flag].mean()))
    if least > HOPELESS_PERCENT:
        raise InputError(
            f"{path}: NME {own.mean():.1f} % on {where}, at best {least:.1f} % with another flag, "
            f"expected below {HOPELESS_PERCENT:g} %. Are --points and --output right?"
        )
    if own.mean() > GROSS * least:
        raise InputError(
            f"{path}: NME {own.mean():.2f} % on {where} as given, {least:.2f} % with {flag}. "
            "Give that."
        )


def _warning(own: Errors, better: dict[str, Errors], where: str) -> str:
    if not better:
        return ""
    gains = {flag: difference(own, errors) for flag, errors in better.items()}
    ways = ", ".join(
        f"{better[flag].mean():.2f} % with {flag} ({-gain.mean:+.2f} \u00b1 {gain.half:.2f})"
        for flag, gain in gains.items()
    )
    return (
        f"warning: NME {own.mean():.2f} % on {where} as given, but {ways}. "
        "If the model was trained like that, give that flag."
    )
