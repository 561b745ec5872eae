"""What a printed number is worth: arithmetic that it must obey, and what ours says to it.

Each check is a pure function of printed numbers: None where they agree, else the arithmetic.
"""

from collections.abc import Sequence
from typing import Literal

from benchmark.claims.published import Claim, Quantity
from efld.data.layouts.three_hundred_w import OFFICIAL

Verdict = Literal["met", "missed", "cannot be true", "not measurable here"]

COMMON, CHALLENGING = OFFICIAL["common"], OFFICIAL["challenging"]  # faces
FACES = {"common": COMMON, "challenging": CHALLENGING, "full": COMMON + CHALLENGING}
ROUNDING_PERCENT = 0.015  # three errors printed to 0.01, each off by half of that at most
FLOAT32_BYTES = 4
# A file's names and tables cost a narrow net up to another half of its float32 weights.
MOST_BYTES_PER_PARAMETER = 2 * FLOAT32_BYTES
# Both errors of the same points differ only by the distance they are divided by: this is what
# the mean ratio of 300-W's faces comes to, see tests/test_metrics.py.
PUPIL_RATIO = (1.38, 1.44)
RATE_TOLERANCE = 0.1  # "7 ms" and "over 140 fps" are both rounded

AT_MOST: set[Quantity] = {"size_mb", "latency_ms", "nme_percent", "nrmse_percent"}
AT_LEAST: set[Quantity] = {"fps", "accuracy_percent", "miou", "pixel_accuracy"}


def full_of_subsets(common: float, challenging: float, full: float) -> str | None:
    """The full set's mean must be the mean of its two parts."""
    implied = (COMMON * common + CHALLENGING * challenging) / (COMMON + CHALLENGING)
    if abs(implied - full) <= ROUNDING_PERCENT:
        return None
    return (
        f"({COMMON} x {common:.2f} + {CHALLENGING} x {challenging:.2f}) / {COMMON + CHALLENGING} = "
        f"{implied:.2f}, printed {full:.2f}"
    )


def bytes_per_parameter(size_mb: float, parameters: float) -> str | None:
    """A file to run holds float32 weights and little more; a training checkpoint three times as
    much, with Adam's two averages of each weight."""
    found = size_mb * 1e6 / parameters
    if found <= MOST_BYTES_PER_PARAMETER:
        return None
    return (
        f"{size_mb:g} MB / {parameters:,.0f} parameters = {found:.1f} bytes each; a file to run "
        f"takes {FLOAT32_BYTES} (float32), a training checkpoint with Adam's two averages of each "
        f"weight {3 * FLOAT32_BYTES}"
    )


def pupil_ratio(inter_pupil: float, inter_ocular: float) -> str | None:
    """The same errors over the eye centres' and over the outer corners' distance."""
    found, (low, high) = inter_pupil / inter_ocular, PUPIL_RATIO
    if low <= round(found, 2) <= high:
        return None
    return (
        f"inter-pupil {inter_pupil:.2f} / inter-ocular {inter_ocular:.2f} = {found:.2f}, expected "
        f"{low} to {high} of the same points"
    )


def rate_times_latency(fps: float, latency_ms: float) -> str | None:
    """Faces a second times milliseconds a face are 1000."""
    if abs(fps * latency_ms / 1000 - 1) <= RATE_TOLERANCE:
        return None
    return f"{fps:g} fps x {latency_ms:g} ms = {fps * latency_ms:g}, expected 1000"


def contradiction(claim: Claim, claims: Sequence[Claim]) -> str | None:
    """Arithmetic that the claim breaks together with others of its paper."""
    if claim.inter_ocular_percent is not None:
        return pupil_ratio(claim.value, claim.inter_ocular_percent)
    if claim.split == "full":
        common = claim.sibling(claims, claim.quantity, "common")
        challenging = claim.sibling(claims, claim.quantity, "challenging")
        if common is not None and challenging is not None:
            return full_of_subsets(common, challenging, claim.value)
    parameters = claim.sibling(claims, "parameters")
    if claim.quantity == "size_mb" and parameters is not None:
        return bytes_per_parameter(claim.value, parameters)
    latency_ms = claim.sibling(claims, "latency_ms")
    if claim.quantity == "fps" and latency_ms is not None:
        return rate_times_latency(claim.value, latency_ms)
    return None


def is_met(quantity: Quantity, published: float, measured: float) -> bool:
    """At most the published error, size or time; at least the rate; exactly the count."""
    if quantity in AT_MOST:
        return measured <= published
    return measured >= published if quantity in AT_LEAST else measured == published
