from __future__ import annotations

from datetime import UTC, timedelta
from pathlib import Path

from runtime.server import open_services
from runtime.services import utc_now
from tests.runtime.serving import CANARY, settings_in


def test_the_clock_is_utc() -> None:
    assert utc_now().tzinfo is UTC
    assert timedelta(0) <= utc_now() - utc_now() + timedelta(seconds=1) <= timedelta(seconds=1)


async def test_services_do_not_show_secrets(tmp_path: Path) -> None:
    async with open_services(settings_in(tmp_path, api_key=CANARY)) as services:
        assert services.environ
        assert CANARY not in repr(services)
        assert "environ" not in repr(services)
