"""The one door to Android devices: the `adb` program, started here and nowhere else.

The program that users have is called as it is. PyPI's clients talk to the same server, add no
device and no check, and one of them returns an error's text as a property's value.

`adb shell` exits with 0 when a device goes away in the middle of a command (seen with adb 29), so
every command ends with a marker of ours, and an output without it is an error.
"""

import re
import secrets
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from efld.errors import InputError, one_line

READY = "device"
TRANSFER_S = 600  # for a push, a pull, an installation
REMEDIES = {
    "unauthorized": "Unlock it and accept the question about this computer's key",
    "authorizing": "Unlock it and accept the question about this computer's key",
    "offline": "Plug it in again, or run `adb reconnect offline`",
    "absent": "Plug it in, look at the cable, or run `adb connect ADDRESS`",
    "no permissions": "Give this user access to USB devices (on Debian: adduser USER plugdev)",
    "recovery": "Start it normally",
    "sideload": "Start it normally",
    "bootloader": "Start it normally",
}
NO_DEVICE = (
    "{wanted}: `adb devices` lists no device, expected one. Switch on USB debugging in the phone's "
    "developer options and plug it in, or run `adb connect ADDRESS`."
)


class DeviceError(InputError):
    """A device went away, or refuses: the same command goes on when it is back."""


@dataclass(frozen=True)
class Finished:
    """A command that ran on a device to its end."""

    code: int
    output: str  # stdout and stderr


@dataclass(frozen=True)
class Device:
    """An Android device that adb knows by `serial`."""

    serial: str

    def shell(self, script: str, timeout_s: float = 60) -> Finished:
        """Runs a POSIX shell script on the device.

        Raises:
            DeviceError: the device went away before the script's end, or took too long.
        """
        marker = f"end-{secrets.token_hex(8)}"
        # A subshell, so that `exit` in the script does not skip the marker.
        command = f"( {script}\n) 2>&1; echo {marker} $?"
        done = self._adb(["shell", command], timeout_s)
        end = re.search(rf"{marker} (\d+)\s*\Z", done.stdout)
        if end is None:
            self._lost(script, done)
        return Finished(int(end[1]), done.stdout[: end.start()])

    def check(self, script: str, timeout_s: float = 60) -> str:
        """The output of a script that must exit with 0.

        Raises:
            DeviceError: another exit code, or as `shell`.
        """
        done = self.shell(script, timeout_s)
        if done.code:
            raise DeviceError(
                f"{self.serial}: `{_short(script)}` exited with {done.code}, expected 0 "
                f"({_last_line(done.output)}). Try it in `adb -s {self.serial} shell`."
            )
        return done.output

    def push(self, source: Path, target: str) -> None:
        """Copies a file to the device.

        Raises:
            DeviceError: adb says that it did not arrive: no space, no permission, device gone.
        """
        done = self._adb(["push", str(source), target], TRANSFER_S)
        if done.returncode:
            self._refused(f"push of {source} to {target}", done)

    def install(self, apk: Path) -> None:
        """Installs an app, replacing an earlier version of it.

        Raises:
            DeviceError: the device did not say "Success".
        """
        done = self._adb(["install", "-r", "-t", str(apk)], TRANSFER_S)
        if done.returncode or "Success" not in done.stdout.splitlines():
            self._refused(f"installation of {apk}", done)

    def state(self) -> str:
        """As `adb devices` shows it; "absent" when it is not listed."""
        return states().get(self.serial, "absent")

    def require_ready(self) -> None:
        """Raises `DeviceError` unless commands can run."""
        if (state := self.state()) != READY:
            remedy = REMEDIES.get(state, "Look at its screen")
            raise DeviceError(
                f"{self.serial}: found {state!r} in `adb devices`, expected {READY!r}. {remedy}."
            )

    def _adb(self, words: Sequence[str], timeout_s: float) -> subprocess.CompletedProcess[str]:
        try:
            return _adb(["-s", self.serial, *words], timeout_s)
        except subprocess.TimeoutExpired:
            raise DeviceError(
                f"{self.serial}: `adb {words[0]} {_short(words[1])}` gave no end within "
                f"{timeout_s:g} s. Is the device busy or asleep? Run the same command again."
            ) from None

    def _lost(self, script: str, done: subprocess.CompletedProcess[str]) -> NoReturn:
        self.require_ready()  # says unauthorized and offline better
        raise DeviceError(
            f"{self.serial}: `{_short(script)}` has no end marker (adb exited with "
            f"{done.returncode}: {_last_line(done.stdout + done.stderr)}). The device was away for "
            "a moment: look at the cable and run the same command again."
        )

    def _refused(self, what: str, done: subprocess.CompletedProcess[str]) -> NoReturn:
        self.require_ready()
        said = done.stderr + done.stdout
        errors = [line for line in said.splitlines() if "error" in line or "Failure" in line]
        remedy = (
            "Free some space on the device" if "No space left" in said else "Look at the device"
        )
        raise DeviceError(
            f"{self.serial}: {what} failed ({errors[0] if errors else _last_line(said)}). {remedy} "
            "and run the same command again."
        )


def states() -> dict[str, str]:
    """Serial -> state of every device that adb knows.

    Raises:
        DeviceError: adb does not answer.
        InputError: no adb on this machine.
    """
    try:
        done = _adb(["devices"], 30)
    except subprocess.TimeoutExpired:
        raise DeviceError("adb gave no list within 30 s. Run `adb kill-server`.") from None
    if done.returncode:
        raise DeviceError(f"`adb devices` failed: {_last_line(done.stderr)}. Is its port taken?")
    _, _, table = done.stdout.partition("List of devices attached\n")
    pairs = (line.split("\t", 1) for line in table.splitlines() if "\t" in line)
    # "no permissions (user in plugdev group; ...)": the state is what stands before the reason.
    return {serial: state.split(" (")[0].split(";")[0].strip() for serial, state in pairs}


def choose(serials: Sequence[str] = (), every: bool = False) -> list[Device]:
    """The devices to measure: those named, or every one, or the only one there is.

    Raises:
        InputError: none, an unknown one, or several and no choice.
    """
    known = states()
    listed = ", ".join(f"{serial} ({state})" for serial, state in known.items())
    if not known:
        raise InputError(NO_DEVICE.format(wanted=", ".join(serials) or "no device"))
    if unknown := [serial for serial in serials if serial not in known]:
        raise InputError(f"--serial {unknown[0]}: not connected, expected one of {listed}.")
    if not serials and not every and len(known) > 1:
        raise InputError(
            f"{len(known)} devices, expected one: {listed}. Choose by --serial, or take --all."
        )
    return [Device(serial) for serial in dict.fromkeys(serials or known)]


def _adb(words: Sequence[str], timeout_s: float) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            ["adb", *words], capture_output=True, stdin=subprocess.DEVNULL,
            text=True, errors="replace", timeout=timeout_s, check=False,
        )  # fmt: skip
    except FileNotFoundError:
        raise InputError(
            "adb: not found on PATH. Install Android's platform-tools (on Debian: apt install adb)."
        ) from None


def _short(script: str) -> str:
    return one_line(ValueError(script), 60)


def _last_line(text: str) -> str:
    return ([line.strip() for line in text.splitlines() if line.strip()] or ["no output"])[-1]
