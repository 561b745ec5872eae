"""What each choice of a recipe brings, on faces held out of training."""

import re
import shlex
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from efld import evaluate, files, run_files, runtime, statistics
from efld.data import datasets
from efld.data.faces import Face
from efld.errors import InputError
from efld.quiet import native_stderr
from train.config import PRESETS, TrainConfig, changed
from train.feed import Say

# Some minutes of efld-small on two cores: enough to tell choices apart that differ by some
# percent, and no more.
BUDGET = replace(PRESETS["300w"], epochs=30, epoch_steps=40, average=0.99, validation=0.15)
RECIPE = "the recipe"
SEEDS = [0, 1]
# Each row changes one thing.
ROWS: Mapping[str, Mapping[str, Any]] = MappingProxyType({
    RECIPE: {},
    "MobileNetV3-Small's blocks": {"model": "efld-small-mobilenetv3"},
    "its blocks under Hong's head": {"model": "efld-small-dense"},
    "no squeeze-excite, ReLU": {"model": "efld-small-minimalistic"},
    "crop of 1.25 faces": {"box_factor": 1.25},
    "milder changes of faces": {
        "rotation_deg": 7.0, "log_scale": 0.07, "shift": 0.04,
        "light": 0.3, "blur": 0.1, "noise": 0.2, "occlusion": 0.2,
    },
    "half the learning rate": {"peak_lr": BUDGET.peak_lr / 2},
    "double the learning rate": {"peak_lr": BUDGET.peak_lr * 2},
    "no weight averaging": {"average": 0.0},
    "no mirror": {"mirror": 0.0},
    "no rotation": {"rotation_deg": 0.0},
    "no occluding box": {"occlusion": 0.0},
    "no light, blur, noise": {"light": 0.0, "blur": 0.0, "noise": 0.0},
    "warps to other faces' shapes": {"shape": 0.5},
    "l1": {"loss": "l1"},
    "l2": {"loss": "l2"},
    "adaptive wing, symmetric": {"loss": "awing-symmetric"},
    "adaptive wing, literal": {"loss": "awing-literal"},
    "EFLD": {"loss": "efld"},
    "EFLD with a floor, wing": {"loss": "efld-wing"},
})  # fmt: skip
HEAD = """# Ablation

{data}; {faces} of the training faces held out. NME in % of the distance of the outer eye corners
on the held-out faces, after {images:,} pictures of {model}. A row changes one choice; "adds" is
the mean over the seeds against the recipe, face by face, with its 95 % interval{apart}.
No test face was looked at.

Command: `{command}`

| choice | {seeds} | adds |
| --- | {rules} | ---: |
"""


class Row(NamedTuple):
    """One choice, trained with every seed."""

    name: str
    errors_percent: NDArray[np.float64]  # (seeds, faces)


def main(argv: Sequence[str], say: Say) -> None:
    """Trains what is not trained yet, measures all rows and writes the table."""
    given = parse(argv)
    base = changed(
        BUDGET, {"model": given.model, "data": str(given.data), "extra": tuple(given.extra)}
    )
    runs = [(name, seed) for name in given.rows for seed in given.seeds]
    for name, seed in tqdm(runs, unit="run"):
        train_row(changed(base, {**ROWS[name], "seed": seed}), folder(given.out, name, seed))
    rows = [measured(name, given, base) for name in given.rows]
    with files.whole(given.table) as temporary:
        temporary.write_text(table(rows, given, base))
    say(f"{given.table}: {len(rows)} rows, {len(given.seeds)} seeds")


def parse(argv: Sequence[str]) -> Namespace:
    parser = ArgumentParser(
        "python -m train ablation",
        description=f"{__doc__}\n\nFinished runs are kept: interrupt it whenever you like.",
        formatter_class=RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--data", type=Path, required=True, help="dataset root")
    parser.add_argument("--extra", action="append", default=[], help="as for training")
    parser.add_argument("--model", default=BUDGET.model, help="default: %(default)s")
    parser.add_argument("--rows", nargs="+", choices=ROWS, help="default: all that the model has")
    parser.add_argument("--seeds", nargs="+", type=int, default=SEEDS, help="default: 0 1")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("runs/ablation"),
        help="folder of the runs; default: %(default)s",
    )
    parser.add_argument("--table", type=Path, help="what to write; default: ablation.md in --out")
    given = parser.parse_args(argv)
    given.table = given.table or given.out / "ablation.md"
    files.check_writable(given.table)
    own = rows_of(given.model)
    given.rows = given.rows or own
    if others := [name for name in given.rows if name not in own]:
        raise InputError(
            f"--rows {', '.join(others)}: another model than {given.model}, of another size. "
            f"Leave them out, or give --model {BUDGET.model}."
        )
    if RECIPE not in given.rows:
        raise InputError(
            f"--rows: expected {RECIPE!r} among them, the others are compared with it."
        )
    return given


def rows_of(model: str) -> list[str]:
    """The rows that a model is compared in: other models have the size of `BUDGET`'s."""
    return [name for name, row in ROWS.items() if model == BUDGET.model or "model" not in row]


def folder(out: Path, name: str, seed: int) -> Path:
    """Where a run lies: "crop of 1.25 faces", seed 0 -> crop-of-1.25-faces-0."""
    words = re.findall(r"[\w.]+", name)
    return out / "-".join([*words, str(seed)])


def train_row(config: TrainConfig, run: Path) -> None:
    """Trains a run, goes on with it, or leaves it alone when it is finished.

    Raises:
        InputError: the folder holds a run with other choices.
    """
    with native_stderr():
        from train import loop
    begun = (run / run_files.CONFIG.file).exists()
    try:
        loop.check_run(config, run, resume=begun, overwrite=False)
    except InputError as error:
        raise InputError(f"{error} For all rows at once that is another --out.") from None
    loop.train(config, run, resume=begun, overwrite=False, say=lambda _: None)


def held_out(config: TrainConfig) -> list[Face]:
    """The faces that no row has trained on."""
    faces, _ = datasets.fitting(datasets.training_faces(Path(config.data)), config.scheme)
    return datasets.hold_out(faces, config.validation)[1]


def measured(name: str, given: Namespace, base: TrainConfig) -> Row:
    """The errors of a row's runs on the held-out faces, each in its own crop."""
    faces = held_out(base)
    errors = []
    for seed in given.seeds:
        model = runtime.load(folder(given.out, name, seed) / run_files.WEIGHTS)
        errors.append(evaluate.nme_percent(model, evaluate.cut(faces, model.spec)))
    return Row(name, np.stack(errors))


def table(rows: Sequence[Row], given: Namespace, base: TrainConfig) -> str:
    """The Markdown page."""
    recipe = next(row for row in rows if row.name == RECIPE)
    head = HEAD.format(
        data=" + ".join(datasets.label(Path(root)) for root in (given.data, *given.extra)),
        faces=recipe.errors_percent.shape[1],
        images=base.steps * base.batch,
        model=given.model,
        command=command(given),
        apart=_apart(rows),
        seeds=" | ".join(f"seed {seed}" for seed in given.seeds),
        rules=" | ".join("---:" for _ in given.seeds),
    )
    return head + "".join(_line(row, recipe) for row in rows)


def _apart(rows: Sequence[Row]) -> str:
    """What another seed does, which the intervals of faces leave out; nothing of one seed."""
    gaps = [np.ptp(row.errors_percent.mean(axis=1)) for row in rows if len(row.errors_percent) > 1]
    if not gaps:
        return ""
    return (
        " over\nfaces. What another training would give is not in it: the seeds of a row lie "
        f"{np.median(gaps):.2f} apart\n(median of the rows), so that a choice which adds less says "
        "nothing"
    )


def command(given: Namespace) -> str:
    """The command of a table, datasets by their last two folders."""
    words = ["python -m train ablation", "--data", datasets.label(given.data)]
    words += [word for root in given.extra for word in ("--extra", datasets.label(Path(root)))]
    words += ["--model", given.model]
    if given.rows != rows_of(given.model):
        words += ["--rows", *map(shlex.quote, given.rows)]
    if given.seeds != SEEDS:
        words += ["--seeds", *map(str, given.seeds)]
    return " ".join(words)


def _line(row: Row, recipe: Row) -> str:
    cells = " | ".join(f"{mean:.2f}" for mean in row.errors_percent.mean(axis=1))
    if row is recipe:
        return f"| {row.name} | {cells} | |\n"
    added = statistics.difference(
        row.errors_percent.mean(axis=0), recipe.errors_percent.mean(axis=0)
    )
    return f"| {row.name} | {cells} | {added.mean:+.2f} ± {added.half:.2f} |\n"
