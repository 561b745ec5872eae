"""What a run leaves behind after every epoch, and its progress bar."""

import csv
import io
import sys
import time
from pathlib import Path
from typing import Any

import keras
from tensorboard.summary import Writer
from tqdm import tqdm

from efld import files, run_files
from efld.errors import check_signals
from train.config import TrainConfig

COLUMNS = (
    "epoch",
    "loss",
    "nme",
    "val_loss",
    "val_nme",
    "learning_rate",
    "images_per_s",
    "seconds",
)


class Journal(keras.callbacks.Callback):
    """After an epoch: `last.keras`, then a row of `history.csv`, then TensorBoard.

    In that order, so that a run killed between two of them is resumed from a state that is at most
    one row ahead of its history, never behind it.
    """

    def __init__(self, run: Path, config: TrainConfig, done: int) -> None:
        super().__init__()
        self.run = run
        self.config = config
        self.rows = kept_rows(run / run_files.HISTORY, done)
        self.done = done

    def on_train_begin(self, logs: Any = None) -> None:
        total, done = (n * self.config.epoch_steps for n in (self.config.epochs, self.done))
        batch = self.config.batch
        self.bar = tqdm(
            total=total * batch,
            initial=done * batch,
            unit="img",
            unit_scale=True,
            mininterval=0.1 if sys.stderr.isatty() else 30,  # a log file wants few lines
            desc="compiling",
        )
        self.board = Writer(str(self.run / "tensorboard"))

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.began_s = time.monotonic()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.bar.set_description(refresh=False)
        self.bar.update(self.config.batch)
        check_signals()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        seconds = time.monotonic() - self.began_s
        record = {
            # Keras puts an output's name before its metrics when there are several outputs.
            **{k.replace("landmarks_", ""): float(value) for k, value in (logs or {}).items()},
            "learning_rate": float(self.model.optimizer.learning_rate),
            "images_per_s": self.config.batch * self.config.epoch_steps / seconds,
            "seconds": seconds,
        }
        with files.whole(self.run / run_files.LAST) as temporary:
            self.model.save(temporary)
        self._write_row(epoch + 1, record)
        self._plot(epoch + 1, record)
        self.bar.set_postfix_str(
            f"epoch {epoch + 1} loss {record['loss']:.3f} val NME {record['val_nme']:.2f} %"
        )

    def on_train_end(self, logs: Any = None) -> None:
        self.bar.close()
        self.board.close()

    def _write_row(self, epoch: int, record: dict[str, float]) -> None:
        self.rows.append({"epoch": str(epoch), **{k: f"{record[k]:.6g}" for k in COLUMNS[1:]}})
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        with files.whole(self.run / run_files.HISTORY) as temporary:
            temporary.write_text(text.getvalue())

    def _plot(self, epoch: int, record: dict[str, float]) -> None:
        for name in COLUMNS[1:]:
            self.board.add_scalar(name, record[name], epoch)
        self.board.flush()


def kept_rows(path: Path, done: int) -> list[dict[str, str]]:
    """The rows of the epochs that a resumed run does not repeat."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return [row for row in csv.DictReader(file) if int(row["epoch"]) <= done]
