from __future__ import annotations

import gc
from pathlib import Path

from runtime.api.app import create_app
from runtime.rehearsal import loaded_for_good, rehearse
from tests.runtime.calls.wires import services_in


async def test_routes_and_documentation_are_made_before_anybody_asks(tmp_path: Path) -> None:
    async with services_in(tmp_path) as services:
        app = create_app(services)
        assert app.openapi_schema is None
        before = services.metrics.render()
        await rehearse(app)
        assert app.openapi_schema is not None
        # It leaves no trace in what is counted.
        counted = [line for line in services.metrics.render().splitlines() if line.startswith(b"aicall_calls_refused")]
        assert set(counted) <= set(before.splitlines())


async def test_a_store_that_does_not_answer_does_not_stop_it(tmp_path: Path) -> None:
    async with services_in(tmp_path) as services:
        app = create_app(services)
        await services.store.close()
        await rehearse(app)


def test_what_is_loaded_is_left_alone_by_the_collector_and_released_at_the_end() -> None:
    frozen = gc.get_freeze_count()
    with loaded_for_good():
        assert gc.get_freeze_count() > frozen + 10_000
    assert gc.get_freeze_count() == 0
