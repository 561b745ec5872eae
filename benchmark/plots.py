"""Curves for pages, as SVG that is the same for the same numbers."""

import io
from collections.abc import Sequence
from typing import Any

import numpy as np

from efld import metrics
from efld.metrics import Values

# Okabe & Ito (2008): told apart with every common colour blindness. Yellow and black are left out.
COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00")
DASHES = ("-", (0, (5, 2)), (0, (6, 1.5, 1.5, 1.5)), (0, (1.5, 1.5)))
# Text stays text: small, sharp, and found by a search. The salt makes ids repeat.
STYLE: Any = {"svg.fonttype": "none", "svg.hashsalt": "efld", "font.family": "sans-serif"}
STEPS = 400


def colour(index: int) -> str:
    """Of the file with that index; colours repeat after six files."""
    return COLOURS[index % len(COLOURS)]


def ced(errors_percent: Sequence[Values], normaliser: metrics.Normaliser, threshold: float) -> str:
    """Cumulative error distributions over one another, an `<svg>` element.

    Args:
        errors_percent: of each file, `(faces,)`.
        normaliser: what errors are divided by.
        threshold: percent, drawn as a line; the axis reaches half as far again.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    at_percent = np.linspace(0, 1.5 * threshold, STEPS)
    with mpl.rc_context(mpl.rcParamsDefault | STYLE):
        figure = Figure(figsize=(5.2, 3.6), layout="constrained")
        axes = figure.subplots()
        for i, errors in enumerate(errors_percent):
            shares = metrics.ced(errors, at_percent)
            axes.plot(at_percent, shares, color=colour(i), linestyle=DASHES[i % len(DASHES)])
        axes.axvline(threshold, color="#777777", linewidth=1)
        axes.annotate(f" failure above {threshold:g} %", (threshold, 0.03), color="#555555")
        axes.set(
            xlim=(0, at_percent[-1]),
            ylim=(0, 1),
            xlabel=f"NME of a face, % of the {metrics.MEANING[normaliser]}",
            ylabel="share of faces with at most that",
        )
        axes.grid(color="#dddddd", linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
        return svg(figure)


def svg(figure: Any) -> str:
    """The element alone: a page takes no XML heading."""
    out = io.StringIO()
    figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None}, transparent=True)
    text = out.getvalue()
    return text[text.index("<svg") :]
