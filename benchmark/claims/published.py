"""The claims, as the papers print them: rows of `published.json`.

The abstracts of Colaco & Han and of PFLD are quoted word for word. Of the rest, figures and tables
were noted down and not whole sentences, so their words are few.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

DATA = Path(__file__).with_name("published.json")

Quantity = Literal[
    "size_mb", "fps", "latency_ms", "parameters", "nme_percent", "nrmse_percent",
    "accuracy_percent", "miou", "pixel_accuracy",
]  # fmt: skip
SHOWN: dict[Quantity, str] = {  # a value of the quantity, in words
    "size_mb": "{:.3g} MB",
    "fps": "{:,.0f} fps",
    "latency_ms": "{:.3g} ms",
    "parameters": "{:,.0f} parameters",
    "nme_percent": "{:.2f} % NME",
    "nrmse_percent": "{:.2f} % NRMSE",
    "accuracy_percent": "{:.0f} % accuracy",
    "miou": "{:.3f} mIoU",
    "pixel_accuracy": "{:.3f} pixel accuracy",
}


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One printed number. 1 MB is 10^6 bytes."""

    paper: str  # who and when
    where: str  # table, or part of the text
    words: str  # as printed; of a table, the row's name and the cell
    model: str  # the zoo's name, or the paper's where the zoo has none
    quantity: Quantity
    value: float
    in_zoo: bool = True
    options: dict[str, Any] = field(default_factory=dict)  # to build the zoo's model with
    split: str = ""  # of 300-W
    normaliser: str = ""
    device: str = ""  # on which a time was measured; "unknown" where we could not tell
    undefined: str = ""  # why nobody can measure the quantity
    inter_ocular_percent: float | None = None  # the same paper's, to set an inter-pupil one against
    note: str = ""

    def says(self) -> str:
        """ "24.6 MB, efficientnet-w0.5-d1.1"; with the split and what errors are divided by."""
        options = [f"{key}={value}" for key, value in self.options.items()]
        parts = [self.model, *options, self.split, self.normaliser]
        return ", ".join(filter(None, [SHOWN[self.quantity].format(self.value), *parts]))

    def sibling(self, claims: Sequence[Self], quantity: Quantity, split: str = "") -> float | None:
        """What the same paper prints of the same model's other quantity or split."""
        found = [
            other.value
            for other in claims
            if (other.paper, other.model, other.options) == (self.paper, self.model, self.options)
            and (other.quantity, other.split) == (quantity, split)
        ]
        return found[0] if found else None


def load(path: Path = DATA) -> tuple[Claim, ...]:
    """All claims, in the order in which they are shown."""
    record = json.loads(path.read_text())
    return tuple(
        Claim(**{**row, "paper": record["papers"][row["paper"]]["name"]})
        for row in record["claims"]
    )


def titles(path: Path = DATA) -> dict[str, str]:
    """Title and place of each paper, by its short name."""
    papers = json.loads(path.read_text())["papers"].values()
    return {paper["name"]: paper["title"] for paper in papers}
