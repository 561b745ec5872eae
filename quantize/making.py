"""float .tflite + the ranges of its activations -> int8 .tflite: the one door to the quantiser."""

import contextlib
import io
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from efld import tflite_file
from efld.runtime import LandmarkModel
from quantize import recipe
from quantize.calibration import Range
from quantize.recipe import FloatOp


@dataclass(frozen=True, eq=False)
class Maker:
    """Makes int8 files of one float file; one takes about a tenth of a second."""

    fp32: LandmarkModel
    calibration_ids: tuple[str, ...]  # of the pictures behind the ranges; the file carries them

    def write(self, path: Path, planned: Sequence[FloatOp], ranges: Mapping[str, Range]) -> None:
        """Writes a file that computes in int8, but for `planned`.

        Args:
            ranges: of the activations that become int8, by tensor name.
        """
        from ai_edge_quantizer.quantizer import Quantizer

        quantizer = Quantizer(self.fp32.path.read_bytes())
        recipe.apply(quantizer, planned)
        with _quiet():
            made = quantizer.quantize(_statistics(ranges))
        model = tflite_file.parse(bytes(made.quantized_model), path.name)
        tflite_file.set_spec(model, self.fp32.spec.calibrated_on(self.calibration_ids))
        tflite_file.write(model, path)


def _statistics(ranges: Mapping[str, Range]) -> dict[str, dict[str, Any]]:
    """Ranges in the form that ai-edge-quantizer takes."""
    return {
        name: {"min": np.array([[low]], np.float32), "max": np.array([[high]], np.float32)}
        for name, (low, high) in ranges.items()
    }


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """ai-edge-quantizer prints bars and sizes, and warns about its own options."""
    nowhere = io.StringIO()
    with (
        contextlib.redirect_stdout(nowhere),
        contextlib.redirect_stderr(nowhere),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore", UserWarning)
        yield
