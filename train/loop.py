"""The training run, top to bottom."""

import importlib.metadata
from collections.abc import Sequence
from pathlib import Path

import keras

from efld import files, run_files
from efld.data.batches import Batch, Batches, mean_shape, plain
from efld.errors import InputError, one_line
from efld.losses import POSE_LOSSES, LandmarkLoss, PoseLoss, nme
from efld.models import saved, zoo
from efld.models.fake_int8 import exact, fake_int8
from efld.models.pose_branch import JointModel, landmarks_of, with_pose
from efld.schemes import outer_eyes
from efld.spec import ModelSpec
from train import backbone
from train.config import TrainConfig, check_begun, flat
from train.feed import Data, Say, fed, load
from train.journal import Journal

BATCH_NORM_STEPS = 40


def train(config: TrainConfig, run: Path, *, resume: bool, overwrite: bool, say: Say) -> None:
    """Trains a model and writes `model.keras`, `spec.json`, `history.csv` into `run`.

    A finished run that is resumed stays as it is: written again, the weights have another hash, and
    what was made of them would not know them.

    Raises:
        InputError: the run exists and neither `resume` nor `overwrite`, or the data is unusable.
    """
    check_run(config, run, resume=resume, overwrite=overwrite)
    if resume and is_finished(run):
        say(f"{run}: is finished. Next: python -m export {run}")
        return
    data = load(config, say)
    keras.utils.set_random_seed(config.seed)
    if resume and (run / run_files.LAST).exists():
        check_saw(run, data.names)
        check_backend(run)
        model = restored(run)
    else:
        model = compiled(config, data)
        begin(config, run, data.names)
    batches = Batches(
        data.sources,
        config.batch,
        model.input_shape[1],
        config.augmentation,
        config.seed,
        config.scheme,
    )
    done = int(model.optimizer.iterations) // config.epoch_steps
    say(f"{run}: {config.model}, {done} of {config.epochs} epochs done")
    if done == config.epochs:  # killed after the last epoch: what `fit` does at its end is missing
        model.optimizer.finalize_variable_values(model.trainable_variables)
    else:
        fit(model, batches, config, run, done, plain(data.validation, model.input_shape[1]))
    finish(model, batches, config, run, data)
    say(f"{run}/model.keras written. Next: python -m export {run}")


def fit(
    model: keras.Model,
    batches: Batches,
    config: TrainConfig,
    run: Path,
    done: int,
    validation: Batch,
) -> None:
    """Trains the epochs after the first `done`; ends with the averaged weights in the model."""
    stream = batches.stream(done * config.epoch_steps, config.steps)
    model.fit(
        (fed(model, batch) for batch in stream),
        steps_per_epoch=config.epoch_steps,
        initial_epoch=done,
        epochs=config.epochs,
        validation_data=fed(model, validation),
        validation_batch_size=config.batch,
        callbacks=[keras.callbacks.SwapEMAWeights(), Journal(run, config, done)],
        shuffle=False,  # the stream has an order of its own
        verbose=0,
    )


def check_run(config: TrainConfig, run: Path, *, resume: bool, overwrite: bool) -> None:
    """Refuses unknown names, and what would destroy or mix up an earlier run; changes nothing.

    Raises:
        InputError: as it says.
    """
    zoo.entry(config.model)
    loss_of(config, input_px=1)
    outer_eyes(config.scheme)
    path = run / run_files.CONFIG.file
    files.check_writable(path)
    if resume:
        check_begun(run)
    if (
        resume
        and (run / run_files.WEIGHTS).exists()
        and not ((run / run_files.LAST).exists() or is_finished(run))
    ):
        raise InputError(
            f"{run}: its {run_files.LAST} is gone, so nothing to resume. Give --overwrite to train "
            "it again, or another --run."
        )
    if run.exists() and any(run.iterdir()) and not path.exists():
        raise InputError(f"{run}: is not empty and not a run (no {path.name}). Give another --run.")
    if path.exists() and not (resume or overwrite):
        raise InputError(f"{run}: this run exists. Give --resume, --overwrite, or another --run.")
    begins_with = config.init or config.backbone
    if overwrite and begins_with and run.resolve() in Path(begins_with).resolve().parents:
        raise InputError(
            f"{run}: holds {begins_with}, which the run begins with and --overwrite would remove. "
            "Give another --run."
        )
    if resume and (changes := config.changes(earlier := TrainConfig.read(run))):
        before = flat(earlier)
        listed = ", ".join(f"{name}: {before[name]} -> {new}" for name, new in changes.items())
        raise InputError(
            f"{path}: cannot resume with other choices ({listed}). Leave them out, or give "
            "--overwrite or another --run."
        )


def is_finished(run: Path) -> bool:
    """Whether a training wrote all that it writes: the spec comes last, and names the weights."""
    weights, spec = run / run_files.WEIGHTS, run / run_files.SPEC
    if not (weights.exists() and spec.exists()):
        return False
    return ModelSpec.read(spec).weights_sha256 == files.sha256(weights)


def check_backend(run: Path) -> None:
    """Refuses to go on under another backend: the state says how the former compiles its steps.

    Raises:
        InputError: as it says.
    """
    before, now = run_files.CONFIG.read(run)["versions"]["backend"], keras.backend.backend()
    if before != now:
        raise InputError(
            f"{run}: began under KERAS_BACKEND={before}, found {now}. Set it as it was, or give "
            "--overwrite or another --run."
        )


def check_saw(run: Path, saw: Sequence[str]) -> None:
    """Refuses other faces or weights than those the run began with: their order decides a batch.

    Raises:
        InputError: as it says.
    """
    before = run_files.CONFIG.read(run)["saw"]
    if before != list(saw):
        raise InputError(
            f"{run}: began with {' + '.join(before)}, finds {' + '.join(saw)}. Put back what it "
            "began with, or give --overwrite or another --run."
        )


def begin(config: TrainConfig, run: Path, saw: Sequence[str]) -> None:
    """Empties the run's folder, which may be a link, and writes its config over the earlier one."""
    made_with = versions()
    files.empty(run, run_files.CONFIG.file)
    config.write(run, saw, made_with)


def versions() -> dict[str, str]:
    """Versions of what decides the result, by the names of the packages that are installed."""
    backend = keras.backend.backend()
    packages = importlib.metadata.packages_distributions()
    modules = ("efld", "keras", backend, "numpy", "cv2")
    names = [packages.get(module, [module])[0].replace("_", "-") for module in modules]
    return {"backend": backend, **{name: _version(name) for name in names}}


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:  # read from a folder, as on a lent machine
        return "not installed"


def compiled(config: TrainConfig, data: Data) -> keras.Model:
    """A model before its first step, ready for it."""
    model = begun(config, data)
    if config.rounding:
        model = fake_int8(model)
    if config.loss in POSE_LOSSES:
        model = with_pose(model)
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0,
        round(config.steps * (1 - config.warmup)),
        warmup_target=config.peak_lr,
        warmup_steps=max(1, round(config.steps * config.warmup)),
    )
    optimizer = keras.optimizers.AdamW(
        schedule, weight_decay=config.weight_decay, use_ema=True, ema_momentum=config.average
    )
    watched = keras.metrics.MeanMetricWrapper(nme, "nme", scheme=config.scheme)
    model.compile(
        optimizer,
        loss_of(config, model.input_shape[1]),
        metrics={"landmarks": watched} if isinstance(model, JointModel) else [watched],
        # XLA on a CPU is several times slower than TensorFlow's kernels; JAX has nothing else.
        jit_compile=keras.backend.backend() != "tensorflow",
    )
    return model


def begun(config: TrainConfig, data: Data) -> keras.Model:
    """A new model, its output starting at the mean shape of its own training faces.

    Of a trimmed one its file alone knows the sizes.
    """
    if data.model != config.model:
        return saved.load(Path(config.init))
    shape = mean_shape(data.sources[0].regions).round(3)
    model = zoo.build(config.model, mean_shape=shape)
    if config.init:
        start_from(model, Path(config.init), config.model)
    if config.backbone:
        backbone.take(model, Path(config.backbone))
    return model


def loss_of(config: TrainConfig, input_px: int) -> keras.losses.Loss:
    """
    Raises:
        InputError: unknown name.
    """
    made = PoseLoss if config.loss in POSE_LOSSES else LandmarkLoss
    return made(config.loss, input_px)


def start_from(model: keras.Model, weights: Path, name: str) -> None:
    """Takes the weights of another training of the model `name`, perhaps on smaller pictures.

    Raises:
        InputError: no such file, or of another model.
    """
    try:
        model.load_weights(weights)
    except (ValueError, OSError, KeyError) as error:
        raise InputError(
            f"{weights}: expected the weights of {name}, found others ({one_line(error)}). Give "
            "--init those of that model, or another --model."
        ) from None


def restored(run: Path) -> keras.Model:
    """The state after the last finished epoch: weights, optimizer, averages, step count."""
    path = run / run_files.LAST
    try:
        return keras.models.load_model(path)
    except (ValueError, OSError, KeyError) as error:
        raise InputError(
            f"{path}: cannot be resumed ({one_line(error)}). Start again with --overwrite."
        ) from None


def finish(
    model: keras.Model, batches: Batches, config: TrainConfig, run: Path, data: Data
) -> None:
    """Writes the averaged weights, without the optimizer, and what the file must carry with it."""
    reestimate_batch_norm(model, batches, config.steps)
    bare = exact(landmarks_of(model)) if config.rounding else landmarks_of(model)
    with files.whole(run / run_files.WEIGHTS) as temporary:
        bare.save(temporary)
    spec = ModelSpec(
        model=data.model,
        input_px=model.input_shape[1],
        scheme=config.scheme,
        box_factor=config.box_factor,
        data=data.names,
        licence=data.terms,
        weights_sha256=files.sha256(run / run_files.WEIGHTS),
    )
    spec.write(run / run_files.SPEC)


def reestimate_batch_norm(model: keras.Model, batches: Batches, step: int) -> None:
    """Lets batch normalisation's statistics follow the averaged weights: some forward passes.

    Over pictures without the light, blur, noise and boxes of training, like those that the model is
    made for.
    """
    for images, _ in batches.unspoilt().stream(step, step + BATCH_NORM_STEPS):
        model(images, training=True)
