"""What a device is, and how hot and how fast it is now. Unknown facts are None.

Sources: Android's properties, `/proc/cpuinfo`, Linux's `cpufreq` and `thermal` folders in sysfs
(kHz; thousandths of a degree), `dumpsys thermalservice` (Android 10 and later, degrees) and
`dumpsys battery` (tenths of a degree). A device may hide any of them from the shell.
"""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from benchmark.android.adb import Device

PROPERTIES = (
    "ro.product.manufacturer", "ro.product.model", "ro.soc.manufacturer", "ro.soc.model",
    "ro.board.platform", "ro.product.cpu.abi", "ro.build.version.release", "ro.build.version.sdk",
    "ro.build.fingerprint", "ro.kernel.qemu", "ro.boot.qemu",
)  # fmt: skip
FACTS = f"""
say() {{ echo "$1=$2"; }}
for name in {" ".join(PROPERTIES)}; do say $name "$(getprop $name 2>/dev/null)"; done
say machine "$(uname -m)"
say modalias "$(cat /sys/devices/system/cpu/modalias 2>/dev/null)"
say taskset "$(command -v taskset)"
for core in /sys/devices/system/cpu/cpu[0-9]*; do [ -d "$core" ] || continue
  say core "${{core##*/cpu}} $(cat $core/cpufreq/cpuinfo_max_freq 2>/dev/null)"
done
cat /proc/cpuinfo 2>/dev/null | while read -r line; do say cpuinfo "$line"; done
"""
STATE = """
say() {{ echo "$1=$2"; }}
say load "$(cut -d ' ' -f 1 /proc/loadavg 2>/dev/null)"
for core in {cores}; do
  folder=/sys/devices/system/cpu/cpu$core/cpufreq
  for name in scaling_governor scaling_cur_freq scaling_max_freq; do
    say $name "$(cat $folder/$name 2>/dev/null)"
  done
done
for zone in /sys/class/thermal/thermal_zone*; do [ -d "$zone" ] || continue
  say zone "$(cat $zone/type 2>/dev/null)=$(cat $zone/temp 2>/dev/null)"
done
dumpsys thermalservice 2>/dev/null | while read -r line; do say thermal "$line"; done
dumpsys battery 2>/dev/null | while read -r line; do say battery "$line"; done
"""
CPU_ZONE = re.compile(r"cpu", re.IGNORECASE)
CPU_TYPE = 0  # android.os.Temperature.TYPE_CPU
CELSIUS = range(1, 151)  # outside, a zone is off, or not in the unit that the kernel demands
HAL = re.compile(r"Temperature\{mValue=([-\d.]+), mType=(\d+), ")
NOW = "Current temperatures from HAL"  # before it: as they were at the last event, if there was one


@dataclass(frozen=True, kw_only=True)
class Phone:
    """A device, as it stays while it is measured."""

    serial: str
    model: str | None
    soc: str | None
    abi: str | None
    system: str  # "Android 9 aarch64"
    sdk: int | None
    build: str | None
    cpu_features: tuple[str, ...] | None  # of the first core: "asimdhp", "asimddp", "i8mm", ...
    cores: int | None
    core_mhz: tuple[float | None, ...]  # highest frequency of each core; none where it hides them
    can_pin: bool  # it has `taskset`
    emulated: bool  # QEMU's own mark, or ARM programs above a processor of another kind

    def big_cores(self, threads: int) -> tuple[int, ...] | None:
        """Indices of the fastest cores: at least `threads`, all that are equally fast."""
        known = sorted({mhz for mhz in self.core_mhz if mhz is not None}, reverse=True)
        for least_mhz in known:
            found = [i for i, mhz in enumerate(self.core_mhz) if mhz and mhz >= least_mhz]
            if len(found) >= threads:
                return tuple(found)
        return None


@dataclass(frozen=True, kw_only=True)
class State:
    """A device at one moment."""

    load_average: float | None
    governor: str | None  # of the big cores, as the next two
    mhz: float | None  # lowest of them now
    allowed_mhz: float | None  # lowest of their limits: below `core_mhz` the system slows them
    cpu_celsius: float | None  # hottest sensor
    battery_celsius: float | None
    battery_percent: int | None
    charging: bool | None


def phone(device: Device) -> Phone:
    """Asks a device what it is.

    Raises:
        DeviceError: it does not answer.
    """
    said = _said(device.check(FACTS))
    one = {name: values[0] or None for name, values in said.items()}
    cpuinfo = _pairs(said["cpuinfo"])
    features = cpuinfo.get("Features")
    machine, release = one.get("machine"), one.get("ro.build.version.release")
    return Phone(
        serial=device.serial,
        model=_joined(one.get("ro.product.manufacturer"), one.get("ro.product.model")),
        soc=_joined(one.get("ro.soc.manufacturer"), one.get("ro.soc.model"))
        or one.get("ro.board.platform"),
        abi=one.get("ro.product.cpu.abi"),
        system=" ".join(filter(None, ["Android" if release else "Linux", release, machine])),
        sdk=_integer(one.get("ro.build.version.sdk")),
        build=one.get("ro.build.fingerprint"),
        cpu_features=tuple(features.split()) if features else None,
        cores=len(said["core"]) or sum("processor" in line for line in said["cpuinfo"]) or None,
        core_mhz=_core_mhz(said["core"]),
        can_pin=bool(one.get("taskset")),
        emulated="1" in (one.get("ro.kernel.qemu"), one.get("ro.boot.qemu"))
        or (machine == "aarch64" and _x86_below(cpuinfo, one.get("modalias"))),
    )


def _x86_below(cpuinfo: dict[str, str], modalias: str | None) -> bool:
    """QEMU's user mode lets sysfs through; since 8.1 it writes an ARM `/proc/cpuinfo`."""
    return "vendor_id" in cpuinfo or "x86" in (modalias or "")


def state(device: Device, cores: Sequence[int]) -> State:
    """Asks a device how it is; `cores` are those whose frequency counts.

    Raises:
        DeviceError: it does not answer.
    """
    said = _said(device.check(STATE.format(cores=" ".join(map(str, cores)) or '""')))
    battery = _pairs(said["battery"])
    tenths = _integer(battery.get("temperature"))
    powered = [value for name, value in battery.items() if name.endswith("powered")]
    return State(
        load_average=_lowest(said["load"]),
        governor=" ".join(sorted(set(filter(None, said["scaling_governor"])))) or None,
        mhz=_mhz(_lowest(said["scaling_cur_freq"])),
        allowed_mhz=_mhz(_lowest(said["scaling_max_freq"])),
        cpu_celsius=_cpu_celsius(said),
        battery_celsius=None if tenths is None else tenths / 10,
        battery_percent=_integer(battery.get("level")),
        charging="true" in powered if powered else None,
    )


def _said(output: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for line in output.splitlines():
        name, equals, value = line.partition("=")
        if equals:
            found[name].append(value.strip())
    return found


def _pairs(lines: list[str]) -> dict[str, str]:
    """`name : value` lines; the first of a name."""
    found: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        found.setdefault(name.strip(), value.strip())
    return found


def _joined(maker: str | None, name: str | None) -> str | None:
    return name if not maker or not name or name.startswith(maker) else f"{maker} {name}"


def _core_mhz(lines: list[str]) -> tuple[float | None, ...]:
    cores = sorted((int(index), khz) for index, _, khz in (line.partition(" ") for line in lines))
    return tuple(_mhz(_number(khz)) for _, khz in cores)


def _cpu_celsius(said: dict[str, list[str]]) -> float | None:
    lines = said["thermal"]
    now = next((i for i, line in enumerate(lines) if line.startswith(NOW)), 0)
    hal = [match for line in lines[now:] if (match := HAL.search(line))]
    found = [float(match[1]) for match in hal if int(match[2]) == CPU_TYPE]
    zones = [line.rpartition("=") for line in said["zone"]]
    found += [
        number / 1000
        for name, _, value in zones
        if CPU_ZONE.search(name) and (number := _number(value)) is not None
    ]
    return max((value for value in found if int(value) in CELSIUS), default=None)


def _lowest(values: list[str]) -> float | None:
    return min((number for value in values if (number := _number(value)) is not None), default=None)


def _mhz(khz: float | None) -> float | None:
    return None if khz is None else khz / 1000


def _integer(value: str | None) -> int | None:
    number = _number(value or "")
    return None if number is None else int(number)


def _number(value: str) -> float | None:
    try:
        return float(value)
    except ValueError:
        return None
