"""A survey for people to read."""

from collections.abc import Iterator

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
    if dataset.sizes:
        small, large = dataset.sizes.smallest_px, dataset.sizes.largest_px
        yield _row("size", f"{small[0]}x{small[1]} to {large[0]}x{large[1]} px")
    if dataset.outside:
        it = dataset.outside
        yield _row(
            "outside",
            f"{it.faces} faces have points outside their picture, the worst by {it.worst_px:g} px, "
            f"{it.worst_percent:g} % of the face: {it.worst}",
        )


def _damage(dataset: Dataset) -> Iterator[str]:
    if not dataset.damage:
        looked = "found" if dataset.sizes else "found; pictures were not decoded"
        yield _row("damage", f"none {looked}")
        return
    yield _row("damage", str(len(dataset.damage)))
    for line in dataset.damage[:DAMAGE_SHOWN]:
        yield f"    {line}"
    if len(dataset.damage) > DAMAGE_SHOWN:
        yield f"    and {len(dataset.damage) - DAMAGE_SHOWN} more: --json has all"


def _row(name: str, value: str) -> str:
    return f"  {name:<12} {value}"
