"""Native chatter is held back, and comes out with an error."""

import os

import pytest

from efld.quiet import native_stderr


def test_native_output_is_held_back(capfd: pytest.CaptureFixture[str]) -> None:
    with native_stderr():
        os.write(2, b"greetings")
    os.write(2, b"said")
    assert capfd.readouterr().err == "said"


def test_an_error_brings_it_out(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RuntimeError), native_stderr():
        os.write(2, b"why it failed")
        raise RuntimeError
    assert capfd.readouterr().err == "why it failed"
