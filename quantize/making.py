"""float .tflite + the ranges of its activations -> int8 .tflite: the one door to the quantiser."""

import contextlib
import functools
import io
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from efld import tflite_file
from efld.errors import StepError, one_line
from efld.runtime import LandmarkModel
from efld.tflite_file import Model
from quantize import bias, recipe, slim, weighted
from quantize.calibration import Range
from quantize.recipe import FloatOp
from quantize.rounding import Rounding
from quantize.weighted import Floats

if TYPE_CHECKING:
    from ai_edge_quantizer.quantizer import Quantizer


@dataclass(frozen=True, eq=False)
class Maker:
    """Makes int8 files of one float file; one takes about a tenth of a second."""

    fp32: LandmarkModel
    calibration_ids: tuple[str, ...]  # of the pictures behind the ranges; the file carries them
    # From `calibration.means`; None: biases stay as they are.
    means: Mapping[str, Floats] | None = None
    share_scales: bool = True  # False: a scale for each channel of all weights

    @functools.cached_property
    def _rounding(self) -> Rounding:
        return Rounding(self.fp32.path)

    @functools.cached_property
    def _floats(self) -> Model:
        return tflite_file.read(self.fp32.path)

    def write(self, path: Path, planned: Sequence[FloatOp], ranges: Mapping[str, Range]) -> None:
        """Writes a file that computes in int8, but for `planned`.

        Args:
            ranges: of the activations that become int8, by tensor name.
        """
        self.write_as(path, lambda quantizer: recipe.apply(quantizer, planned), ranges)

    def write_as(
        self, path: Path, configure: Callable[["Quantizer"], None], ranges: Mapping[str, Range]
    ) -> None:
        """Writes a file of any recipe: `configure` tells it to ai-edge-quantizer.

        Raises:
            StepError: it cannot make such a file of this graph.
        """
        from ai_edge_quantizer.quantizer import Quantizer

        quantizer = Quantizer(self.fp32.path.read_bytes())
        configure(quantizer)
        statistics = _statistics(ranges) if quantizer.need_calibration else None
        try:
            with _quiet():
                made = quantizer.quantize(statistics)
        except (ValueError, RuntimeError) as error:
            raise StepError(
                f"step int8: ai-edge-quantizer cannot make int8 of {self.fp32.path} "
                f"({one_line(error)}). `python -m quantize lint` with it says what is unusual."
            ) from None
        model = tflite_file.parse(bytes(made.quantized_model), path.name)
        self._improve(model)
        ids = self.calibration_ids if quantizer.need_calibration else ()
        tflite_file.set_spec(model, self.fp32.spec.calibrated_on(ids))
        tflite_file.write(model, path)

    def _improve(self, model: Model) -> None:
        self._rounding.improve(model)
        layers = list(weighted.layers(model, self._floats))
        if self.share_scales:
            slim.share_scales(layers)
        if self.means is not None:
            bias.correct(layers, self.means)
        slim.shorten_names(model)


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
