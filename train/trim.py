"""A finished model without the hidden channels that it can do without."""

from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from tqdm import tqdm

from efld import evaluate, run_files
from efld.errors import InputError
from efld.models import mirrored, zoo
from efld.models.trimmed import SUFFIX, Hidden, hidden, least, trimmed
from train import finished
from train.finished import Finished

if TYPE_CHECKING:
    from train.feed import Say

PROBED_FACES = 256  # their channels' variances tell what is worth least
STEP = 0.025  # shares of channels that are tried
MOST = 0.6

HELP = f"""Leaves out the hidden channels that add least, as many as cost no more than
--max-nme-rise on training faces that the preset holds out, and at most {MOST:.0%} of them. Nothing
is trained; what is left goes on as any run, and `--init` trains it further.

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
    """The model to trim, and what its hidden channels add."""

    source: Finished
    found: dict[str, Hidden]

    def trial(self, share: float) -> Trial:
        """What is left without `share` of the channels, or a little less: blocks stay full."""
        kept = least(self.found, share)
        every = sum(len(one.worth) for one in self.found.values())
        left_out = 1 - sum(map(len, kept.values())) / every
        model = self.source.model
        cut = trimmed(model, self.found, kept) if left_out else model
        return Trial(left_out, cut, self.source.nme_percent(cut))


def parse(argv: Sequence[str]) -> Namespace:
    parser = finished.parser("trim", HELP, SUFFIX)
    parser.add_argument(
        "--max-nme-rise", type=float, default=0.01, metavar="POINTS",
        help="points of NME that it may cost (default: %(default)s)",
    )  # fmt: skip
    return parser.parse_args(argv)


def main(argv: Sequence[str], say: "Say") -> None:
    """Searches, writes model.keras, spec.json and trim.json, and says what is left.

    Raises:
        InputError: no such run, no training faces, a folder with something else, or nothing that
            can be left out.
    """
    given = parse(argv)
    out = finished.out_of(given, SUFFIX, run_files.TRIM)
    if not given.max_nme_rise >= 0:
        raise InputError(f"--max-nme-rise {given.max_nme_rise:g}: expected 0 or more.")
    bench = prepared(given)
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
    told = {
        "command": finished.command("trim", given, "--max-nme-rise", f"{given.max_nme_rise:g}"),
        "kept": best.row(),
        "trials": [one.row() for one in trials],
    }
    bench.source.write(out, best.model, SUFFIX, run_files.TRIM, told)
    say(f"{out}/model.keras: {described(best)}. Next: python -m export {out} --data {given.data}")


def prepared(given: Namespace) -> Bench:
    """Reads the model, and probes it on faces that it learnt from."""
    source = Finished.read(given.run, given.data)
    if source.spec.model.endswith(mirrored.SUFFIX):
        raise InputError(
            f"{given.run}: sees faces mirrored, and its channels are not found behind that. Trim "
            f"{source.spec.model.removesuffix(mirrored.SUFFIX)}, and mirror what that gives."
        )
    drawn = np.random.default_rng(0).permutation(len(source.kept))[:PROBED_FACES]
    probed = evaluate.cut([source.kept[i] for i in drawn], source.spec)
    found = hidden(source.model, finished.batches(probed.images))
    if not found:
        raise InputError(
            f"{given.run}: has no inverted residual blocks, expected a model of efld. Give one."
        )
    return Bench(source, found)


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
