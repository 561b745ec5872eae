"""Is it true what a user says of a foreign file? Training faces tell, never test faces."""

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from efld import evaluate, metrics
from efld.data.datasets import fitting, has_split, label, training_faces
from efld.data.faces import Face
from efld.errors import InputError
from efld.evaluate import Crops, View
from efld.spec import CENTRE_PX
from efld.statistics import difference
from export.foreign_model import ForeignModel, not_finite
from export.foreign_spec import ORIGINS_PX, PREPROCESS, UNITS, Told

FACES = 256
FIRST_FACES = 32  # of them: what is surely worse there is not tried on the others
BOX_FACTORS = (1.0, 1.1, 1.2, 1.3, 1.4, 1.5)
GROSS = 1.5  # times the NME of something else that could be said: that is meant, surely
LEAST_GAIN = 0.02  # of the NME: less is not worth a word
HOPELESS_PERCENT = 25.0  # NME of a net that does not see the face

Errors = NDArray[np.float64]  # (faces,) percent of the distance of the eyes


class Check(NamedTuple):
    """What the user says, with what was measured in place of what was not said."""

    told: Told
    note: str  # where its pixels begin, where that is another place than ours; else empty
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
    faces = _training(root, foreign)
    trial, first = _Trial(foreign, faces), _Trial(foreign, faces[:FIRST_FACES])
    told = trial.origin() if origin_px is None else replace(foreign.told, origin_px=origin_px)
    ways = dict(_others(told))
    at_first = first.compared(told, ways, label(root))
    near = {flag: ways[flag] for flag in at_first.others if not at_first.is_worse(flag)}
    found = trial.compared(told, near, label(root))
    better = [flag for flag in found.best if _is_better(found.own, found.others[flag])]
    warning = _warning(found.own, {flag: found.others[flag] for flag in better}, found.where)
    return Check(told, trial.moved(told) if origin_px is None else "", warning, {
        "faces": len(found.own),
        "first_faces": len(at_first.own),
        "origin": "measured" if origin_px is None else "given",
        "nme_percent": found.own.mean(),
        "others_nme_percent": _means(found.others),
        "others_nme_percent_at_first": _means(at_first.others),
        "better": better,
    })  # fmt: skip


class _Compared(NamedTuple):
    """The errors of what the user says, and of what else could be said."""

    own: Errors
    others: dict[str, Errors]  # by the flag that says it
    best: list[str]  # of each kind of flag
    where: str

    def is_worse(self, flag: str) -> bool:
        """Beyond doubt."""
        return difference(self.own, self.others[flag]).high < 0


def _training(root: Path, foreign: ForeignModel) -> list[Face]:
    if not has_split(root):
        raise InputError(
            f"{root}: has no training faces of its own, expected some beside the test faces: those "
            "that measure the result may not calibrate it. Lay it out as train and test folders."
        )
    faces, _ = fitting(training_faces(root), foreign.spec.scheme)
    return random.Random(0).sample(faces, min(FACES, len(faces)))


class _Trial:
    """A foreign file on training faces, read in several ways."""

    def __init__(self, foreign: ForeignModel, faces: list[Face]) -> None:
        self._foreign = foreign
        self._faces = faces
        self._crops: dict[float, Crops] = {}
        self._raw: dict[tuple[str, float], NDArray[np.float32]] = {}

    def compared(self, told: Told, ways: dict[str, Told], data: str) -> _Compared:
        """What is said, and other ways to read the file, but those in which it computes NaN.

        Args:
            data: for messages, a dataset's label.

        Raises:
            InputError: the file does far better in another way, or finds the points in none.
        """
        own = self.of(told)
        others = {flag: self.of(way) for flag, way in ways.items() if self.finite(way)}
        where = f"{len(own)} training faces of {data}"
        found = _Compared(own, others, _best_of_each(others), where)
        _refuse_gross(self._foreign.path, found)
        return found

    def crops(self, box_factor: float) -> Crops:
        if box_factor not in self._crops:
            spec = self._foreign.spec
            view = View(spec.input_px, box_factor, channels=spec.channels)
            self._crops[box_factor] = evaluate.cut_views(self._faces, [view])[view]
        return self._crops[box_factor]

    def raw(self, told: Told) -> NDArray[np.float32]:
        key = told.preprocess, told.box_factor
        if key not in self._raw:
            images = self.crops(told.box_factor).images
            self._raw[key] = self._foreign.read_as(told).raw(images)
        return self._raw[key]

    def finite(self, told: Told) -> bool:
        return bool(np.isfinite(self.raw(told)).all())

    def of(self, told: Told) -> Errors:
        """NME of each face.

        Raises:
            InputError: the file computes NaN or infinity.
        """
        if not self.finite(told):
            raise not_finite(self._foreign.path, told)
        points = self._foreign.read_as(told).placed(self.raw(told))
        return metrics.nme_percent(points, self.crops(told.box_factor).truth, told.scheme)

    def origin(self) -> Told:
        """What is said, with the origin that fits best; the exact one where none is better."""
        told = replace(self._foreign.told, origin_px=CENTRE_PX)
        ways = [replace(told, origin_px=px) for px in ORIGINS_PX]
        best = min(ways, key=lambda way: float(self.of(way).mean()))
        return best if _is_better(self.of(told), self.of(best)) else told

    def moved(self, told: Told) -> str:
        """What a measured origin brings; empty for the exact one."""
        if told.origin_px == CENTRE_PX:
            return ""
        exact, own = self.of(replace(told, origin_px=CENTRE_PX)).mean(), self.of(told).mean()
        return (
            f"note: it counts pixels from another place: NME {exact:.2f} % with the middle of the "
            f"first one at {CENTRE_PX:g}, {own:.2f} % with --origin {told.origin_px:g}, now taken"
        )


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


def _refuse_gross(path: Path, found: _Compared) -> None:
    own = float(found.own.mean())
    means = {"what is given": own, **_means({flag: found.others[flag] for flag in found.best})}
    flag = min(means, key=means.__getitem__)
    least = means[flag]
    if least > HOPELESS_PERCENT:
        raise InputError(
            f"{path}: NME {own:.1f} % on {found.where}, at best {least:.1f} % with {flag}, "
            f"expected below {HOPELESS_PERCENT:g} %. Are --points and --output right?"
        )
    if own > GROSS * least:
        raise InputError(
            f"{path}: NME {own:.2f} % on {found.where} as given, {least:.2f} % with {flag}. "
            "Give that."
        )


def _means(errors: dict[str, Errors]) -> dict[str, float]:
    return {flag: float(each.mean()) for flag, each in errors.items()}


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
