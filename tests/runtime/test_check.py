from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from adapters.seats import ProviderRow, SeatTable
from runtime.check import TABLES, CheckResult, run_checks
from runtime.settings import Settings, variable
from tests.runtime.serving import CANARY, serving
from tests.standins.openai import OpenAIStandIn
from tests.support.postgresql_server import PASSWORD, PostgresqlServer


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings of the machine, and an empty working directory."""
    for name in Settings.model_fields:
        monkeypatch.delenv(variable(name), raising=False)
    monkeypatch.chdir(tmp_path)


async def checks(
    folder: Path, environ: Mapping[str, str] | None = None, **given: Any
) -> tuple[dict[str, CheckResult], str]:
    """Run every check; return the results by name, and everything that was said."""
    results = [result async for result in run_checks(environ or {}, data_dir=folder / "data", **given)]
    return {result.name: result for result in results}, " ".join(f"{it.name}: {it.detail}" for it in results)


async def test_the_embedded_default_is_well(tmp_path: Path) -> None:
    results, said = await checks(tmp_path)
    assert [name for name, result in results.items() if not result.ok] == [], said
    assert list(results)[:4] == ["settings", "data folder", "database", "models"]
    assert list(results)[-1] == "public URL"
    assert (tmp_path / "data" / "aicall.db").exists()
    assert "not set" in results["llm openai"].detail
    runnable = {f"{row.seat} {row.name}" for row in rows(TABLES) if row.runs}
    assert runnable <= results.keys()


def rows(tables: Any) -> list[ProviderRow]:
    every: list[SeatTable] = list(tables)
    return [row for table in every for row in table.rows]


async def test_wrong_settings_end_it(tmp_path: Path) -> None:
    (tmp_path / "aicall.yaml").write_text("prot: 8080\n")
    results, _ = await checks(tmp_path)
    assert list(results) == ["settings"]
    assert not results["settings"].ok
    assert "prot" in results["settings"].detail


async def test_a_misspelt_variable_is_found(tmp_path: Path) -> None:
    results, _ = await checks(tmp_path, {"AICALL_PROT": CANARY, "AICALL_BASE_URL_OPENAI": "http://h/v1"})
    assert not results["settings"].ok
    assert "AICALL_PROT" in results["settings"].detail
    assert CANARY not in results["settings"].detail


async def test_a_data_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    results, _ = await checks(tmp_path)
    assert not results["data folder"].ok
    assert not results["database"].ok


async def test_another_secret_key_and_another_file(tmp_path: Path) -> None:
    assert (await checks(tmp_path))[0]["database"].ok
    (tmp_path / "data" / "secret_key").unlink()
    results, _ = await checks(tmp_path)
    assert not results["database"].ok
    assert "secret_key" in results["database"].detail
    (tmp_path / "data" / "aicall.db").write_bytes(b"no database" * 100)
    assert not (await checks(tmp_path))[0]["database"].ok


async def database_check(folder: Path) -> CheckResult:
    """What the check says of the database, without those that come after it."""
    async with contextlib.aclosing(run_checks({}, data_dir=folder / "data")) as results:
        return next(result for result in [await anext(results) for _ in range(3)] if result.name == "database")


async def test_postgresql_is_reached_or_not(tmp_path: Path, postgresql_server: PostgresqlServer) -> None:
    url = postgresql_server.create_database(migrated=False)
    (tmp_path / "aicall.yaml").write_text(f"database: '{url}'\n")
    result = await database_check(tmp_path)
    assert result.ok, result.detail
    assert re.search(r"at revision \d{4}", result.detail)
    postgresql_server.drop_database(url)
    result = await database_check(tmp_path)
    assert not result.ok
    assert "cannot be reached" in result.detail
    assert PASSWORD not in result.detail


async def test_vendors_are_asked_where_a_key_is_set(tmp_path: Path) -> None:
    async with OpenAIStandIn(keys=[CANARY]) as vendor:
        environ = {"OPENAI_API_KEY": CANARY, "AICALL_BASE_URL_OPENAI": vendor.base_url}
        results, said = await checks(tmp_path, environ)
        assert results["llm openai"].ok
        assert results["tts openai"].ok
        assert [request.endpoint for request in vendor.requests] == ["models", "models"]

        refused, said_too = await checks(tmp_path, {**environ, "OPENAI_API_KEY": f"wrong-{CANARY}"})
        assert not refused["llm openai"].ok
        assert "refused the key" in refused["llm openai"].detail
    unreachable, _ = await checks(tmp_path, environ)
    assert not unreachable["llm openai"].ok
    nonsense, _ = await checks(tmp_path, {**environ, "AICALL_BASE_URL_OPENAI": "nowhere"})
    assert "AICALL_BASE_URL_OPENAI" in nonsense["llm openai"].detail
    assert CANARY not in said + said_too


async def test_the_public_url_must_reach_a_healthy_server(tmp_path: Path) -> None:
    async with serving(tmp_path / "server") as api:
        for url in (api.url, api.url.replace("http", "ws")):
            assert (await checks(tmp_path, public_url=url))[0]["public URL"].ok
        elsewhere = (await checks(tmp_path, public_url=f"{api.url}/prefix"))[0]["public URL"]
        assert not elsewhere.ok
        assert "401" in elsewhere.detail
    assert not (await checks(tmp_path, public_url=api.url))[0]["public URL"].ok


async def test_a_key_that_cannot_be_checked_is_not_called_good(tmp_path: Path) -> None:
    results, said = await checks(tmp_path, {"DASHSCOPE_API_KEY": CANARY, "NVIDIA_API_KEY": CANARY})
    for name, variable_name in (("llm qwen", "DASHSCOPE_API_KEY"), ("llm nvidia", "NVIDIA_API_KEY")):
        assert results[name].detail == f"{variable_name} is set; the vendor has no way to check it"
    assert CANARY not in said
