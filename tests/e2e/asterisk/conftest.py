"""One server for all tests; each test has an Asterisk of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.asterisk.server import Server, serving


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The server and its vendors."""
    with serving(tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture
def no_leaked_resources() -> None:
    """Do without the check of the same name: the vendors' connections belong to the server, which outlives a test."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[pytest.TestReport]:
    """Show what the server wrote beside a failed test."""
    report: pytest.TestReport = yield
    server = item.funcargs.get("server") if isinstance(item, pytest.Function) else None
    if report.failed and isinstance(server, Server):
        report.sections.append(("the server's log", server.log()))
    return report
