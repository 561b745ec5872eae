"""Estimates, claims, and what was measured on devices."""

from collections.abc import Iterator, Sequence
from typing import Any

from benchmark.android.record import precision, ran_on
from benchmark.claims.published import SHOWN
from benchmark.estimate.estimating import MEANS
from benchmark.report.blocks import Block, Command, Missing, Section, Table, Text
from benchmark.report.records import ANDROID, Record, Run, name

TELLING = ("fphp", "asimdhp", "asimddp", "i8mm")  # words of cpuinfo that decide which file is fast


def estimates(run: Run) -> Section:
    """Milliseconds that nobody measured."""
    record = run.get("estimate")
    if record is None:
        return Section("Estimates", [run.missing("estimate")])
    rows = [
        (name(row["file"]), row["kind"], row["runtime"], f"{row['ms']:.2f}", _interval(row),
         f"{1000 / row['ms']:,.0f}", str(row["goal_fps"] or "-"))
        for row in run.fresh(record["estimates"])
    ]  # fmt: skip
    head = ("file", "computed in", "runtime", "ms, estimated", "interval", "faces/s", "goal")
    return Section("Estimates", [
        Text(f"{MEANS}: one big core of a {record['soc']} ({record['stands_for']}), "
             f"{record['threads']} thread, from counted instructions and published latencies of "
             "other nets.", "warn"),
        *([Table(head, rows, words=3)] if rows else []),
        Text("Goal: the faces a second that we want of a model on that phone. The interval is the "
             "largest error seen on a figure left out of the fit. Extrapolated: outside the "
             "range of the nets behind it, nobody knows how far off.",
             "note"),
        *run.stale(record["estimates"], record),
        Command(record["command"]),
    ])  # fmt: skip


def _interval(row: Record) -> str:
    return "extrapolated" if row["extrapolated"] else f"{row['low_ms']:.2f}-{row['high_ms']:.2f}"


def claims(run: Run) -> Section:
    """What papers print of this model, and what came of it."""
    title = "Published claims"
    if run.claims is None:
        return Section(
            title, [Missing("verdicts on published claims", "python -m benchmark claims")]
        )
    own = [row for row in run.claims["claims"] if row["claim"]["model"] == run.spec.model]
    verdicts = ", ".join(f"{count} {name}" for name, count in run.claims["verdicts"].items())
    blocks: list[Block] = [
        Text(
            f"{len(own)} of {len(run.claims['claims'])} claims on trial are about "
            f"{run.spec.model}; the verdicts on all: {verdicts}."
        )
    ]
    if own:
        head = ("where", "claim", "verdict", "why")
        blocks.append(Table(head, [_claim(row) for row in own], words=len(head)))
    return Section(title, [*blocks, Command(run.claims["command"])])


def _claim(row: Record) -> tuple[str, ...]:
    claim: dict[str, Any] = row["claim"]
    shown = SHOWN[claim["quantity"]].format(claim["value"])
    says = ", ".join(filter(None, [shown, claim.get("split"), claim.get("device")]))
    return f"{claim['paper']}, {claim['where']}", says, row["verdict"], row["why"]


def devices(run: Run) -> Section:
    """Each device that was measured: what it is, and what it did."""
    title = "Measured on devices"
    if not run.phones:
        return Section(title, [Missing("milliseconds on a phone", ANDROID.format(run=run.folder))])
    return Section(title, [block for record in run.phones for block in _device(run, record)])


def _device(run: Run, record: Record) -> Iterator[Block]:
    if record["emulated"]:
        yield Text("Emulated: these times are the emulator's and say nothing of a phone.", "warn")
    if not record["complete"]:
        yield Text("Not complete: files are still to be measured.", "warn")
    yield Table(("", ""), _facts(record), words=2)
    found = run.fresh(record["files"])
    head = ("file", "ran on", "ms", "p90 ms", "spread", "faces/s", "throttled", "bytes")
    if found:
        yield Table(head, [_latency(row) for row in found], words=2)
    yield from (_sustained(row) for row in found if row["sustained"])
    yield from run.stale(record["files"], record)
    for failure in record["failures"]:
        yield Text(f"{name(failure['file'])} on {failure['asked']}: {failure['why']}", "warn")
    yield Command(record["command"])


def _sustained(row: Record) -> Text:
    """How a file slowed down under a long load."""
    first, last = row["sustained"][0], row["sustained"][-1]
    slower_percent = 100 * (last["median_ms"] / first["median_ms"] - 1)
    return Text(
        f"{name(row['file'])}, {row['asked']}, under load: {first['median_ms']:.3f} ms at first, "
        f"{last['median_ms']:.3f} ms after {last['at_s']:.0f} s ({slower_percent:+.0f} %)."
    )


def _facts(record: Record) -> list[tuple[str, str]]:
    phone, plan, pinned = record["phone"], record["plan"], record["pinned"]
    features = phone["cpu_features"]
    told = [word for word in TELLING if word in (features or ())]
    said = ", ".join(told) or f"none of {', '.join(TELLING)}"
    mhz = ["?" if highest is None else f"{highest:.0f}" for highest in phone["core_mhz"]]
    return [
        ("device", phone["model"] or phone["serial"]),
        ("processor", phone["soc"] or "not said"),
        ("system", phone["system"]),
        ("cpuinfo says", "nothing" if features is None else said),
        ("cores", f"{phone['cores'] or 'not said'}, up to {', '.join(mhz) or '?'} MHz"),
        ("used", f"{plan['threads']} on {_cores(pinned)}"),
        ("at the start", _state(record["start"])),
        ("runner", record["runner"]),
        ("runs", f"{plan['repeats']} x {plan['length']}"),
        *([("precision", words)] if (words := precision(plan["fp16"])) else []),
    ]


def _cores(pinned: Sequence[int] | None) -> str:
    return "all cores" if pinned is None else f"cores {', '.join(map(str, pinned))}"


def _state(start: Record) -> str:
    known = {
        "{:.0f} °C": start["cpu_celsius"],
        "battery {} %": start["battery_percent"],
        "governor {}": start["governor"],
        "load {:.1f}": start["load_average"],
    }
    return ", ".join(text.format(value) for text, value in known.items() if value is not None) or (
        "not said"
    )


def _latency(row: Record) -> tuple[str, ...]:
    return (
        name(row["file"]),
        ran_on(row["asked"], row["delegate"], row["taken"]),
        f"{row['median_ms']:.3f}",
        "-" if row["p90_ms"] is None else f"{row['p90_ms']:.3f}",
        "-" if row["spread_percent"] is None else f"{row['spread_percent']:.1f} %",
        "-" if row["fps"] is None else f"{row['fps']:,.0f}",
        {None: "not measured", True: "yes", False: "no"}[row["throttled"]],
        f"{row['file_bytes']:,}",
    )
