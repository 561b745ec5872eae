"""What a file says of itself: that it is int8, what calibrated it, and whose it is."""

import re
from collections.abc import Collection, Iterator
from pathlib import Path

from efld.data.faces import TEST_PARTS
from efld.data.layouts.three_hundred_w import FOLDERS
from efld.errors import InputError
from efld.runtime import LandmarkModel
from efld.sessions import Session
from efld.spec import METADATA_NAME, ModelSpec
from quantize.audit.finding import Finding, few
from quantize.graph import Graph

OUR_EDGES = ({"image"}, {"landmarks"})
TEST_FOLDERS = frozenset(folder for folder, part in FOLDERS.items() if part in TEST_PARTS)
_SAYS_INT8 = re.compile(r"int8|quant", re.IGNORECASE)
# onnx2tf's and ai-edge-quantizer's words for files that do not say so.
_SAYS_OTHER = re.compile(r"dynamic|(?<![a-z])weight|int16|a16|float", re.IGNORECASE)


def says_int8(path: Path, spec: ModelSpec | None, forced: str = "") -> tuple[bool, str]:
    """Whether a file claims to be int8, and why it is taken for one.

    Args:
        forced: "int8" or "float": what the user says; "" for nothing.
    """
    if forced:
        return forced == "int8", f"you say it is {forced}"
    if (word := _SAYS_INT8.search(path.name)) and not _SAYS_OTHER.search(path.name):
        return True, f"its name has {word[0]!r}"
    if spec is not None and spec.calibration:
        return True, f"its spec names {len(spec.calibration)} calibration pictures"
    return False, "neither its name nor its spec says int8"


def is_test_id(name: str) -> bool:
    """Whether a face's id is of a test split, by the names that datasets give their folders."""
    folders = name.split("/")[:-1]
    return "test" in folders or any(
        folders[: len(test)] == test for test in (folder.split("/") for folder in TEST_FOLDERS)
    )


def calibration(
    spec: ModelSpec | None, claimed: bool, test_ids: Collection[str]
) -> Iterator[Finding]:
    """Which pictures set the scales.

    Args:
        claimed: the file says that it is int8, and is.
        test_ids: of the dataset at hand, where there is one; other ids are judged by their names.
    """
    ids = spec.calibration if spec is not None else ()
    if tests := [name for name in ids if name in test_ids or is_test_id(name)]:
        yield Finding(
            "fault", "test-calibration", few(tests),
            f"{len(tests)} of {len(ids)} calibration pictures are test faces: every figure on that "
            "test set is too good.",
            "Quantise again, with training faces only.",
        )  # fmt: skip
    if spec is not None and claimed and not ids:
        yield Finding(
            "fault", "unknown-calibration", "spec",
            "it says int8, and its spec names no calibration picture.",
            "Quantise it with `python -m quantize`, which records them.",
        )  # fmt: skip


def metadata(
    path: Path, spec: ModelSpec | None, session: Session | None, graph: Graph, ours: bool
) -> Iterator[Finding]:
    """Whether an application can know how to run the file.

    Args:
        session: None where the runtime refuses the file.
        ours: it should carry a spec whatever its edges are called.
    """
    if spec is None:
        edges = tuple(
            {graph.values[i].name for i in ends} for ends in (graph.inputs, graph.outputs)
        )
        ours = ours or edges == OUR_EDGES
        yield Finding(
            "fault" if ours else "warning", "missing-metadata", "the file",
            f"no spec ({METADATA_NAME!r}) in it: crop, input range, colour order and points are "
            "not known from the file.",
            "Make it with `python -m export` and `python -m quantize`." if ours
            else "Expected of a foreign file; `--ours` makes it a fault.",
        )  # fmt: skip
    elif session is not None:
        try:
            LandmarkModel(spec, path, session)
        except InputError as error:
            what = str(error).removeprefix(f"{path}: ")
            yield Finding("fault", "wrong-metadata", "spec", what, "")
