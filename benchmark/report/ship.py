"""Which file to ship for which phone, from this very model's errors and ARM instructions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

TIE = 0.05  # counts so close say nothing of time: memory, caches and clock are not counted
MOST_WORSE = 0.05  # points of NME above float32; what `python -m quantize` allows int8 by default
KINDS = {"fp32": "float32", "fp16": "float16", "int8": "int8"}


class Phone(NamedTuple):
    """A class of processors by the words in /proc/cpuinfo, and on which emulated one each kind of
    file is counted for it."""

    features: str
    examples: str
    counted: Mapping[str, str]  # kind of file -> processor of benchmark/emulated
    caution: str = ""

    @property
    def has_fp16(self) -> bool:
        return self.counted["fp16"] == "a76"


_PLAIN = {"fp32": "a72", "fp16": "a72", "int8": "a72"}
_NEW = {"fp32": "a76", "fp16": "a76", "int8": "a76"}
# That a Snapdragon 845 has half precision and no dot product: its published cpuinfo.
PHONES = (
    Phone("no asimdhp, no asimddp", "Cortex-A53, A72, A73", _PLAIN),
    Phone("asimdhp, no asimddp", "Snapdragon 845", _NEW | {"int8": "a72"}),
    Phone("asimdhp, asimddp", "Cortex-A55, A76, A78", _NEW),
    Phone(
        "asimdhp, asimddp, i8mm", "Cortex-A510, A710, X2", _NEW,
        "int8 may cost less than counted: its matrix instructions (i8mm) are not counted here",
    ),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One of the run's files."""

    kind: str  # of KINDS
    file_bytes: int
    nme_percent: float  # of all candidates on the same faces
    instructions: Mapping[str, int]  # by processor
    fp16_moves_px: tuple[float, float] | None = None  # by half precision: mean, largest

    def is_counted(self, phone: Phone) -> bool:
        return phone.counted[self.kind] in self.instructions

    def cost(self, phone: Phone) -> int:
        return self.instructions[phone.counted[self.kind]]


@dataclass(frozen=True)
class Advice:
    """What to ship, why, and what it costs against float32."""

    phone: Phone
    kind: str
    why: str
    traded: str


def phone_of(features: Sequence[str]) -> Phone:
    """The class of a phone whose cpuinfo has these words."""
    if "asimdhp" not in features:
        return PHONES[0]
    if "asimddp" not in features:
        return PHONES[1]
    return PHONES[3 if "i8mm" in features else 2]


def advise(
    candidates: Sequence[Candidate], phone: Phone, most_worse: float = MOST_WORSE
) -> Advice | None:
    """The cheapest file whose error is at most `most_worse` points above float32's.

    Files within TIE of the cheapest count as equally cheap; of them the one with the least error,
    as it is printed (to 0.01), then the smallest. None without float32 or its count.
    """
    counted = {own.kind: own for own in candidates if own.is_counted(phone)}
    if "fp32" not in counted:
        return None
    float32 = counted["fp32"]
    limit = float32.nme_percent + most_worse
    kept = [own for own in counted.values() if own.nme_percent <= limit]
    most = min(own.cost(phone) for own in kept) * (1 + TIE)
    level = [own for own in kept if own.cost(phone) <= most]
    best = min(level, key=lambda own: (round(own.nme_percent, 2), own.file_bytes))
    why = [_reason(best, [own for own in level if own is not best], phone)]
    why += [_other(own, best, phone) for own in kept if own not in level]
    why += [
        f"{KINDS[own.kind]} is out: {own.nme_percent - float32.nme_percent:+.3f} points of NME, "
        f"at most {most_worse:+g} is allowed"
        for own in counted.values()
        if own not in kept
    ]
    beaten = {own.kind for own in kept} - {best.kind}
    why += [phone.caution] if phone.caution and "int8" in beaten else []
    return Advice(phone, best.kind, "; ".join(why), _traded(best, float32, phone))


def _reason(best: Candidate, equals: Sequence[Candidate], phone: Phone) -> str:
    """Why it is the best of those that cost as much."""
    text = f"{best.cost(phone) / 1e6:.2f} M instructions"
    if not equals:
        return f"{text}, the fewest"
    others = " and ".join(KINDS[own.kind] for own in equals)
    least = min(own.nme_percent for own in equals)
    alone = round(best.nme_percent, 2) < round(least, 2)
    how = "of these it has" if alone else "it is the smallest of those with"
    return f"{text}, as many as {others} (within {TIE:.0%}); {how} the least error"


def _other(own: Candidate, best: Candidate, phone: Phone) -> str:
    return f"{KINDS[own.kind]} needs {own.cost(phone) / best.cost(phone) - 1:+.0%}"


def _traded(best: Candidate, float32: Candidate, phone: Phone) -> str:
    if best is float32:
        return "nothing"
    bytes_share = best.file_bytes / float32.file_bytes - 1
    cost_share = best.cost(phone) / float32.cost(phone) - 1
    rise = round(best.nme_percent - float32.nme_percent, 2) + 0.0  # no "-0.00"
    text = f"{bytes_share:+.0%} bytes, {cost_share:+.0%} instructions, {rise:+.2f} points of NME"
    if best.kind == "fp16" and phone.has_fp16:
        moved = best.fp16_moves_px
        text += "; that is float32 arithmetic's error, half precision's is not measured"
        if moved is not None:
            text += f" (on rendered faces points move by {moved[0]:.2f} px, at most {moved[1]:.2f})"
    return text
