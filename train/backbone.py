"""Weights of a backbone that a run begins with: learnt elsewhere, on other things than faces."""

from dataclasses import asdict, dataclass
from pathlib import Path

import keras

from efld import files
from efld.errors import InputError, one_line
from efld.models import saved

RECORD = "backbone.json"
SCHEMA = 1


@dataclass(frozen=True, kw_only=True)
class Backbone:
    """`backbone.json`, beside a `.keras` file whose layers have a landmark model's names."""

    model: str  # of the zoo
    data: str  # what the weights have seen
    licence: str  # terms that come with that data
    source: str  # the file they were taken from
    source_sha256: str
    weights_sha256: str
    command: str

    def write(self, path: Path) -> None:
        files.write_json(path, {"schema": SCHEMA, **asdict(self)})


def backbone_of(weights: Path, model: str) -> Backbone:
    """What is known of the weights.

    Raises:
        InputError: no such file, no record beside it, one of other weights or of another model.
    """
    if not weights.is_file():
        raise InputError(f"{weights}: no such file. `python -m train backbone` makes one.")
    path = weights.with_name(RECORD)
    record = files.read_json(path, SCHEMA, "python -m train backbone")
    del record["schema"]
    try:
        backbone = Backbone(**record)
    except TypeError as error:
        raise InputError(f"{path}: {one_line(error)}. Run `python -m train backbone`.") from None
    files.check_sha256(
        weights, backbone.weights_sha256, RECORD, "Run `python -m train backbone` again."
    )
    if backbone.model != model:
        raise InputError(
            f"{weights}: is the backbone of {backbone.model}, and the model is {model}. Give "
            f"--model {backbone.model}, or --backbone ''."
        )
    return backbone


def take(model: keras.Model, weights: Path) -> None:
    """Gives all of the backbone's weights to the layers of the same names.

    Raises:
        InputError: a layer that the model does not have, or of another size.
    """
    try:
        for layer in saved.load(weights).layers:
            if layer.weights:
                model.get_layer(layer.name).set_weights(layer.get_weights())
    except ValueError as error:
        raise InputError(
            f"{weights}: does not fit {model.name} ({one_line(error)}). "
            "Run `python -m train backbone` again."
        ) from None
