"""Charts of a report, the same bytes for the same numbers."""

from collections.abc import Callable, Container, Mapping, Sequence
from typing import Any, NamedTuple

from benchmark import plots
from benchmark.report import ship

MARKERS = {"fp32": "o", "fp16": "s", "int8": "^", "": "D"}  # by kind of file
KIND_NAMES = {**ship.KINDS, "": "a peer's"}


class Spot(NamedTuple):
    """A file on a chart of error over cost."""

    model: str
    kind: str  # of MARKERS
    cost: float
    nme_percent: float


def frontier(spots: Sequence[Spot]) -> list[Spot]:
    """Those that no other beats in both cost and error, from cheap to dear.

    Errors that are the same to 0.01 are the same.
    """
    found: list[Spot] = []
    for spot in sorted(spots, key=lambda spot: (spot.cost, spot.nme_percent)):
        if not found or round(spot.nme_percent, 2) < round(found[-1].nme_percent, 2):
            found.append(spot)
    return found


def errors_over_cost(spots: Sequence[Spot], cost: str, models: Sequence[str]) -> str:
    """A chart of all spots and the line of the frontier; cost on a logarithmic axis.

    Args:
        cost: what stands below that axis.
        models: in the order of their colours.
    """
    place = {model: i for i, model in enumerate(models)}
    line = frontier(spots)

    def draw(axes: Any) -> None:
        costs, errors = [spot.cost for spot in line], [spot.nme_percent for spot in line]
        axes.plot(costs, errors, color="#999999", drawstyle="steps-post", zorder=1)
        for spot in spots:
            axes.plot(spot.cost, spot.nme_percent, **_look(spot.kind, place[spot.model]))
        axes.set(xscale="log", xlabel=cost, ylabel="NME %")
        kinds = [kind for kind in MARKERS if kind in {spot.kind for spot in spots}]
        looks = [(model, _look("fp32", i)) for model, i in place.items()]
        looks += [(KIND_NAMES[kind], _filled(kind, "#555555")) for kind in kinds]
        handles = [axes.plot([], [], label=name, **look)[0] for name, look in looks]
        axes.figure.legend(
            handles=handles, loc="outside lower center", ncols=3, frameon=False, fontsize=8
        )

    return _drawn(draw)


def _look(kind: str, place: int) -> dict[str, Any]:
    """Filled, then hollow where the colours repeat."""
    colour = plots.colour(place)
    if place // len(plots.COLOURS) % 2 == 0:
        return _filled(kind, colour)
    edge = {"markeredgecolor": colour, "markeredgewidth": 1.6, "markerfacecolor": "white"}
    return {**_filled(kind, colour), **edge, "markersize": 7}


def _filled(kind: str, colour: str) -> dict[str, Any]:
    edge = {"markeredgecolor": "white", "markeredgewidth": 0.8}
    return {"color": colour, "marker": MARKERS[kind], "linestyle": "", "markersize": 8, **edge}


def training_curve(history: Sequence[Mapping[str, float]]) -> str:
    """Errors over epochs, on training faces and on faces held out of training."""

    def draw(axes: Any) -> None:
        epochs = [row["epoch"] for row in history]
        for i, (key, name) in enumerate((("nme", "training"), ("val_nme", "held out"))):
            own = [row[key] for row in history]
            axes.plot(epochs, own, color=plots.colour(i), linestyle=plots.DASHES[i], label=name)
        axes.set(yscale="log", xlabel="epoch", ylabel="NME %")
        axes.legend(frameon=False)

    return _drawn(draw)


def costs_by_part(
    parts: Sequence[str],
    costs: Mapping[str, Sequence[float | None]],
    axis: str,
    bold: Container[str] = (),
) -> str:
    """Bars from the left, a group a part, parts from above.

    Args:
        costs: what is told of the parts; `(parts,)` each, None: not known.
        axis: what stands below.
        bold: parts whose names are.
    """
    thickness = 0.8 / len(costs)

    def draw(axes: Any) -> None:
        for i, (name, own) in enumerate(costs.items()):
            shift = (i - (len(costs) - 1) / 2) * thickness
            places = [row + shift for row in range(len(parts))]
            lengths = [value or 0.0 for value in own]
            axes.barh(places, lengths, thickness, color=plots.colour(i), label=name)
        axes.set_yticks(range(len(parts)), parts, fontsize=8, parse_math=False)
        for part, label in zip(parts, axes.get_yticklabels(), strict=True):
            label.set_fontweight("bold" if part in bold else "normal")
        axes.invert_yaxis()
        axes.set_axisbelow(True)
        axes.set(xlabel=axis)
        if len(costs) > 1:
            axes.figure.legend(loc="outside upper right", ncols=2, frameon=False, fontsize=8)

    return _drawn(draw, height_inches=1 + 0.27 * len(parts))


def _drawn(draw: Callable[[Any], None], height_inches: float = 3.8) -> str:
    import matplotlib as mpl
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    with mpl.rc_context(mpl.rcParamsDefault | plots.STYLE):
        figure = Figure(figsize=(5.2, height_inches), layout="constrained")
        axes = figure.subplots()
        draw(axes)
        for axis in (axes.xaxis, axes.yaxis):
            if axis.get_scale() == "log":
                axis.set_major_locator(LogLocator(subs=(1, 2, 3, 5)))
                axis.set_major_formatter(StrMethodFormatter("{x:g}"))
                axis.set_minor_formatter(NullFormatter())
        axes.grid(color="#dddddd", linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
        return plots.svg(figure)
