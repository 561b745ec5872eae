"""What an artefact must carry with it: `spec.json`, also inside `.onnx` and `.tflite` files."""

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, get_args

from efld import files
from efld.errors import InputError

SCHEMA = 1
CENTRE_PX = 0.5  # of a picture's first pixel, from the picture's edge
METADATA_NAME = "efld.spec.json"  # name of the entry in .tflite metadata and .onnx metadata_props

Channels = Literal["grey", "rgb"]


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """Everything an application needs to run a landmark file correctly.

    Input `image`: float32 `(1, input_px, input_px, 1 or 3)`, values `input_range`; normalisation is
    inside the graph. Output `landmarks`: float32 `(1, points, 2)`, x before y, 0..1 over the
    crop's edges.
    """

    model: str  # zoo name
    input_px: int  # side of the square crop
    channels: Channels = "grey"
    input_range: tuple[float, float] = (0.0, 255.0)
    scheme: str = "68"  # efld.schemes
    box_factor: float = 1.25  # crop side = factor * longer side of the landmarks' box
    data: tuple[str, ...] = ()  # what the weights have seen
    licence: str = ""  # terms that come with that data
    weights_sha256: str = ""  # of model.keras
    calibration: tuple[str, ...] = ()  # ids of the pictures that set the int8 scales

    REMEDY: ClassVar[str] = "Export it again."  # for a spec that cannot be read

    @property
    def input_shape(self) -> tuple[int, int, int, int]:
        return (1, self.input_px, self.input_px, 1 if self.channels == "grey" else 3)

    def to_json(self) -> str:
        """One line, without spaces: a file of a small model carries as many ids as a large one."""
        record = {"schema": SCHEMA, **asdict(self)}
        if self.calibration:
            record["calibration"] = grouped(self.calibration)
        return json.dumps(record, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str | bytes, where: str) -> Self:
        """Parses a spec found in file `where`.

        Raises:
            InputError: no JSON, another schema, unknown or missing fields.
        """
        try:
            record = json.loads(text)
        except ValueError as error:
            raise InputError(f"{where}: its spec is not JSON ({error}). {cls.REMEDY}") from None
        return cls._from_record(record if isinstance(record, dict) else {}, where)

    @classmethod
    def _from_record(cls, record: dict[str, Any], where: str) -> Self:
        known = {field.name for field in fields(cls)}
        found = set(record) - {"schema"}
        if record.get("schema") != SCHEMA or not {"model", "input_px"} <= found <= known:
            raise InputError(
                f"{where}: spec with schema {record.get('schema')} and fields {sorted(found)}, "
                f"expected schema {SCHEMA} and {sorted(known)}. {cls.REMEDY}"
            )
        values: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in record.items() if k != "schema"
        }
        if isinstance(values.get("calibration"), dict):
            values["calibration"] = _ungrouped(values["calibration"], where)
        spec = cls(**values)
        if spec.channels not in get_args(Channels):
            raise InputError(f"{where}: channels {spec.channels!r}, expected {get_args(Channels)}.")
        return spec

    def write(self, path: Path) -> None:
        files.write_json(path, {"schema": SCHEMA, **asdict(self)})

    @classmethod
    def read(cls, path: Path) -> Self:
        return cls._from_record(files.read_json(path, SCHEMA, "python -m train"), str(path))

    def calibrated_on(self, ids: tuple[str, ...]) -> Self:
        return replace(self, calibration=ids)


def grouped(ids: Iterable[str]) -> dict[str, list[str]]:
    """Ids by what those of a folder begin with: `{"afw/1": ["34_1", "8_2"]}`.

    Ids of a folder stay in order; folders come in the order of their first ids.
    """
    folders: dict[str, list[str]] = {}
    for id_ in ids:
        folders.setdefault(id_.rpartition("/")[0], []).append(id_)
    begins = [(os.path.commonprefix(own), own) for own in folders.values()]  # noqa: RUF071  (text)
    return {begin: [id_.removeprefix(begin) for id_ in own] for begin, own in begins}


def _ungrouped(groups: dict[str, Any], where: str) -> tuple[str, ...]:
    """
    Raises:
        InputError: not what `grouped` makes.
    """
    for ends in groups.values():
        if not isinstance(ends, list) or not all(isinstance(end, str) for end in ends):
            raise InputError(
                f"{where}: its spec has calibration ids {ends!r}, expected a list of their ends. "
                "Quantise it again."
            )
    return tuple(begin + end for begin, ends in groups.items() for end in ends)
