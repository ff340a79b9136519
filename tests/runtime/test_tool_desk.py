from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from adapters.callcontrol.base import ControlCommand
from adapters.clients import SharedClients
from adapters.guard import ForbiddenAddress
from models.errors import InvalidField
from pipelines.tools.host import ToolDesk
from runtime.services import utc_now
from runtime.tool_desk import open_tool_desk
from tests.adapters.callcontrol.contract import request
from tests.runtime.serving import settings_in
from tests.standins.tools import SECRET, ToolStandIn


async def opened(folder: Path, environ: dict[str, str] | None = None, **settings: Any) -> ToolDesk:
    """Open a desk and close it again."""
    async with open_tool_desk(settings_in(folder, **settings), SharedClients(), environ or {}, utc_now) as desk:
        return desk


async def test_what_is_not_configured_is_not_there(tmp_path: Path) -> None:
    desk = await opened(tmp_path)
    assert (desk.control, desk.mailer) == (None, None)
    assert desk.http is not None
    assert desk.http.is_closed


async def test_the_operators_webhook_may_stand_in_the_operators_network(tmp_path: Path) -> None:
    async with ToolStandIn() as stand_in:
        settings = settings_in(tmp_path, tool_webhook_url=f"{stand_in.http_url}/webhook", tool_webhook_secret=SECRET)
        async with open_tool_desk(settings, SharedClients(), {}, utc_now) as desk:
            assert desk.control is not None
            assert await desk.control.carry_out(request(ControlCommand.STOP_FLOW)) == {"message": "accepted"}
        await stand_in.all_closed()


@pytest.mark.parametrize("allowed", [True, False])
async def test_customers_reach_it_only_where_the_operator_allows_it(tmp_path: Path, allowed: bool) -> None:
    environ = {"AICALL_ALLOW_PRIVATE_ENDPOINTS": "true"} if allowed else {}
    async with (
        ToolStandIn() as stand_in,
        open_tool_desk(settings_in(tmp_path), SharedClients(), environ, utc_now) as desk,
    ):
        assert desk.http is not None
        assert desk.mcp_client is not None
        async with desk.mcp_client() as mcp:
            for client in (desk.http, mcp):
                try:
                    response: httpx.Response | None = await client.post(f"{stand_in.http_url}/tool", json={})
                except ForbiddenAddress:
                    response = None
                assert (response is not None) is allowed
        assert len(stand_in.requests) == (2 if allowed else 0)


async def test_a_mail_server(tmp_path: Path) -> None:
    desk = await opened(tmp_path, smtp_url="smtp://u:p@mail.example.com", smtp_from="clinic@example.com")
    assert desk.mailer is not None


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"smtp_url": "mail.example.com", "smtp_from": "clinic@example.com"}, "smtp_url"),
        ({"smtp_url": "smtp://mail.example.com"}, "smtp_from"),
        ({"smtp_url": "smtp://mail.example.com", "smtp_from": "clinic"}, "smtp_from"),
        ({"tool_webhook_url": "orchestrator"}, "tool_webhook_url"),
        ({"tool_webhook_url": "http://orchestrator/", "tool_webhook_secret": "whsec_!"}, "tool_webhook_secret"),
    ],
)
async def test_a_setting_that_is_wrong_is_named(tmp_path: Path, settings: dict[str, str], field: str) -> None:
    with pytest.raises(InvalidField) as caught:
        await opened(tmp_path, **settings)
    assert caught.value.field == field
