"""Every choice that changes a training run, and the presets."""

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Self

from efld import run_files
from efld.data.augment import Augmentation
from efld.data.datasets import label
from efld.errors import InputError

ROUNDINGS = ("", "int8")
RENDERED = ("smoke", "synthetic")  # presets that rendered faces are enough for
PATHS = frozenset({"data", "extra", "init", "backbone"})


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Saved in the run's folder. Steps are batches."""

    model: Annotated[str, "a name of the zoo"] = "efld-small"
    data: Annotated[str, "dataset root; empty = the embedded synthetic faces"] = ""
    extra: Annotated[
        tuple[str, ...], "one more root whose faces join in at first (weaker labels); repeatable"
    ] = ()
    extra_share: Annotated[float, "for this share of the epochs"] = 0.7
    faces: Annotated[int, "use only so many faces of `data`; 0 = all"] = 0
    init: Annotated[str, "start from the weights of this .keras file"] = ""
    backbone: Annotated[str, "take the layers of this backbone first (train backbone)"] = ""
    rounding: Annotated[
        str, "int8: round as an int8 file will, to learn around it; best with init and little rate"
    ] = ""
    scheme: Annotated[str, "points of the model; other faces are converted or left out"] = "68"
    loss: Annotated[str, "l1, l2, wing, awing-literal, awing-symmetric, efld or efld-wing"] = "wing"
    epochs: Annotated[int, "how often the validation part is measured"] = 100
    epoch_steps: Annotated[int, "steps an epoch"] = 100
    batch: Annotated[int, "faces a step"] = 64
    peak_lr: Annotated[float, "AdamW, reached after warm-up, cosine to 0"] = 1e-3
    warmup: Annotated[float, "share of all steps"] = 0.02
    weight_decay: Annotated[float, "AdamW's, times the learning rate"] = 0.01
    average: Annotated[float, "weight averaging: momentum per step"] = 0.998
    validation: Annotated[float, "share of the groups of `data`"] = 0.05
    box_factor: Annotated[float, "crop side over the longer side of the landmarks' box"] = 1.25
    seed: Annotated[int, "of weights, order and augmentation"] = 0
    augmentation: Augmentation = field(default_factory=Augmentation)

    def __post_init__(self) -> None:
        for name in ("epochs", "epoch_steps", "batch", "peak_lr", "box_factor"):
            if getattr(self, name) <= 0:
                raise InputError(f"{name}={getattr(self, name)}: expected a number above 0.")
        if self.rounding not in ROUNDINGS:
            raise InputError(f"rounding={self.rounding!r}: expected {' or '.join(ROUNDINGS[1:])}.")
        if self.init and self.backbone:
            raise InputError(f"init={self.init!r} has a backbone already: give --backbone ''.")
        for name in ("faces", "seed"):
            if getattr(self, name) < 0:
                raise InputError(f"{name}={getattr(self, name)}: expected a number from 0.")
        if self.validation == 0:
            raise InputError("validation=0: expected a share above 0: they say how well it learns.")
        for name in ("extra_share", "warmup", "average", "validation"):
            if not 0 <= getattr(self, name) < 1:
                raise InputError(
                    f"{name}={getattr(self, name)}: expected a number from 0 to below 1."
                )
        if self.extra and not self.extra_steps:
            raise InputError(
                f"extra_share={self.extra_share}: of {self.epochs} epochs is less than one, in "
                "which the extra faces would join in. Give more of either."
            )

    @property
    def steps(self) -> int:
        return self.epochs * self.epoch_steps

    def write(self, run: Path, saw: Sequence[str], versions: Mapping[str, str]) -> None:
        """`saw`: lines about the faces and the weights that the run begins with."""
        record = {"config": asdict(self), "command": self.command(), "saw": saw}
        run_files.CONFIG.write(run, {**record, "versions": versions})

    def command(self) -> str:
        """The shortest command that gives this config; paths by their last two parts."""
        name, preset = min(PRESETS.items(), key=lambda item: len(self.changes(item[1])))
        words = ["python", "-m", "train", name]
        for choice, value in self.changes(preset).items():
            for one in value if isinstance(value, tuple) else (value,):
                shown = label(Path(one)) if one and choice in PATHS else str(one)
                words += ["--" + choice.replace("_", "-"), shown]
        return shlex.join(words)

    @property
    def extra_steps(self) -> int:
        """Steps in which the extra faces join in."""
        return round(self.extra_share * self.epochs) * self.epoch_steps

    @classmethod
    def read(cls, run: Path) -> Self:
        record = run_files.CONFIG.read(run)["config"]
        record["extra"] = tuple(record["extra"])
        return cls(**{**record, "augmentation": Augmentation(**record["augmentation"])})

    def changes(self, other: Self) -> dict[str, Any]:
        """The choices in which this config differs from another, with their values here."""
        ours, theirs = flat(self), flat(other)
        return {
            name: value
            for name, value in ours.items()
            if _meant(name, value) != _meant(name, theirs[name])
        }


def check_begun(run: Path) -> None:
    """
    Raises:
        InputError: no training in `run` that one could go on with.
    """
    if not (path := run / run_files.CONFIG.file).exists():
        raise InputError(
            f"{run}: no {path.name} in it, so nothing to resume. Name the run by the --run or "
            "--model that it began with, or leave out --resume."
        )


def flat(config: TrainConfig) -> dict[str, Any]:
    """All choices, the augmentation's among them, in one level."""
    record = asdict(config)
    return {**record.pop("augmentation"), **record}


def _meant(name: str, value: Any) -> Any:
    """What a choice says however it is spelled: paths absolute, without a slash at the end."""
    if name not in PATHS:
        return value
    several = value if isinstance(value, tuple) else (value,)
    return [one and os.path.normpath(Path(one).expanduser().absolute()) for one in several]


def changed(config: TrainConfig, choices: dict[str, Any]) -> TrainConfig:
    """The config with some choices replaced; names as in `flat`."""
    ours = {f.name for f in fields(Augmentation)}
    augmentation = replace(config.augmentation, **{k: v for k, v in choices.items() if k in ours})
    rest = {k: v for k, v in choices.items() if k not in ours}
    return replace(config, augmentation=augmentation, **rest)


# What trainings on photographs have in common; and those that begin with what others have learnt.
_FACES = TrainConfig(
    box_factor=1.15, extra_share=0.5, augmentation=Augmentation(rotation_deg=10.0, occlusion=0.3)
)
_FURTHER = replace(_FACES, augmentation=replace(_FACES.augmentation, shape=0.5))

PRESETS = MappingProxyType({
    # A minute: does everything run?
    "smoke": TrainConfig(model="efld-nano", faces=200, epochs=2, epoch_steps=8, batch=16),
    # A few minutes on rendered faces alone.
    "synthetic": TrainConfig(epochs=12, epoch_steps=120, peak_lr=2e-3, average=0.99),
    # 1.6 million pictures of 300-W, and of what `--extra` adds for a share of the epochs. With the
    # command in pretrained/starts/efld-small-300w, seed 0, the NME on full is 3.87 %.
    "300w": replace(_FACES, epochs=256, peak_lr=2e-3),
    # 3 million more, on labels of a better model and less around the face. With the command in
    # pretrained/efld-small, seed 0, the NME on full is 3.67 %.
    "further": replace(
        _FURTHER,
        init="pretrained/starts/efld-small-300w/model.keras",
        epochs=480,
        extra_share=0.6,
        peak_lr=1.5e-3,
        box_factor=1.05,
    ),
    # Half a million pictures: what ImageNet taught needs fewer. With the command in
    # pretrained/efficientnet-lite0, seed 0, the NME on full is 3.66 %.
    "imagenet": replace(
        _FURTHER,
        model="efficientnet-lite0",
        backbone="pretrained/backbones/efficientnet-lite0/model.keras",
        epochs=76,
        extra_share=0.6,
    ),
    # A quarter of a million pictures. With the command in pretrained/efficientnet-lite0-144px,
    # seed 0, the NME on full is 3.53 %.
    "144px": replace(
        _FURTHER,
        model="efficientnet-lite0-144px",
        init="pretrained/efficientnet-lite0/model.keras",
        epochs=40,
        peak_lr=6e-4,
    ),
    # A fifth of a million. With the command in pretrained/efficientnet-lite0-160px, seed 0, the NME
    # on full is 3.49 %.
    "160px": replace(
        _FURTHER,
        model="efficientnet-lite0-160px",
        init="pretrained/efficientnet-lite0-144px/model.keras",
        epochs=32,
        peak_lr=5e-4,
    ),
    # Four tenths of a million. With the command in pretrained/efficientnet-lite0-176px, seed 0, the
    # NME on full is 3.43 %.
    "176px": replace(
        _FURTHER,
        model="efficientnet-lite0-176px",
        init="pretrained/efficientnet-lite0-160px/model.keras",
        epochs=68,
        extra_share=0.6,
    ),
    # A million. With the command in pretrained/efld-small-160px, seed 0, the NME on full is 3.59 %.
    "small-160px": replace(
        _FURTHER,
        model="efld-small-160px",
        init="pretrained/starts/efld-small-300w/model.keras",
        epochs=160,
        peak_lr=1.5e-3,
    ),
    # Half a million. With the command in pretrained/efld-large, seed 0, the NME on full is 3.46 %.
    "large": replace(
        _FURTHER,
        model="efld-large",
        init="pretrained/starts/efld-large-112px/model.keras",
        epochs=84,
        extra_share=0.6,
        peak_lr=1.5e-3,
        box_factor=1.05,
    ),
})  # fmt: skip
