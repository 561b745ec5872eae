"""`quantize.svg`: what each unit costs in int8, and what stayed float."""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from efld import files

# Okabe & Ito (2008): told apart with every common colour blindness.
INT8, FLOAT = "#d55e00", "#0072b2"
LABEL_PX, BAR_PX, ROW_PX, TOP_PX = 290, 420, 26, 74


def write(path: Path, search: Mapping[str, Any] | None) -> None:
    """Draws the blame of a search; without one, an earlier drawing is removed."""
    if search is None:
        path.unlink(missing_ok=True)
        return
    with files.whole(path) as temporary:
        temporary.write_text(drawing(search["units"], {u["unit"] for u in search["float_units"]}))


def drawing(units: Sequence[Mapping[str, Any]], floats: set[str]) -> str:
    """An `<svg>` with two bars a unit: the error when only it is int8, and what float gains.

    Args:
        units: rows of `Blame`.
        floats: names of units that are float in the file, in whole or part.
    """
    values = [abs(row[key] or 0) for row in units for key in ("only_int8_px", "gain_px")]
    scale = BAR_PX / max(*values, 1e-9)
    width, height = LABEL_PX + BAR_PX + 70, TOP_PX + ROW_PX * len(units) + 10
    rows = "\n".join(
        _row(row, TOP_PX + ROW_PX * i, scale, row["unit"] in floats) for i, row in enumerate(units)
    )
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"
 font-family="sans-serif" font-size="11">
<rect width="100%" height="100%" fill="white"/>
<text x="10" y="20" font-size="14">What each part of the network costs in int8, pixels</text>
<rect x="10" y="32" width="12" height="9" fill="{INT8}"/>
<text x="27" y="41">mean error when only it is int8</text>
<rect x="230" y="32" width="12" height="9" fill="{FLOAT}"/>
<text x="247" y="41">what is gained when only it is float</text>
<text x="10" y="60">bold: float in the file, in whole or part</text>
{rows}
</svg>
"""


def _row(row: Mapping[str, Any], top: int, scale: float, is_float: bool) -> str:
    weight = "bold" if is_float or row["only_int8_px"] is None else "normal"
    bars = [
        f'<text x="{LABEL_PX - 8}" y="{top + 13}" text-anchor="end" font-weight="{weight}">'
        f"{escape(row['unit'])}</text>"
    ]
    for key, offset, colour in (("only_int8_px", 0, INT8), ("gain_px", 10, FLOAT)):
        value = row[key]
        if value is not None:
            width = max(value, 0) * scale
            bars.append(
                f'<rect x="{LABEL_PX}" y="{top + offset}" width="{width:.1f}" height="9" '
                f'fill="{colour}"/><text x="{LABEL_PX + width + 4:.1f}" y="{top + offset + 9}" '
                f'font-size="9">{round(value, 3) + 0.0:.3f}</text>'
            )
    return "\n".join(bars)
