"""`python -m benchmark android` with the real adbd on an emulated ARM processor."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmark.android import adb, runner
from benchmark.android.adb import Device, DeviceError
from tests.android_phone import Bench, call, record, wait

pytest_plugins = ["tests.android_fixtures"]

ROOT = Path(__file__).parents[1]
SYSTEM = ROOT / ".arm" / "adbd"
ADBD = "/usr/lib/android-sdk/platform-tools/adbd"
# Nothing of this process's: variables such as LD_LIBRARY_PATH would reach the emulated programs.
ENVIRONMENT = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "QEMU_CPU": "cortex-a76"}
Started = tuple["subprocess.Popen[bytes]", Device]


@pytest.fixture(scope="module")
def system() -> Path:
    """Debian's adbd and an ARM shell, unpacked once."""
    if shutil.which("proot") is None:
        pytest.skip("proot is not installed (on Debian: apt install proot)")
    if not (runner.OWN / "runner").is_file():
        pytest.skip("no .arm/runner: run make setup-arm")
    if not (SYSTEM / "qemu-aarch64").is_file():
        script = [str(ROOT / "tests/real_adbd.sh"), str(SYSTEM)]
        done = subprocess.run(script, capture_output=True, text=True, timeout=300, check=False)
        if done.returncode:
            pytest.skip(f"Debian's adbd cannot be fetched: {done.stderr[-300:]}")
    return SYSTEM


@pytest.fixture
def daemon(system: Path, adb_server: None) -> Iterator[Started]:
    """The running daemon, and the device that it makes."""
    for _ in range(20):
        process, device = started = _start(system)
        if _works(device):
            break
        _stop(process, device)
    yield started
    _stop(process, device)


def _start(system: Path) -> Started:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        ["proot", "-q", str(system / "qemu-aarch64"), "-R", str(system / "root"), "-w", "/", ADBD],
        env=ENVIRONMENT | {"ADBD_PORT": str(port)}, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    device = Device(f"127.0.0.1:{port}")
    wait(lambda: call("connect", device.serial) and device.state() == adb.READY)
    return process, device


def _works(device: Device) -> bool:
    """proot 5.1 can, or cannot, start any program below a daemon: that is chance, and stays so."""
    try:
        return device.shell("true").code == 0
    except DeviceError as error:
        assert "Bad address" in str(error)
        return False


def _stop(process: "subprocess.Popen[bytes]", device: Device) -> None:
    _kill(process)
    wait(lambda: call("disconnect", device.serial) and device.state() == "absent")


def _kill(process: "subprocess.Popen[bytes]") -> None:
    """The daemon and its emulator."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(30)


def test_from_a_file_to_a_record(
    tmp_path: Path, daemon: Started, real_bench: Bench, model: Path
) -> None:
    outcome = real_bench(model, "--length", "rapid", "--repeats", 1)
    found = record(tmp_path, daemon[1].serial.replace(":", "-"))
    (row,) = found["files"]
    assert found["complete"]
    assert found["system"] == "Linux aarch64"
    assert row["runs"] >= runner.LENGTHS["rapid"].inferences
    assert 0 < row["median_ms"] <= row["p90_ms"] <= row["p95_ms"]
    assert row["runtime"].startswith("TensorFlow Lite 2.")
    assert {"runner", runner.LIBRARY, runner.LOADER} <= set(found["pushed"])
    # An emulator's milliseconds are no phone's, and the record says so.
    assert (found["emulated"], row["fps"], row["throttled"]) == (True, None, None)
    assert "EMULATED" in outcome.text


def test_exit_codes_and_output_come_through(daemon: Started) -> None:
    done = daemon[1].shell("uname -m; echo trouble >&2; exit 3")
    assert (done.code, done.output) == (3, "aarch64\ntrouble\n")


def test_a_daemon_that_is_killed_in_a_command(daemon: Started) -> None:
    process, device = daemon
    killer = threading.Timer(1, _kill, [process])
    killer.start()
    with pytest.raises(DeviceError, match=rf"^{device.serial}: "):
        device.shell("sleep 5")
    killer.join()


def test_a_refused_installation(daemon: Started, tmp_path: Path) -> None:
    """This daemon, unlike a phone's, cannot install."""
    (tmp_path / "app.apk").write_bytes(b"none")
    with pytest.raises(DeviceError, match=r"installation of .*app\.apk failed"):
        daemon[1].install(tmp_path / "app.apk")
