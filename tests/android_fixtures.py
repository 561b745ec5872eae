"""Fixtures of the tests that speak to a device through the real `adb` client."""

import argparse
import shutil
import socket
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from benchmark.android import adb, heat, runner
from benchmark.commands import android
from benchmark.commands.outcome import Outcome
from tests.adb_daemon import Daemon
from tests.android_phone import Bench, Connect, Phone, call, wait
from tests.tiny_files import write_tflite


@pytest.fixture(scope="session")
def adb_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """An adb server of our own, away from the user's."""
    if shutil.which("adb") is None:
        pytest.skip("adb is not installed (on Debian: apt install adb)")
    with socket.socket() as free, pytest.MonkeyPatch.context() as patch:
        free.bind(("127.0.0.1", 0))
        patch.setenv("ADB_SERVER_SOCKET", f"tcp:localhost:{free.getsockname()[1]}")
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        free.close()
        yield
        call("kill-server")


@pytest.fixture
def phone(tmp_path: Path) -> Phone:
    return Phone(tmp_path / "phone")


@pytest.fixture
def connect(adb_server: None) -> Iterator[Connect]:
    """Connects a running daemon to adb, until the test's end."""
    connected: list[Daemon] = []

    def connect(daemon: Daemon) -> Daemon:
        connected.append(daemon)
        call("connect", daemon.serial)
        wait(lambda: adb.states().get(daemon.serial) == daemon.state)  # "offline" for a moment
        return daemon

    yield connect
    for daemon in connected:
        wait(partial(_gone, daemon.serial))


def _gone(serial: str) -> bool:
    """Disconnects; adb may list a device once more that it was just about to look for again."""
    return call("disconnect", serial) and serial not in adb.states()


@pytest.fixture
def device(phone: Phone, connect: Connect) -> Iterator[Daemon]:
    with Daemon(phone.root) as daemon:
        yield connect(daemon)


@pytest.fixture
def real_bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Runs the command in `tmp_path`."""
    monkeypatch.setattr(heat, "POLL_S", 0.01)
    monkeypatch.delenv(runner.VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)

    def run(*words: object) -> Outcome:
        parser = argparse.ArgumentParser()
        android.add(parser.add_subparsers())
        return android.run(parser.parse_args(["android", *map(str, words)]), "the command")

    return run


@pytest.fixture
def bench(tmp_path: Path, phone: Phone, real_bench: Bench) -> Bench:
    """The same with a runner that prints what the phone's folder says."""
    program = phone.runner(tmp_path / "benchmark_model")
    return lambda *words: real_bench(*words, "--runner", program)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_tflite(tmp_path / "m.tflite")
