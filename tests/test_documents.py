"""What documents and help texts tell people to type exists."""

import re
import runpy
import shlex
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DOCUMENTS = ("README.md", "CONTRIBUTING.md", "docs/commands.md", "pretrained/backbones/README.md")
FENCED = re.compile(r"```[a-z]*\n(.*?)```", re.DOTALL)
CODE = re.compile(r"`([^`]+)`")
COMMAND = re.compile(r"python -m (efld|train|export|quantize|benchmark)( .*)?")
FLAG = re.compile(r"--[a-z][a-z0-9-]*")
LINK = re.compile(r"\]\(([^)#:]+)\)")
# The first word of each command: together their help shows every example there is.
COMMANDS = (
    ("efld", ("predict", "models", "data")),
    ("train", ("smoke", "label", "ablation", "trim", "mirror", "backbone")),
    ("export", ("runs/x",)),
    ("quantize", ("runs/x", "model.onnx", "audit", "lint", "recipes")),
    ("benchmark", ("accuracy", "host", "beside", "emulated", "android", "estimate", "claims",
                   "compare", "report", "card", "results")),
)  # fmt: skip


def in_document(name: str) -> list[str]:
    """The commands in a document's code, each on one line."""
    text = (ROOT / name).read_text()
    lines = [line for block in FENCED.findall(text) for line in block.splitlines()]
    spans = [" ".join(span.split()) for span in CODE.findall(FENCED.sub("", text))]
    return [found[0] for line in lines + spans if (found := COMMAND.search(line))]


# runpy's, of modules that other tests have imported.
pytestmark = pytest.mark.filterwarnings("ignore:.*found in sys.modules:RuntimeWarning")


class Help:
    """Help texts, each printed once."""

    def __init__(self, capsys: pytest.CaptureFixture[str], patch: pytest.MonkeyPatch) -> None:
        self._capsys, self._patch = capsys, patch

    @cache  # noqa: B019
    def of(self, module: str, first: str) -> str:
        self._patch.setattr(sys, "argv", [module, *filter(None, (first,)), "--help"])
        with pytest.raises(SystemExit) as stopped:
            runpy.run_module(module, run_name="__main__")
        assert not stopped.value.code, self._capsys.readouterr().err
        return self._capsys.readouterr().out

    def refuse_unknown_flags(self, command: str) -> None:
        found = COMMAND.search(command)
        assert found is not None, command
        words = shlex.split(found[2] or "", comments=True)
        first = words[0] if words and not words[0].startswith("-") else ""
        first = "" if first.isupper() else first  # NAME stands for any
        known = set(FLAG.findall(self.of(found[1], first)))
        unknown = {*filter(FLAG.fullmatch, words)} - known
        assert not unknown, f"{command}: --help knows no {unknown}"


@pytest.fixture
def helped(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Help:
    monkeypatch.chdir(ROOT)
    return Help(capsys, monkeypatch)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_flag_in_a_document_exists(name: str, helped: Help) -> None:
    for command in in_document(name):
        helped.refuse_unknown_flags(command)


@pytest.mark.parametrize(("module", "first"), [(m, w) for m, words in COMMANDS for w in words])
def test_every_command_has_help_whose_examples_exist(module: str, first: str, helped: Help) -> None:
    text = helped.of(module, first)
    for command in re.sub(r"\\\n", " ", text).splitlines():
        if COMMAND.match(command.strip()):
            helped.refuse_unknown_flags(re.split(r" {3,}", command.strip())[0])


@pytest.mark.parametrize("path", [*DOCUMENTS, "ARCHITECTURE.md", "CHANGELOG.md"])
def test_every_link_leads_somewhere(path: str) -> None:
    document = ROOT / path
    for target in LINK.findall(document.read_text()):
        assert (document.parent / target).exists(), target
