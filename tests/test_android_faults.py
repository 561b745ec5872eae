"""`python -m benchmark android` when something is wrong: what is said, and what is kept."""

import re
from pathlib import Path

import pytest

from benchmark.android import adb, runner
from benchmark.android.adb import Device, DeviceError
from efld.errors import InputError
from tests.adb_daemon import Daemon, DeathError
from tests.android_phone import Bench, Connect, Phone, call, record
from tests.tiny_files import write_tflite

pytest_plugins = ["tests.android_fixtures"]


def test_a_device_that_dies_loses_no_finished_file(
    tmp_path: Path, phone: Phone, connect: Connect, bench: Bench, model: Path
) -> None:
    second = write_tflite(tmp_path / "second.tflite", input_px=8)
    with Daemon(phone.root) as daemon:
        runs = watch_runs(connect(daemon), last=2)
        with pytest.raises(DeviceError) as error:
            bench(model, second, "--repeats", 2)
    assert len(runs) == 3
    assert str(error.value) == (
        f"{daemon.serial}: found 'offline' in `adb devices`, expected 'device'. Plug it in again, "
        "or run `adb reconnect offline`. 1 of 2 are finished, in bench/google-pixel-3.json."
    )
    first = record(tmp_path)
    assert (first["complete"], len(first["files"])) == (False, 1)
    call("disconnect", daemon.serial)
    with Daemon(phone.root, port=daemon.port) as again:
        runs = watch_runs(connect(again))
        bench(second, model, "--repeats", 2)
    whole = record(tmp_path)
    assert len(runs) == 2  # the first file is not measured again
    assert (whole["complete"], whole["files"][1]) == (True, first["files"][0])
    assert [row["file"] for row in whole["files"]] == [str(second), str(model)]


def watch_runs(daemon: Daemon, last: int = 100) -> list[str]:
    """The runner's commands as they come; the one after `last` kills the device."""
    runs: list[str] = []

    def hook(command: str) -> None:
        runs.extend([command] * ("--graph" in command))
        if len(runs) > last:
            raise DeathError

    daemon.hook = hook
    return runs


def test_a_shell_without_an_end_is_an_error_though_adb_exits_with_0(
    phone: Phone, connect: Connect
) -> None:
    def die(command: str) -> None:
        raise DeathError

    with Daemon(phone.root) as daemon:
        connect(daemon).hook = die
        with pytest.raises(DeviceError, match=f"{daemon.serial}: .*offline"):
            Device(daemon.serial).shell("echo fine")


def test_a_command_without_an_end_is_given_up(device: Daemon) -> None:
    with pytest.raises(DeviceError, match=r"gave no end within 0\.5 s"):
        Device(device.serial).shell("sleep 5", timeout_s=0.5)


def test_a_runner_left_by_an_interrupted_command_is_not_measured_beside(
    device: Daemon, phone: Phone, model: Path, bench: Bench
) -> None:
    phone.program("pidof", "echo 4711")
    with pytest.raises(DeviceError, match=r"benchmark_model still runs there \(process 4711\)"):
        bench(model)


@pytest.mark.usefixtures("adb_server")
def test_no_device(model: Path, bench: Bench) -> None:
    with pytest.raises(InputError, match=r"no device: .*expected one\. Switch on USB debugging"):
        bench(model)


def test_an_unauthorized_device(phone: Phone, connect: Connect, model: Path, bench: Bench) -> None:
    with Daemon(phone.root, "unauthorized") as daemon:
        connect(daemon)
        with pytest.raises(DeviceError, match=r"found 'unauthorized' .*Unlock it and accept"):
            bench(model)


def test_two_devices_and_no_choice(
    device: Daemon, phone: Phone, connect: Connect, model: Path, bench: Bench
) -> None:
    with Daemon(phone.root) as other:
        connect(other)
        with pytest.raises(InputError, match=r"2 devices, expected one: .*--serial, or take --all"):
            bench(model)
        with pytest.raises(InputError, match=f"--serial X: not connected, expected .*{other.port}"):
            bench(model, "--serial", "X")
        bench(model, "--serial", device.serial, "--repeats", 1)


def test_one_of_two_devices_dies(
    tmp_path: Path, device: Daemon, connect: Connect, model: Path, bench: Bench
) -> None:
    with Daemon(Phone(tmp_path / "other", ro_product_model="Pixel 4").root) as other:
        watch_runs(connect(other), last=0)
        outcome = bench(model, "--all", "--repeats", 1)
    assert outcome.exit_code == 2
    done, lost = outcome.notes
    name = f"google-pixel-3-{device.serial.replace(':', '-')}"
    assert done == f"written: bench/{name}.json"
    assert lost.startswith(f"error: {other.serial}: found 'offline'")
    assert lost.endswith(
        "0 of 1 are finished, in bench/google-pixel-4-" + other.serial.replace(":", "-") + ".json."
    )
    assert record(tmp_path, name)["complete"]


def test_no_space(device: Daemon, model: Path, bench: Bench) -> None:
    device.full = True
    with pytest.raises(DeviceError, match=r"push .*No space left.*Free some space on the device"):
        bench(model)


def test_no_adb(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(InputError, match=r"adb: not found on PATH\. Install"):
        adb.choose()


def test_a_file_that_does_not_run_leaves_the_others_alone(
    tmp_path: Path, device: Daemon, phone: Phone, bench: Bench, model: Path
) -> None:
    def refuse_the_gpu(command: str) -> None:
        if "--use_gpu" in command:
            phone.write("said", "ERROR: Failed to apply GPU delegate.\n")
        elif "--graph" in command:
            phone.say()

    device.hook = refuse_the_gpu
    outcome = bench(model, "--delegate", "gpu", "cpu", "--repeats", 1)
    found = record(tmp_path)
    assert ([row["asked"] for row in found["files"]], found["complete"]) == (["cpu"], True)
    (failure,) = found["failures"]
    assert (failure["file"], failure["asked"]) == (str(model), "gpu")
    assert "found 'ERROR: Failed to apply GPU delegate.'" in failure["why"]
    assert outcome.exit_code == 1
    assert outcome.notes[1].startswith(f"failed: {model}, gpu: {device.serial}: benchmark_model:")


def test_a_runner_that_cannot_start_says_why(
    tmp_path: Path, device: Daemon, phone: Phone, bench: Bench, model: Path
) -> None:
    phone.root.joinpath("said").unlink()
    bench(model)
    (failure,) = record(tmp_path)["failures"]
    assert re.search(r"exited with 1, expected 0; it says 'cat: .*No such file", failure["why"])
    assert not list((phone.root / "data/local/tmp/efld").glob("*.tflite"))


def test_an_app_is_installed(tmp_path: Path, device: Daemon, phone: Phone) -> None:
    apk = tmp_path / "app.apk"
    apk.write_bytes(bytes(range(256)) * 1000)
    Device(device.serial).install(apk)
    assert phone.root.joinpath("installed").read_bytes() == apk.read_bytes()
    phone.write("answer", "Failure [INVALID_APK]\n")
    with pytest.raises(DeviceError, match=r"installation of .*Failure \[INVALID_APK\]"):
        Device(device.serial).install(apk)


def test_what_a_plan_may_not_be(tmp_path: Path, device: Daemon, bench: Bench, model: Path) -> None:
    with pytest.raises(InputError, match=r"threads 9, expected 1 to 8, its cores"):
        bench(model, "--threads", 9)
    with pytest.raises(InputError, match="repeats 0"):
        bench(model, "--repeats", 0)
    with pytest.raises(InputError, match=r"m\.onnx: expected a \.tflite file"):
        bench(tmp_path / "m.onnx")
    with pytest.raises(InputError, match=r"m\.tflite is a file, expected a folder"):
        bench(model, "--folder", model)


def test_our_own_runner_has_the_cpu_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(runner.VARIABLE, raising=False)
    with pytest.raises(InputError, match=r"--delegate gpu: our own runner has the CPU alone"):
        runner.find(None, ("gpu",))
