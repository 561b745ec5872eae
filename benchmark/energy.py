"""Energy that the processor takes, where Linux tells it: the powercap class's RAPL counters.

Source: Documentation/power/powercap/powercap.rst of Linux. AMD's packages carry Intel's name. Since
Linux 5.10 root alone may read the counters unless the machine's owner allows it.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

POWERCAP = Path("/sys/class/powercap")
NOT_EXPOSED = "not exposed: this user cannot read a RAPL counter here"
MEANS = (
    "of all processor packages (RAPL) while the file runs, divided by its runs: with what the idle "
    "machine and other programs take"
)


class Package(NamedTuple):
    """A processor's counter of microjoules."""

    counter: Path
    range_uj: int  # where it starts again from 0


def packages(folder: Path = POWERCAP) -> tuple[Package, ...]:
    """All packages; none unless every one can be read."""
    zones = [zone for zone in folder.glob("intel-rapl:*") if re.fullmatch(r".*:\d+", zone.name)]
    try:
        found = [
            Package(zone / "energy_uj", int((zone / "max_energy_range_uj").read_text()))
            for zone in sorted(zones)
            if (zone / "name").read_text().startswith("package")
        ]
        read_uj(found)
    except OSError:
        return ()
    return tuple(found)


def read_uj(found: Sequence[Package]) -> tuple[int, ...]:
    """What each counter says now."""
    return tuple(int(package.counter.read_text()) for package in found)


def used_uj(found: Sequence[Package], before: Sequence[int], after: Sequence[int]) -> int:
    """Energy between two readings that are less than a counter's range apart, some minutes."""
    steps = zip(found, before, after, strict=True)
    return sum((end - begin) % package.range_uj for package, begin, end in steps)
