"""The name of a processor says whether int8 can be fast on it."""

import platform
from pathlib import Path

import pytest

from benchmark import processor

EPYC = "processor\t: 0\nmodel name\t: AMD EPYC\nflags\t\t: fpu avx2 {}\n\nprocessor\t: 1\n"
ARM = "processor\t: 0\nBogoMIPS\t: 50.00\nFeatures\t: fp asimd {}\n\nprocessor\t: 1\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (EPYC.format("avx512_vnni"), "AMD EPYC with VNNI"),
        (EPYC.format("avx_vnni"), "AMD EPYC with VNNI"),
        (EPYC.format(""), "AMD EPYC without VNNI"),
        (ARM.format("asimddp"), "Kryo with dotprod"),
        (ARM.format(""), "Kryo without dotprod"),
        ("cpu\t: POWER9\n", "Kryo"),
    ],
)
def test_a_processor_says_whether_it_multiplies_bytes_by_fours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, expected: str
) -> None:
    monkeypatch.setattr(platform, "processor", lambda: "Kryo")
    (tmp_path / "cpuinfo").write_text(text)
    assert processor.name(tmp_path / "cpuinfo") == expected


def test_a_system_without_cpuinfo_names_its_processor(tmp_path: Path) -> None:
    assert processor.name(tmp_path / "none") in (platform.processor(), platform.machine())
