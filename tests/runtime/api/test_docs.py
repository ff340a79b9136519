from __future__ import annotations

import re

from tests.runtime.serving import Api


async def test_the_page_loads_nothing_from_elsewhere(api: Api) -> None:
    response = await api.http.get("/docs", headers={"Authorization": ""})
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in response.headers["content-security-policy"]
    assert not re.search(r"""(src|href)=["']?(https?:)?//|@import|url\(""", response.text)
    assert "openapi.json" in response.text
