"""Several devices measured side by side: what stops one of them leaves the others alone."""

import re
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from pathlib import Path

from tqdm import tqdm

from benchmark.android import measure
from benchmark.android.adb import Device
from benchmark.android.facts import Phone
from benchmark.android.record import Plan, Report
from benchmark.android.runner import Runner
from efld.errors import InputError

Found = tuple[Report, Path]


def run(
    devices: Sequence[Device],
    jobs: Sequence[measure.Job],
    plan: Plan,
    runner: Runner,
    folder: Path,
    command: str,
) -> tuple[list[Found], list[InputError]]:
    """Measures on every device at once; the reports with their records, and what went wrong."""
    several = len(devices) > 1
    ends: list[Future[Found | InputError]] = []
    for index, device in enumerate(devices):
        place = _place(folder, several)
        ends.append(_begun(partial(_one, index, device, jobs, plan, runner, place, command)))
    results = [end.result() for end in ends]
    errors = [result for result in results if isinstance(result, InputError)]
    return [result for result in results if not isinstance(result, InputError)], errors


def _one(
    index: int,
    device: Device,
    jobs: Sequence[measure.Job],
    plan: Plan,
    runner: Runner,
    place: Callable[[Phone], Path],
    command: str,
) -> Found | InputError:
    with tqdm(total=len(jobs), position=index, leave=False, disable=None) as bar:
        try:
            report = measure.measure(
                device, jobs, plan, runner, place=place, command=command,
                tell=lambda text: bar.set_description(f"{device.serial}: {text}"),
                done=bar.update,
            )  # fmt: skip
        except InputError as error:
            return error
    return report, place(report.phone)


def _begun(task: Callable[[], Found | InputError]) -> "Future[Found | InputError]":
    """Runs in a daemon thread: Ctrl-C ends the command without waiting for a device."""
    end: Future[Found | InputError] = Future()

    def fulfil() -> None:
        try:
            end.set_result(task())
        except BaseException as error:
            end.set_exception(error)

    threading.Thread(target=fulfil, daemon=True).start()
    return end


def _place(folder: Path, several: bool) -> Callable[[Phone], Path]:
    """A record's path by the device's model, and its serial where devices may be alike."""

    def place(phone: Phone) -> Path:
        words = [phone.model or phone.serial, *([phone.serial] if several and phone.model else [])]
        return folder / f"{re.sub(r'[^a-z0-9.]+', '-', ' '.join(words).lower()).strip('-')}.json"

    return place
