"""What processor this is, and whether it has what int8 lives on."""

import platform
from pathlib import Path
from types import MappingProxyType

# Line of /proc/cpuinfo -> what a dot product of bytes is called there, and the flags that mean one.
# Without it XNNPACK's int8 kernels widen every byte first, and are hardly faster than float32's.
BYTE_DOTS = MappingProxyType({
    "flags": ("VNNI", {"avx512_vnni", "avx_vnni"}),
    "Features": ("dotprod", {"asimddp"}),
})  # fmt: skip


def name(info: Path = Path("/proc/cpuinfo")) -> str:
    """As the system tells it; on Linux with or without a dot product of bytes."""
    facts = _facts(info.read_text()) if info.is_file() else {}
    called = facts.get("model name") or platform.processor() or platform.machine()
    for line, (dot, flags) in BYTE_DOTS.items():
        if line in facts:
            return (
                f"{called} {'without' if flags.isdisjoint(facts[line].split()) else 'with'} {dot}"
            )
    return called


def _facts(text: str) -> dict[str, str]:
    """Of the first core."""
    core = text.split("\n\n", 1)[0].splitlines()
    pairs = (line.partition(":") for line in core)
    return {key.strip(): value.strip() for key, _, value in pairs}
