"""Schemathesis, let loose on a real server: whatever it makes of the OpenAPI document, the API keeps to it.

https://schemathesis.readthedocs.io. Its own program runs in a process of its own, with all its phases: the examples of
the document, the edges of every schema, random bodies, and sequences of requests in which one uses what another made.
"""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from adapters.providers import TABLES
from runtime.api.openapi import operations
from tests.runtime.api.resources import STREAMS, UNMADE, closed_operations, document_of, make, path_parameters
from tests.runtime.serving import KEY, Api
from tests.support.servers import free_port

# What is valid by its schema may still name what is not there, or be refused by a rule over several fields.
LEFT_OUT = "positive_data_acceptance"

EXAMPLES = 2

# 502 is what a vendor that does not answer is told as, and here none does; 412 may come before the body is looked at.
CHECKS = """
[checks.not_a_server_error]
expected-statuses = ["2xx", "3xx", "4xx", 502]
[checks.negative_data_rejection]
expected-statuses = [400, 401, 403, 404, 405, 406, 409, 412, 415, 422, 428, 429]
"""

SAME_ROUTES = "^/v1.0/(ai-teams|answer/)"
"""Another name of routes that are tested already, and what carriers ask, whose queries are their own."""

UPLOAD = "POST /v1.0/rags/{id}/documents"
"""Takes bytes that are no JSON, of which none are of a wrong type; it has tests of its own."""


@pytest.fixture
def no_vendor(monkeypatch: pytest.MonkeyPatch) -> None:
    """Point every vendor to a port where nobody listens: random requests reach nobody."""
    for table in TABLES:
        for row in table.rows:
            monkeypatch.setenv(row.base_url_variable, f"http://127.0.0.1:{free_port()}")


async def configuration(api: Api, document: dict[str, Any]) -> str:
    """Its configuration: for every path, the ids of resources that are there."""
    lines: list[str] = []
    for path, method, operation in closed_operations(document):
        if path_parameters(path) and not path.startswith(UNMADE):
            made = await make(api, path, document)
            lines += ["[[operations]]", f'include-name = "{method} {path}"', "[operations.parameters]"]
            # A number put in place of one that is wrong on purpose would be taken for the wrong one.
            numbers = {it["name"] for it in operation["parameters"] if it["schema"].get("type") == "integer"}
            named = [name for name in path_parameters(path) if name not in numbers]
            lines += [f'"path.{name}" = "{made[name]}"' for name in named]
    return CHECKS + "\n".join(lines)


@pytest.mark.timeout(400)
@pytest.mark.usefixtures("no_vendor")
async def test_it_finds_nothing(api: Api, tmp_path: Path) -> None:
    document = await document_of(api)
    (tmp_path / "schemathesis.toml").write_text(await configuration(api, document))
    (stream,) = STREAMS
    program = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("schemathesis")),
        "run",
        f"{api.url}/openapi.json",
        f"--header=Authorization: Bearer {KEY}",
        f"--exclude-path={stream}",
        f"--exclude-path-regex={SAME_ROUTES}",
        f"--exclude-name={UPLOAD}",
        "--checks=all",
        f"--exclude-checks={LEFT_OUT}",
        f"--max-examples={EXAMPLES}",
        "--seed=1",
        "--generation-deterministic",
        "--suppress-health-check=all",
        "--request-timeout=60",
        "--warnings=off",
        "--no-shrink",
        "--no-color",
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await program.communicate()
    finally:
        if program.returncode is None:
            program.kill()
            await program.wait()
    report = output.decode(errors="replace")
    assert program.returncode == 0, report
    tested = [it for it in operations(document) if it[0] not in STREAMS and not re.match(SAME_ROUTES, it[0])]
    tested = [it for it in tested if f"{it[1]} {it[0]}" != UPLOAD]
    assert re.search(rf"Tested: +{len(tested)}\b", report), report
