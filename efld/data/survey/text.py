"""A survey for people to read."""

from collections.abc import Iterator

from efld.data.survey.damage import of_face
from efld.data.survey.survey import Dataset, Survey

DAMAGE_SHOWN = 20


def lines(survey: Survey) -> Iterator[str]:
    """The report, line by line."""
    yield from survey.damage
    for dataset in survey.datasets:
        yield from _dataset(dataset)
        yield ""


def _dataset(dataset: Dataset) -> Iterator[str]:
    yield f"{dataset.name}: {dataset.root}"
    what = "faces" if dataset.kind == "points" else "pictures"
    schemes = ", ".join(f"{count} with {name} points" for name, count in dataset.schemes.items())
    yield _row("terms", dataset.terms)
    yield _row(what, f"{dataset.total}{f': {schemes}' if schemes else ''}")
    yield from _counts(dataset)
    if dataset.having:
        yield _row("with", ", ".join(f"{name} {n}" for name, n in dataset.having.items()))
    if dataset.attributes:
        names = sorted(dataset.attributes.items())
        yield _row("attributes", ", ".join(f"{name} {count}" for name, count in names))
    yield from _pictures(dataset)
    for note in dataset.notes:
        yield _row("note", note)
    yield from _damage(dataset)


def _counts(dataset: Dataset) -> Iterator[str]:
    for key, count in dataset.counts.items():
        part, _, folder = key.partition("/")
        of = f" of {dataset.official[key]}" if key in dataset.official else ""
        if folder:
            yield f"    {folder:<20} {count}{of}"
        else:
            yield _row(part if part != "none" else "no split", f"{count}{of}")


def _pictures(dataset: Dataset) -> Iterator[str]:
    if dataset.missing:
        yield _row("missing", f"pictures of {dataset.missing} faces")
    if dataset.usable not in (None, dataset.total):
        yield _row("usable", f"{dataset.usable} of {dataset.total}, whose picture can be decoded")
    if dataset.sizes:
        small, large = ("{}x{} px".format(*size) for size in dataset.sizes)
        both = f"{small} (smallest) to {large} (largest)"
        yield _row("size", both if small != large else f"all {small}")
    if dataset.outside:
        it = dataset.outside
        yield _row(
            "outside",
            f"faces with points outside their picture: {it.faces}; worst by {it.worst_px:g} px, "
            f"{of_face(it.worst_percent)}: {it.worst}",
        )


def _damage(dataset: Dataset) -> Iterator[str]:
    if not dataset.damage:
        looked = "found" if dataset.usable is not None else "found; pictures were not decoded"
        yield _row("damage", f"none {looked}")
        return
    yield _row("damage", str(len(dataset.damage)))
    for line in dataset.damage[:DAMAGE_SHOWN]:
        yield f"    {line}"
    if len(dataset.damage) > DAMAGE_SHOWN:
        yield f"    and {len(dataset.damage) - DAMAGE_SHOWN} more: --json has all"


def _row(name: str, value: str) -> str:
    return f"  {name:<12} {value}"
