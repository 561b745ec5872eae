"""Whether a device is slower than when it was cool, and waiting until it is not.

AndroidX's benchmark library compares the time of a fixed piece of work with what it took when the
device was cool, and calls more than 1.10 times that throttled (`ThrottleDetector.kt`). The work
here is a counting loop of the device's own shell, timed by `/proc/uptime` to 10 ms.
"""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass

from benchmark.android import facts
from benchmark.android.adb import Device
from benchmark.android.facts import Phone, State

THROTTLED = 1.10
WORK = """
for piece in 1 2 3; do
  read -r begin _ < /proc/uptime
  i=0; while [ $i -lt 500000 ]; do i=$((i+1)); done
  read -r end _ < /proc/uptime
  echo $begin $end
done
"""
PIECE = re.compile(r"^([\d.]+) ([\d.]+)$", re.MULTILINE)
MARGIN_CELSIUS = 1.0  # sensors move by that much at rest
POLL_S = 5.0


@dataclass(frozen=True, kw_only=True)
class CoolDown:
    """How a wait ended."""

    seconds: float
    cool: bool  # False: the limit came first
    slowdown: float | None  # the work's time over its time when cool; None: not measured


class Heat:
    """A device's temperature and speed at the start, and its return to them."""

    def __init__(self, device: Device, phone: Phone, cores: tuple[int, ...], prefix: str) -> None:
        self._device, self._cores, self._prefix = device, cores, prefix
        self.start = self.state()
        warm = self.start.cpu_celsius
        self._goal = None if warm is None else warm + MARGIN_CELSIUS
        # An emulator's speed is that of a shared machine: no heat, nothing to wait for.
        self._cool_s = None if phone.emulated else self._work_s()

    def state(self) -> State:
        return facts.state(self._device, self._cores)

    def slowdown(self) -> float | None:
        """How much longer the work takes than at the start; None where nobody can say."""
        if self._cool_s is None:
            return None
        now_s = self._work_s()
        return None if now_s is None else now_s / self._cool_s

    def _work_s(self) -> float | None:
        """The shortest of the pieces; None where the device hides its clock."""
        output = self._device.check(f"{self._prefix} sh -c '{WORK}'", timeout_s=300)
        pairs = [tuple(map(float, match)) for match in PIECE.findall(output)]
        return min((end - begin for begin, end in pairs), default=None)

    def cool_down(self, limit_s: float, tell: Callable[[str], None]) -> CoolDown:
        """Waits until the device is as cool and as fast as at the start, or `limit_s` is over."""
        begin = time.monotonic()
        while True:
            celsius = self.state().cpu_celsius
            hot = self._goal is not None and celsius is not None and celsius > self._goal
            waited_s = time.monotonic() - begin
            late = waited_s >= limit_s
            slowdown = self.slowdown() if late or not hot else None
            cool = not hot and not throttled(slowdown)
            if cool or late:
                return CoolDown(seconds=waited_s, cool=cool, slowdown=slowdown)
            tell(
                f"cooling from {celsius} to {self._goal} °C"
                if hot
                else f"cooling until work takes {THROTTLED:g} of its cool time, now {slowdown:.2f}"
            )
            time.sleep(min(POLL_S, limit_s - waited_s))


def throttled(slowdown: float | None) -> bool:
    return slowdown is not None and slowdown > THROTTLED
