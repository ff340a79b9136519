from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from adapters.callcontrol.base import Leg
from adapters.callcontrol.documents import Instructions
from tests.runtime.serving import serving


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_the_link_is_the_permission(tmp_path: Path, method: str) -> None:
    async with serving(tmp_path) as api, httpx.AsyncClient(trust_env=False) as anybody:
        links = api.services.tools.documents
        assert links is not None
        server_url = api.url
        url = links.link(Leg("plivo", "1", server_url=server_url), Instructions("application/xml", "<Response/>"))
        response = await anybody.request(method, url, params={"CallUUID": "1"})
        assert (response.status_code, response.text) == (200, "<Response/>")
        assert response.headers["content-type"].startswith("application/xml")
        assert response.headers["cache-control"] == "no-store"
        assert (await anybody.request(method, f"{url}x")).status_code == 404
        # Nothing else beneath the path is open.
        assert (await anybody.get(f"{server_url}/callcontrol/documents")).status_code == 401
