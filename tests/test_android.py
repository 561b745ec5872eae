"""`python -m benchmark android` on a device of our own: what is measured and recorded."""

import re
import shutil
from pathlib import Path

import pytest

from benchmark.android import facts, heat, measure
from benchmark.android.adb import Device
from benchmark.android.heat import Heat
from efld import files
from efld.errors import InputError
from tests.adb_daemon import Daemon
from tests.android_phone import NOT, PART, WHOLE, Bench, Connect, Phone, record

pytest_plugins = ["tests.android_fixtures"]


def test_from_a_file_to_a_record(
    tmp_path: Path, device: Daemon, phone: Phone, bench: Bench, model: Path
) -> None:
    outcome = bench(model, "--repeats", 2)
    found = record(tmp_path)
    (row,) = found["files"]
    assert (found["schema"], found["complete"], found["emulated"]) == (1, True, False)
    assert (found["cpu"], found["cores"], found["system"]) == ("sdm845", 8, "Android 9 aarch64")
    assert "asimdhp" in found["phone"]["cpu_features"]
    assert found["pinned"] == [4, 5, 6, 7]
    assert phone.pinned() == {"f0"}
    assert found["pushed"] == {"benchmark_model": files.sha256(tmp_path / "benchmark_model")}
    assert (row["sha256"], row["file_bytes"]) == (files.sha256(model), model.stat().st_size)
    assert (row["median_ms"], row["p90_ms"], row["p95_ms"], row["fps"]) == (2.0, None, 2.3, 500)
    assert (row["runs"], row["partitions"], row["taken"]) == (10_000, 1, "whole")
    assert (row["spread_percent"], row["throttled"], row["discarded"]) == (0, False, 0)
    assert row["memory_bytes"] == 3.5 * 2**20
    assert "Google Pixel 3, sdm845, Android 9 aarch64, 1 on cores 4,5,6,7" in outcome.text
    assert outcome.notes == ["written: bench/google-pixel-3.json"]


def test_a_device_s_state_is_recorded_before_and_after_each_run(
    tmp_path: Path, device: Daemon, bench: Bench, model: Path
) -> None:
    bench(model, "--repeats", 1)
    (run,) = record(tmp_path)["files"][0]["repeats"]
    assert (
        run["before"]
        == run["after"]
        == {
            "load_average": 0.5,
            "governor": "schedutil",
            "mhz": 2803.2,
            "allowed_mhz": 2803.2,
            "cpu_celsius": 36.0,
            "battery_celsius": 28.7,
            "battery_percent": 84,
            "charging": True,
        }
    )


def test_what_a_device_hides_is_null(
    tmp_path: Path, device: Daemon, phone: Phone, bench: Bench, model: Path
) -> None:
    for name in ("sys", "proc/cpuinfo", "system/bin/dumpsys", "system/bin/getprop"):
        path = phone.root / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    phone.write("proc/cpuinfo", "")
    bench(model, "--repeats", 1)
    serial = device.serial.replace(":", "-")
    found = record(tmp_path, serial)
    assert (found["cpu"], found["pinned"]) == (None, None)
    assert (found["phone"]["model"], found["phone"]["cpu_features"]) == (None, None)
    assert set(found["start"].values()) == {0.5, None}


def test_a_temperature_in_an_unknown_unit_is_none(
    tmp_path: Path, device: Daemon, phone: Phone, bench: Bench, model: Path
) -> None:
    phone.write("sys/class/thermal/thermal_zone0/temp", "309")  # tenths, on some phones
    bench(model, "--repeats", 1)
    assert record(tmp_path)["start"]["cpu_celsius"] is None


def test_android_s_own_thermometer_is_read(
    tmp_path: Path, device: Daemon, phone: Phone, bench: Bench, model: Path
) -> None:
    """`dumpsys thermalservice` of a Galaxy: a battery and an earlier moment that were hotter."""
    phone.write("sys/class/thermal/thermal_zone0/type", "pa_therm0")
    lines = "Cached temperatures:\n\tTemperature{mValue=74.0, mType=0, mName=CPU, mStatus=0}"
    lines += "\nHAL Ready: true\nCurrent temperatures from HAL:"
    lines += "\n\tTemperature{mValue=29.1, mType=0, mName=CPU, mStatus=0}"
    lines += "\n\tTemperature{mValue=40.0, mType=2, mName=BAT, mStatus=0}"
    phone.program("dumpsys", f"[ $1 = thermalservice ] && echo '{lines}'")
    bench(model, "--repeats", 1)
    assert record(tmp_path)["start"]["cpu_celsius"] == 29.1


def test_a_throttled_run_is_repeated_when_the_device_has_cooled_down(
    tmp_path: Path, device: Daemon, phone: Phone, bench: Bench, model: Path
) -> None:
    states = iter([(60.0, 0.56), (50.0, 0.56), (40.0, 0.5), (36.5, 0.5)])
    hot: list[bool] = []

    def heat_up_once_then_cool(command: str) -> None:
        if "--graph" in command:
            phone.say(median_us=2000 if hot else 3000)
            hot.append(True)
        if hot and ("--graph" in command or "thermal_zone" in command):
            phone.set_heat(*next(states, (36.5, 0.5)))

    device.hook = heat_up_once_then_cool
    bench(model, "--repeats", 1)
    (row,) = record(tmp_path)["files"]
    (run,) = row["repeats"]
    assert (row["median_ms"], row["discarded"], row["throttled"]) == (2.0, 1, False)
    assert run["before"]["cpu_celsius"] <= 37
    assert (run["cool_down"]["cool"], run["slowdown"]) == (True, 1.0)


def test_a_device_that_stays_hot_is_measured_and_marked(
    tmp_path: Path, device: Daemon, phone: Phone, bench: Bench, model: Path
) -> None:
    def heat_up(command: str) -> None:
        if "--graph" in command:
            phone.set_heat(70.0, work_s=0.75)

    device.hook = heat_up
    outcome = bench(model, "--repeats", 1, "--cool-down", "0.05s")
    (row,) = record(tmp_path)["files"]
    assert (row["throttled"], row["discarded"]) == (True, measure.TRIES - 1)
    assert row["repeats"][0]["slowdown"] == pytest.approx(1.5)
    assert not row["repeats"][0]["cool_down"]["cool"]
    assert " yes " in outcome.text.splitlines()[-1]


def test_a_wait_without_a_thermometer_says_what_it_is_for(
    device: Daemon, phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heat, "POLL_S", 0.01)
    phone.write("sys/class/thermal/thermal_zone0/type", "pa_therm0")
    own = Device(device.serial)
    found = Heat(own, facts.phone(own), (4,), "taskset 10")
    phone.set_heat(celsius=36.0, work_s=0.75)
    told: list[str] = []

    def cool_when_told(text: str) -> None:
        told.append(text)
        phone.set_heat(celsius=36.0, work_s=0.5)

    assert found.cool_down(60, cool_when_told).cool
    assert told == ["cooling until work takes 1.1 of its cool time, now 1.50"]


@pytest.mark.parametrize(
    ("said", "taken", "ran", "partitions", "shown"),
    [
        (WHOLE, "whole", "gpu", 1, "gpu "),
        (PART, "part", "gpu", 3, "gpu in part"),
        (NOT, "none", "cpu", 0, "gpu refused"),
    ],
)
def test_whether_the_gpu_took_the_graph(
    said: str, taken: str, ran: str, partitions: int, shown: str,
    tmp_path: Path, device: Daemon, phone: Phone, bench: Bench, model: Path,
) -> None:  # fmt: skip
    phone.say(delegate=said.format("GPU"))
    outcome = bench(model, "--delegate", "gpu", "--repeats", 1)
    (row,) = record(tmp_path)["files"]
    assert (row["asked"], row["taken"], row["delegate"]) == ("gpu", taken, ran)
    assert row["partitions"] == partitions
    assert f" {shown}" in outcome.text.splitlines()[-1]


def test_an_emulator_s_times_are_never_a_phone_s(
    tmp_path: Path, connect: Connect, bench: Bench, model: Path
) -> None:
    with Daemon(Phone(tmp_path / "emulator", ro_kernel_qemu="1").root) as daemon:
        connect(daemon)
        outcome = bench(model, "--repeats", 1)
    found = record(tmp_path)
    assert found["emulated"]
    assert (found["files"][0]["fps"], found["files"][0]["throttled"]) == (None, None)
    assert "EMULATED: these times are the emulator's" in outcome.text


def test_a_long_load_gives_a_curve(
    tmp_path: Path, device: Daemon, phone: Phone, bench: Bench, model: Path
) -> None:
    starts: list[str] = []

    def warm_up(command: str) -> None:
        if "--min_secs=5 " in command:
            starts.append(command)
            phone.set_heat(50.0, 0.5)
            phone.say(median_us=2000 if len(starts) == 1 else 3000)

    device.hook = warm_up
    outcome = bench(model, "--repeats", 1, "--sustained", "3s")
    (row,) = record(tmp_path)["files"]
    points = row["sustained"]
    assert row["sustained_cool_down"]["cool"]
    assert len(points) == len(starts) > 1
    assert (points[0]["median_ms"], points[0]["cpu_celsius"], points[0]["mhz"]) == (2, 50, 2803.2)
    said = r"cpu, under load: 2\.000 ms at first, 3\.000 ms after \d+ s \(\+50 %\)"
    assert re.search(said, outcome.text)


def test_half_precision_is_asked_for_where_the_processor_has_it(
    device: Daemon, phone: Phone, bench: Bench, model: Path
) -> None:
    starts: list[str] = []
    device.hook = lambda command: starts.append(command) if "--graph" in command else None
    bench(model, "--repeats", 1, "--fp16")
    assert "--xnnpack_force_fp16=true" in starts[0]
    phone.write("proc/cpuinfo", "Features\t: fp asimd\n")
    with pytest.raises(InputError, match=r"--fp16 needs .*asimdhp, found fp asimd\. Leave"):
        bench(model, "--fp16")
