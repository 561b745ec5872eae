"""A finished model without the hidden channels that it can do without."""

import shlex
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from tqdm import tqdm

from efld import evaluate, files, metrics, run_files
from efld.data import datasets
from efld.data.datasets import label
from efld.errors import InputError
from efld.evaluate import Crops
from efld.models import zoo
from efld.models.trimmed import SUFFIX, Hidden, batches, hidden, least, trimmed
from efld.spec import ModelSpec
from train.config import TrainConfig

if TYPE_CHECKING:
    from train.feed import Say

PROBED_FACES = 256  # their channels' variances tell what is worth least
STEP = 0.025  # shares of channels that are tried
MOST = 0.6

HELP = """Leaves out the hidden channels that add least, as many as cost no more than --max-nme-rise
on training faces that the preset holds out. Nothing is trained; what is left goes on as any run,
and `--init` trains it further.

examples:
  python -m train trim runs/NAME --data ~/300w
  python -m train 300w --data ~/300w --model MODEL --init runs/NAME-trimmed/model.keras \\
    --run runs/NEW
  python -m train trim pretrained/efficientnet-w0.5-d1.1 --data ~/300w --max-nme-rise 0.02"""


@dataclass(frozen=True)
class Trial:
    """A share of hidden channels left out, and what is left."""

    share: float
    model: keras.Model
    nme_percent: float

    def row(self) -> dict[str, Any]:
        return {
            "share": self.share,
            "parameters": self.model.count_params(),
            "multiply_adds": zoo.multiply_adds(self.model),
            "nme_percent": self.nme_percent,
        }


@dataclass(frozen=True)
class Bench:
    """The model to trim, and the faces that say what it costs."""

    model: keras.Model
    found: dict[str, Hidden]
    held: Crops
    scheme: str

    def trial(self, share: float) -> Trial:
        """What is left without `share` of the channels, or a little less: blocks stay full."""
        kept = least(self.found, share)
        every = sum(len(one.worth) for one in self.found.values())
        left_out = 1 - sum(map(len, kept.values())) / every
        cut = trimmed(self.model, self.found, kept) if left_out else self.model
        found = [np.asarray(cut(batch, training=False)) for batch in batches(self.held.images)]
        errors = metrics.nme_percent(np.concatenate(found), self.held.truth, self.scheme)
        return Trial(left_out, cut, float(errors.mean()))


def parse(argv: Sequence[str]) -> Namespace:
    parser = ArgumentParser(
        "python -m train trim",
        description=HELP,
        formatter_class=RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("run", type=Path, help="folder with model.keras and spec.json")
    parser.add_argument("--data", type=Path, required=True, help="dataset root; training faces")
    parser.add_argument(
        "--max-nme-rise", type=float, default=0.01, metavar="POINTS",
        help="points of NME that it may cost (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, help="folder to write (default: runs/NAME-trimmed)")
    return parser.parse_args(argv)


def main(argv: Sequence[str], say: "Say") -> None:
    """Searches, writes model.keras, spec.json and trim.json, and says what is left.

    Raises:
        InputError: no such run, no training faces, a folder with something else, or nothing that
            can be left out.
    """
    given = parse(argv)
    out: Path = given.out or run_files.RUNS / f"{given.run.name}{SUFFIX}"
    check_free(out)
    if given.max_nme_rise < 0:
        raise InputError(f"--max-nme-rise {given.max_nme_rise:g}: expected 0 or more.")
    bench, spec = prepared(given)
    untouched = bench.trial(0.0)
    limit_percent = untouched.nme_percent + given.max_nme_rise
    trials = [untouched, *searched(bench, limit_percent)]
    fitting = [one for one in trials if one.nme_percent <= limit_percent]
    best = max(fitting, key=lambda one: one.share)
    for one in sorted(trials, key=lambda one: one.share):
        say(described(one))
    if not best.share:
        raise InputError(
            f"{given.run}: {STEP:.1%} of its hidden channels cost more than {given.max_nme_rise:g} "
            "points of NME. Give a larger --max-nme-rise, or keep it as it is."
        )
    write(out, best, trials, spec, given)
    say(f"{out}/model.keras: {described(best)}. Next: python -m export {out} --data {given.data}")


def check_free(out: Path) -> None:
    """
    Raises:
        InputError: a folder that holds something else than an earlier result.
    """
    files.check_writable(out / run_files.TRIM.file)
    found = [path for path in out.iterdir() if not files.is_left_over(path)] if out.exists() else []
    if found and not (out / run_files.TRIM.file).exists():
        raise InputError(
            f"{out}: is not empty and has no {run_files.TRIM.file}. Give another --out."
        )


def prepared(given: Namespace) -> tuple[Bench, ModelSpec]:
    """Reads the model, and the faces that are probed and held out."""
    weights = given.run / run_files.WEIGHTS
    if not weights.is_file():
        raise InputError(f"{weights}: no such file. Expected runs/NAME or pretrained/NAME.")
    spec = ModelSpec.read(given.run / run_files.SPEC)
    if spec.weights_sha256:
        files.check_sha256(weights, spec.weights_sha256, run_files.SPEC, "Restore the pair.")
    model = keras.models.load_model(weights)
    faces, _ = datasets.fitting(datasets.training_faces(given.data), spec.scheme)
    kept, held = datasets.hold_out(faces, TrainConfig().validation)
    drawn = np.random.default_rng(0).permutation(len(kept))[:PROBED_FACES]
    probed = evaluate.cut([kept[i] for i in drawn], spec)
    found = hidden(model, probed.images)
    if not found:
        raise InputError(f"{weights}: has no inverted residual blocks, expected a model of efld.")
    return Bench(model, found, evaluate.cut(held, spec), spec.scheme), spec


def searched(bench: Bench, limit_percent: float) -> list[Trial]:
    """Trials by bisection, to the largest share of channels that costs no more."""
    trials = []
    low, high = 0, round(MOST / STEP)
    with tqdm(total=high.bit_length(), unit="trial") as bar:
        while low < high:
            middle = (low + high + 1) // 2
            trials.append(bench.trial(round(middle * STEP, 3)))
            fits = trials[-1].nme_percent <= limit_percent
            low, high = (middle, high) if fits else (low, middle - 1)
            bar.update()
    return trials


def described(one: Trial) -> str:
    row = one.row()
    return (
        f"{row['share']:.1%} of hidden channels left out: {row['parameters']:,} parameters, "
        f"{row['multiply_adds'] / 1e6:.1f} M multiply-adds, NME {row['nme_percent']:.3f} %"
    )


def write(
    out: Path, best: Trial, trials: Sequence[Trial], spec: ModelSpec, given: Namespace
) -> None:
    """The result as a run that export takes; trim.json last: with it, all is there."""
    with files.whole(out / run_files.WEIGHTS) as temporary:
        best.model.save(temporary)
    digest = files.sha256(out / run_files.WEIGHTS)
    name = spec.model.removesuffix(SUFFIX) + SUFFIX
    cut = replace(spec, model=name, weights_sha256=digest, calibration=())
    cut.write(out / run_files.SPEC)
    run_files.TRIM.write(out, {
        "command": command(given),
        "source": str(given.run),
        "source_sha256": spec.weights_sha256,
        "kept": best.row(),
        "trials": [one.row() for one in trials],
    })  # fmt: skip


def command(given: Namespace) -> str:
    words = ["python", "-m", "train", "trim", label(given.run), "--data", label(given.data)]
    return shlex.join([*words, "--max-nme-rise", f"{given.max_nme_rise:g}"])
