"""Errors, time on this kind of machine, and ARM instructions, as their records have them."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from benchmark.emulated.toolchain import CPUS
from benchmark.report.blocks import Bars, Block, Command, Link, Missing, Section, Table, Text
from benchmark.report.records import PARTS, Record, Run, name
from efld.run_files import FILES

LEAST_SHARE = 0.02  # of a file's instructions; kinds of ops below it are summed up
OTHER = "all other ops"
RUNNING = ("file", "threads", "ratio", "quartiles", "ms", "p95 ms", "partitions", "bytes")
STARTING = ("file", "threads", "load ms", "first run ms", "memory kB", "mJ a run, later")


def accuracy(run: Run) -> Section:
    """Errors with intervals, and what the parts of the face say; a record after the other."""
    blocks = [block for item in run.accuracies.items() for block in _accuracy(run, *item)]
    return Section("Accuracy", blocks or [run.missing("accuracy")])


def _accuracy(run: Run, stem: str, record: Record) -> Iterator[Block]:
    """One record, and the page that was written with it."""
    rows, level = run.fresh(record["files"]), round(100 * record["level"])
    yield Text(
        f"{record['data']}, split {record['split']}: NME in % of the {record['normaliser']} "
        f"distance, crops by the true box. A failure is a face above "
        f"{record['threshold_percent']:g} %. Intervals: {level} %."
    )
    if rows:
        first = record["files"][0]
        minus = f"minus {name(first['file'])}"
        head = ("file", "faces", "NME %", f"{level} %", minus, "AUC", "failures")
        yield Table(head, [_error(row, run.is_own(first)) for row in rows])
        yield from _groups(record) if run.is_own(first) else []
    yield from run.stale(record["files"], record)
    yield Command(record["command"])
    page = f"{stem}.html"
    if (run.folder / page).is_file():
        yield Link(f"Curves, head poses and faces: {page}", page)


def _error(row: Record, has_first: bool) -> tuple[str, ...]:
    """A row; its difference to the first file only while that one is as it was measured."""
    low, high = row["nme_interval"]
    minus = row["minus_first_file"] if has_first else None
    return (
        name(row["file"]),
        f"{row['faces']:,}",
        f"{row['nme_percent']:.3f}",
        f"{low:.3f}-{high:.3f}",
        "-" if minus is None else _difference(minus),
        f"{row['auc']:.4f}",
        f"{row['failure_rate']:.2%}",
    )


def _difference(found: Record) -> str:
    mean, low, high = (round(found[key], 3) + 0.0 for key in ("mean", "low", "high"))  # no "-0.000"
    return f"{mean:+.3f} ({low:+.3f} to {high:+.3f})"


def _groups(record: Record) -> Iterator[Block]:
    """The first file's error by region, attribute and condition."""
    kinds = dict.fromkeys(group["kind"] for group in record["groups"])
    for kind in kinds:
        own = [group for group in record["groups"] if group["kind"] == kind]
        longest = max(group["files"][0]["nme_percent"] for group in own) or 1
        rows = []
        for group in own:
            found = group["files"][0]
            low, high = found["nme_interval"]
            text = f"{found['nme_percent']:.2f} ({low:.2f}-{high:.2f})"
            some = group["faces"] != record["files"][0]["faces"]
            words = f"{group['name']}, {group['faces']:,} faces" if some else group["name"]
            rows.append((words, [(100 * found["nme_percent"] / longest, text)]))
        first = name(record["files"][0]["file"])
        yield Bars(f"NME % by {kind}, {first}", (first,), rows)


def host(run: Run) -> Section:
    """Times beside peers: ratios hold, milliseconds are this machine's."""
    blocks: list[Block] = []
    hosts = run.both("host")
    blocks += [] if hosts else [run.missing("host")]
    for found in hosts:
        blocks += _times(run, found)
    besides = run.both("beside")
    blocks += [] if besides else [run.missing("beside")]
    for found in besides:
        blocks += _beside(run, found)
    return Section("Time on a computer, beside other models", blocks)


def _times(run: Run, record: Record) -> Iterator[Block]:
    rows = run.fresh(record["files"])
    yield Text(
        f"{record['cpu']}, {record['system']}, load {record['load_average']:.1f}: files by turns "
        f"in one process; the ratio is to {name(record['reference'])}, with quartiles."
    )
    if rows:
        yield Table(RUNNING, [_time(row) for row in rows])
        yield Table(STARTING, [_start(row) for row in rows])
        yield Text(
            f"Load, first: {record['start_means']}. Energy: {record['energy_means']}.", "note"
        )
    yield from _ops(record, rows)
    yield from run.stale(record["files"], record)
    yield Command(record["command"])


def _ops(record: Record, rows: Sequence[Record]) -> Iterator[Bars]:
    """Microseconds by kind of op, of files whose runtime tells them."""
    fresh = {row["file"] for row in rows}
    for own in record.get("layers", ()):
        if own["ops"] and own["file"] in fresh:
            costs = {name(own["file"]): by_kind(own["ops"], "op", "us")}
            yield _bars(f"Microseconds by op while profiled, {name(own['file'])}", costs)


def _time(row: Record) -> tuple[str, ...]:
    low, high = row["ratio_quartiles"]
    return (
        name(row["file"]),
        str(row["threads"]),
        f"{row['ratio']:.3f}",
        f"{low:.3f}-{high:.3f}",
        f"{row['median_ms']:.4f}",
        f"{row['p95_ms']:.4f}",
        _or_dash(row["partitions"]),
        f"{row['file_bytes']:,}",
    )


def _start(row: Record) -> tuple[str, ...]:
    memory, energy_mj = row["memory_bytes"], row["energy_mj"]
    return (
        name(row["file"]),
        str(row["threads"]),
        f"{row['load_ms']:.2f}",
        f"{row['first_ms']:.3f}",
        "-" if memory is None else f"{memory / 1000:,.0f}",
        "-" if energy_mj is None else f"{energy_mj:.3f}",
    )


def _beside(run: Run, record: Record) -> Iterator[Block]:
    """Errors and times of one record of `benchmark beside`."""
    errors, times = record["accuracy"], record["host"]
    peers = {row["sha256"]: row for row in times["files"]}
    rows = [row | {"peer": peers[row["sha256"]]["peer"]} for row in errors["files"]]
    yield Text(
        f"{errors['data']}, split {errors['split']}; {times['cpu']}; the ratio of times is to "
        f"{name(times['reference'])}."
    )
    head = ("file", "NME %", f"{100 * errors['level']:.0f} %", "ratio", "bytes")
    shown = [_compared(row, peers[row["sha256"]]) for row in run.fresh(rows)]
    if shown:
        yield Table(head, shown)
    yield from run.stale(rows, record)
    yield Command(record["command"])


def _compared(error: Record, time: Record) -> tuple[str, ...]:
    low, high = error["nme_interval"]
    return (
        name(error["file"]),
        f"{error['nme_percent']:.3f}",
        f"{low:.3f}-{high:.3f}",
        f"{time['ratio']:.3f}",
        f"{error['file_bytes']:,}",
    )


def arm(run: Run) -> Section:
    """Exact instructions of each file on each processor, and where they go."""
    blocks: list[Block] = []
    records = run.both("emulated")
    blocks += [] if records else [run.missing("emulated")]
    for record in records:
        blocks += _counts(run, record)
        blocks += _layers(run, record)
        blocks.append(Command(record["command"]))
    return Section("Cost on ARM", blocks)


def _counts(run: Run, record: Record) -> Iterator[Block]:
    rows = run.fresh(record["counts"])
    cpus = dict.fromkeys(row["cpu"] for row in rows)
    means = "; ".join(f"{cpu}: {CPUS[cpu].means}" if cpu in CPUS else cpu for cpu in cpus)
    yield Text(
        f"Exact instructions of one inference on one thread, counted under emulation. {means}. "
        "No milliseconds: memory, caches and clock are not emulated."
    )
    head = ("file", "processor", "instructions", "to float32", "main class", "used", "partitions")
    if rows:
        yield Table(head, [_count(row, rows) for row in rows], words=2)
        yield Text(
            "Main class: the instructions that do most multiply-adds, and their share of all. "
            "Used: the part that would do, were there none but those.", "note",
        )  # fmt: skip
        yield from _half(rows)
    yield from run.stale(record["counts"], record)


def _count(row: Record, rows: Sequence[Record]) -> tuple[str, ...]:
    same = [other for other in rows if other["cpu"] == row["cpu"] and not other["peer"]]
    own = [row for row in same if name(row["file"]) == FILES["fp32"] and not row["fp16"]]
    main = row["main_class"]
    return (
        name(row["file"]),
        row["cpu"] + (", half precision" if row["fp16"] else ""),
        f"{row['instructions']:,}",
        f"{row['instructions'] / own[0]['instructions']:.3f}" if own else "-",
        f"{main} {row['shares'][main]:.0%}",
        f"{row['efficiency']:.0%}",
        _or_dash(row["partitions"]),
    )


def _half(rows: Sequence[Record]) -> Iterator[Text]:
    """What half precision does to points; records of an earlier version do not say."""
    for row in rows:
        if (moves := row.get("half_moves")) is not None:
            yield Text(
                f"{name(row['file'])}: half precision on {row['cpu']} moves the points of "
                f"{moves['faces']} rendered faces by {moves['mean_px']:.2f} px of the crop, at "
                f"most {moves['largest_px']:.2f}."
            )


def _layers(run: Run, record: Record) -> Iterator[Block]:
    """A group of bars a kind of op, a bar a file; one chart a processor."""
    if "layers" not in record:
        yield Missing("ARM instructions by op", PARTS["emulated"].command.format(run=run.folder))
        return
    fresh = {(row["file"], row["cpu"]) for row in run.fresh(record["counts"])}
    by_cpu: defaultdict[str, dict[str, Mapping[str, int]]] = defaultdict(dict)
    for own in record["layers"]:
        if (own["file"], own["cpu"]) in fresh:
            by_cpu[own["cpu"]][Path(own["file"]).name] = by_kind(own["layers"])
    for cpu, found in by_cpu.items():
        yield _bars(f"Instructions by op on {cpu}", found)
    if by_cpu:
        yield Text(
            "Differences of cut files. Below 0: the runtime fuses the op with those before it, and "
            "only their sum is true.", "note",
        )  # fmt: skip


def by_kind(
    layers: Sequence[Record], kind: str = "kind", cost: str = "instructions"
) -> dict[str, int]:
    """The cost of each kind of op, summed up, in whole units."""
    found: defaultdict[str, float] = defaultdict(float)
    for layer in layers:
        found[layer[kind]] += layer[cost]
    return {name: round(total) for name, total in found.items()}


def _bars(title: str, found: Mapping[str, Mapping[str, int]]) -> Bars:
    """Kinds of ops from dear to cheap, those that are small in every file summed up."""
    totals = {file: sum(own.values()) for file, own in found.items()}
    kinds = dict.fromkeys(kind for own in found.values() for kind in own)
    large = [
        kind
        for kind in sorted(kinds, key=lambda kind: -max(own.get(kind, 0) for own in found.values()))
        if any(abs(own.get(kind, 0)) >= LEAST_SHARE * totals[file] for file, own in found.items())
    ]
    costs = {kind: [own.get(kind) for own in found.values()] for kind in large}
    costs[OTHER] = [
        totals[file] - sum(own.get(kind, 0) for kind in large) for file, own in found.items()
    ]
    longest = max(value or 0 for own in costs.values() for value in own) or 1
    rows = [
        (kind, [_bar(*pair, longest) for pair in zip(own, totals.values(), strict=True)])
        for kind, own in costs.items()
    ]
    return Bars(title, tuple(found), rows)


def _bar(value: int | None, total: int, longest: int) -> tuple[float, str]:
    """Of a kind of op that a file has, or has not."""
    if value is None:
        return 0.0, "-"
    share = round(value / total, 2) + 0.0  # no "-0%"
    return max(0.0, 100 * value / longest), f"{value:,} ({share:.0%})"


def _or_dash(value: object) -> str:
    return "-" if value is None else str(value)
