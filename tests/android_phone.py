"""A phone for tests: what the shell of a Snapdragon 845 finds, in a sandbox folder.

The runner that tests push is a shell script that prints what `benchmark_model` printed on a phone.
"""

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmark.android import adb
from benchmark.commands.outcome import Outcome
from tests.adb_daemon import Daemon

Bench = Callable[..., Outcome]  # runs the command
Connect = Callable[[Daemon], Daemon]  # makes adb know a device

# What benchmark_model printed on a phone, its times and its delegate to be filled in.
TEXT = """\
INFO: STARTING!
INFO: Graph: [/data/local/tmp/m.tflite]
{delegate}
INFO: Initialized session in 102.32ms.
INFO: Running benchmark for at least 1 iterations and at least 0.5 seconds but terminate if \
exceeding 150 seconds.
INFO: count=1 curr=2070 p5=2070 median=2070 p95=2070

INFO: Running benchmark for at least 128 iterations and at least 10 seconds but terminate if \
exceeding 60 seconds.
INFO: count={count} first=2001 curr=2003 min=1990 max=3000 avg=2010 std=25 p5=1995 \
median={median_us} p95=2300

INFO: Inference timings in us: Init: 102320, First inference: 2070, Warmup (avg): 2070, \
Inference (avg): 2010
INFO: Memory footprint delta from the start of the tool (MB): init=2.5 overall=3.5
"""
WHOLE = (
    "INFO: Explicitly applied {} delegate, and the model graph will be completely executed by the "
    "delegate."
)
PART = (
    "INFO: Explicitly applied {} delegate, and the model graph will be partially executed by the "
    "delegate w/ 3 delegate kernels."
)
NOT = (
    "INFO: Though {} delegate is explicitly applied, the model graph will not be executed by the "
    "delegate."
)
PROPERTIES = {
    "ro.product.manufacturer": "Google",
    "ro.product.model": "Pixel 3",
    "ro.board.platform": "sdm845",
    "ro.product.cpu.abi": "arm64-v8a",
    "ro.build.version.release": "9",
    "ro.build.version.sdk": "28",
}
CPUINFO = """\
processor\t: 0
Features\t: fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp
CPU implementer\t: 0x51
Hardware\t: Qualcomm Technologies, Inc SDM845
"""
BATTERY = """\
Current Battery Service state:
  AC powered: false
  USB powered: true
  level: 84
  temperature: 287
"""
# The counting loop is answered from a file, every other program runs.
TASKSET = """\
echo "$*" >> {root}/taskset.log
[ "$2" = sh ] && exec cat {root}/work
shift
exec "$@"
"""
# `cmd package install ... -S BYTES`, the app on stdin.
INSTALLER = """\
for word; do [ "$before" = -S ] && bytes=$word; before=$word; done
head -c $bytes > {root}/installed
cat {root}/answer
"""
RUNNER = """\
#!/bin/sh
cat {root}/said
"""
BIG_KHZ, LITTLE_KHZ = 2803200, 1766400


class Phone:
    """The folder of a phone, and ways to change what its shell finds there."""

    def __init__(self, root: Path, **properties: str) -> None:
        self.root = root
        named = PROPERTIES | {name.replace("_", "."): value for name, value in properties.items()}
        cases = "".join(f'{name}) echo "{value}";;\n' for name, value in named.items())
        self.program("getprop", f'case "$1" in\n{cases}esac')
        self.program("dumpsys", f"[ $1 = battery ] && cat {root}/battery")
        self.program("taskset", TASKSET.format(root=root))
        self.program("uname", "echo aarch64")
        self.program("cmd", INSTALLER.format(root=root))
        self.write("battery", BATTERY)
        self.write("proc/cpuinfo", CPUINFO)
        self.write("proc/loadavg", "0.5 0.4 0.3 1/500 1234")
        for core in range(8):
            folder = f"sys/devices/system/cpu/cpu{core}/cpufreq"
            khz = BIG_KHZ if core >= 4 else LITTLE_KHZ
            self.write(f"{folder}/cpuinfo_max_freq", str(khz))
            self.write(f"{folder}/scaling_cur_freq", str(khz))
            self.write(f"{folder}/scaling_max_freq", str(khz))
            self.write(f"{folder}/scaling_governor", "schedutil")
        self.write("sys/class/thermal/thermal_zone0/type", "cpu-1-0-usr")
        self.write("answer", "Success\n")
        self.set_heat(celsius=36.0, work_s=0.5)
        self.say()

    def say(self, median_us: int = 2000, count: int = 5000, delegate: str = "") -> None:
        """What the runner prints from now on."""
        line = delegate or WHOLE.format("XNNPACK")
        self.write("said", TEXT.format(delegate=line, median_us=median_us, count=count))

    def set_heat(self, celsius: float, work_s: float) -> None:
        """The processor's temperature, and how long the counting loop takes."""
        self.write("sys/class/thermal/thermal_zone0/temp", str(round(celsius * 1000)))
        self.write("work", f"100.00 {100 + work_s:.2f}\n")

    def celsius(self) -> float:
        return float(self.root.joinpath("sys/class/thermal/thermal_zone0/temp").read_text()) / 1000

    def runner(self, path: Path) -> Path:
        """A file to push in benchmark_model's place."""
        path.write_text(RUNNER.format(root=self.root))
        return path

    def pinned(self) -> set[str]:
        """Core masks of all runs so far."""
        lines = self.root.joinpath("taskset.log").read_text().splitlines()
        return {line.split()[0] for line in lines if "benchmark_model" in line}

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def program(self, name: str, script: str) -> None:
        """A program on the phone's PATH."""
        self.write(f"system/bin/{name}", f"#!/bin/sh\n{script}\n")
        self.root.joinpath(f"system/bin/{name}").chmod(0o755)


def call(*words: str) -> bool:
    """Runs adb; true, whatever it says: states are asked for apart."""
    subprocess.run(["adb", *words], capture_output=True, check=False, timeout=30)
    return True


def wait(done: Callable[[], bool]) -> None:
    """Until something is so, at most 20 seconds."""
    for _ in range(100):
        if done():
            return
        time.sleep(0.2)
    raise AssertionError(adb.states())


def record(tmp_path: Path, name: str = "google-pixel-3") -> dict[str, Any]:
    found: dict[str, Any] = json.loads((tmp_path / "bench" / f"{name}.json").read_text())
    return found
