"""A finished model out of which a command makes another, without a step of training."""

import shlex
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import keras
import numpy as np
from numpy.typing import NDArray

from efld import evaluate, files, metrics, run_files
from efld.data import datasets
from efld.data.datasets import label
from efld.data.faces import Face
from efld.errors import InputError
from efld.evaluate import Crops
from efld.models import saved
from efld.run_files import Record
from efld.spec import ModelSpec
from train.config import TrainConfig

BATCH = 32


@dataclass(frozen=True, eq=False)
class Finished:
    """The model, and the training faces in the two parts that every training makes of them."""

    run: Path
    model: keras.Model
    spec: ModelSpec
    kept: list[Face]
    held: Crops

    @classmethod
    def read(cls, run: Path, data: Path) -> Self:
        """
        Raises:
            InputError: no such run, other weights than its spec names, or no training faces.
        """
        weights = run / run_files.WEIGHTS
        if not weights.is_file():
            raise InputError(f"{weights}: no such file. Expected runs/NAME or pretrained/NAME.")
        spec = ModelSpec.read(run / run_files.SPEC)
        if spec.weights_sha256:
            files.check_sha256(weights, spec.weights_sha256, run_files.SPEC, "Restore the pair.")
        model = saved.load(weights)
        faces, _ = datasets.fitting(datasets.training_faces(data), spec.scheme)
        kept, held = datasets.hold_out(faces, TrainConfig().validation)
        return cls(run, model, spec, kept, evaluate.cut(held, spec))

    def nme_percent(self, model: keras.Model) -> float:
        """Of another model of these points, on the faces held out."""
        found = [np.asarray(model(batch, training=False)) for batch in batches(self.held.images)]
        errors = metrics.nme_percent(np.concatenate(found), self.held.truth, self.spec.scheme)
        return float(errors.mean())

    def write(
        self, out: Path, model: keras.Model, suffix: str, record: Record, told: Mapping[str, Any]
    ) -> None:
        """What was made of it, as a run that export takes.

        Args:
            suffix: what the name ends in.
            record: is written last, with what is `told`: with it, all is there. Of an earlier
                result it stays till then, the rest goes: it is of other weights.
        """
        files.empty(out, record.file)
        with files.whole(out / run_files.WEIGHTS) as temporary:
            model.save(temporary)
        digest = files.sha256(out / run_files.WEIGHTS)
        name = self.spec.model.removesuffix(suffix) + suffix
        spec = replace(self.spec, model=name, weights_sha256=digest, calibration=())
        spec.write(out / run_files.SPEC)
        source = {"source": str(self.run), "source_sha256": self.spec.weights_sha256}
        record.write(out, {**source, **told})


def batches(images: NDArray[np.uint8]) -> Iterator[NDArray[np.float32]]:
    """Pictures in float32, some at a time."""
    for begin in range(0, len(images), BATCH):
        yield images[begin : begin + BATCH].astype(np.float32)


def parser(command: str, text: str, suffix: str) -> ArgumentParser:
    """What all such commands take."""
    made = ArgumentParser(
        f"python -m train {command}",
        description=text,
        formatter_class=RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    made.add_argument("run", type=Path, help="folder with model.keras and spec.json")
    made.add_argument("--data", type=Path, required=True, help="dataset root; training faces")
    made.add_argument("--out", type=Path, help=f"folder to write (default: runs/NAME{suffix})")
    return made


def out_of(given: Namespace, suffix: str, record: Record) -> Path:
    """The folder to write.

    Raises:
        InputError: it holds something else than an earlier result, which has `record`, or is the
            run itself.
    """
    out: Path = given.out or run_files.RUNS / f"{given.run.name}{suffix}"
    files.check_writable(out / record.file)
    found = [path for path in out.iterdir() if not files.is_left_over(path)] if out.exists() else []
    if found and not (out / record.file).exists():
        raise InputError(f"{out}: is not empty and has no {record.file}. Give another --out.")
    if out.resolve() == given.run.resolve():
        raise InputError(f"{out}: is the run that it is made of. Give another --out.")
    return out


def command(name: str, given: Namespace, *more: str) -> str:
    """What was called, paths by their last two parts."""
    words = ["python", "-m", "train", name, label(given.run), "--data", label(given.data), *more]
    return shlex.join(words)
