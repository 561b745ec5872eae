"""What tests share: real faces if a machine has them, and no silent skips where none is allowed."""

import os
from collections.abc import Generator
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import pytest

SKIP_IS_FAILURE = "EFLD_SKIP_IS_FAILURE" in os.environ


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if SKIP_IS_FAILURE and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped where a skip is a failure: {report.longrepr}"
    return report


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder EFLD_DATA: real faces in `300w/`, files as their owners lay them out beside it."""
    if "EFLD_DATA" not in os.environ:
        pytest.skip("EFLD_DATA is not set: no real faces here")
    return Path(os.environ["EFLD_DATA"])
