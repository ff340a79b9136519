from __future__ import annotations

import asyncio
import gc
import io
import math
import os
import signal
import sqlite3
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from models.aicall import EndReason
from models.errors import InvalidField
from models.status import AicallStatus
from runtime.auto_limit import AutoLimit
from runtime.server import drain, running_server, serve
from tests.runtime.serving import CANARY, NotedCall, an_ai, serving, settings_in, until

ROOT = Path(__file__).parent.parent.parent


async def test_a_server_listens_and_lets_go_of_its_port(tmp_path: Path) -> None:
    async with serving(tmp_path) as first:
        port = int(first.url.rpartition(":")[2])
        assert port > 0
        with pytest.raises(OSError, match="in use"):
            async with running_server(settings_in(tmp_path, port=port)):
                pass
        assert await first.ok("GET", "/healthz") == {"status": "ok"}
    async with serving(tmp_path, port=port) as second:
        assert second.url == first.url


async def test_two_servers_share_a_process(tmp_path: Path) -> None:
    async with serving(tmp_path / "a") as first, serving(tmp_path / "b") as second:
        await first.new_ai()
        assert (await second.ok("GET", "/v1.0/ais"))["result"] == []


async def test_ipv6(tmp_path: Path) -> None:
    try:
        async with running_server(settings_in(tmp_path, host="::1")) as (url, _):
            assert url.startswith("http://[::1]:")
            async with httpx.AsyncClient(trust_env=False) as http:
                assert (await http.get(f"{url}/healthz")).status_code == 200
    except OSError as error:
        pytest.skip(f"this machine has no IPv6 loopback: {error}")


async def test_data_and_keys_outlive_a_server(tmp_path: Path) -> None:
    async with serving(tmp_path, database="") as api:
        ai = await api.new_ai(engine_model="openai.gpt-4o", engine_key="k")
    assert {"aicall.db", "secret_key"} <= {path.name for path in tmp_path.iterdir()}  # noqa: ASYNC240
    async with serving(tmp_path, database="") as api:
        assert await api.ok("GET", f"/v1.0/ais/{ai['id']}") == ai
    (tmp_path / "secret_key").unlink()
    with pytest.raises(InvalidField):
        async with serving(tmp_path, database=""):
            pass


async def test_a_refusal_is_no_error_of_the_server(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with serving(tmp_path) as api:
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"{api.url.replace('http', 'ws')}/ws/nobody/x", proxy=None)
        assert refused.value.response.status_code == 404
        # The server says what it has to say before it answers the next request.
        await api.ok("GET", "/healthz")
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []


async def test_the_event_loop_is_watched_as_long_as_the_server_runs(tmp_path: Path) -> None:
    async with serving(tmp_path) as api:
        looks = sample_of("aicall_loop_lag_seconds_count", (await api.http.get("/metrics")).text)
        await asyncio.sleep(0.1)
        time.sleep(0.3)  # noqa: ASYNC251 - the stall that is to be seen
        await asyncio.sleep(0.1)
        text = (await api.http.get("/metrics")).text
        assert sample_of("aicall_loop_lag_max_seconds", text) >= 0.25
        assert sample_of("aicall_loop_lag_seconds_count", text) > looks
        assert sample_of("aicall_loop_lag_seconds_sum", text) >= 0.25


@pytest.mark.parametrize(
    ("settings", "limit"),
    [
        ({"admission": "auto"}, None),
        ({"admission": "auto", "max_calls": 3}, 3),
        ({"admission": "auto", "max_calls": 900}, None),
        ({"admission": "fixed"}, math.inf),
        ({"admission": "fixed", "max_calls": 900}, 900),
    ],
)
async def test_how_many_calls_fit(tmp_path: Path, settings: dict[str, object], limit: float | None) -> None:
    async with serving(tmp_path, **settings) as api:
        # What the automatic limit says of a fresh process, where it has the word.
        guess = AutoLimit(time.monotonic).room(0)
        assert api.services.capacity.limit == (guess if limit is None else limit)


async def test_a_process_that_does_nothing_else_is_warm_before_it_listens(tmp_path: Path) -> None:
    async with running_server(settings_in(tmp_path), warm=True):
        assert gc.get_freeze_count() > 0
    assert gc.get_freeze_count() == 0


def sample_of(name: str, text: str) -> float:
    """The value of a metric without labels."""
    [found] = [line for line in text.splitlines() if line.startswith(f"{name} ")]
    return float(found.split()[1])


async def test_live_calls_run_to_their_end_while_nothing_new_is_taken(tmp_path: Path) -> None:
    async with serving(tmp_path) as api:
        call = NotedCall(api.services, await api.new_aicall())
        draining = asyncio.create_task(drain(api.services, asyncio.Queue()))
        await until(lambda: api.services.live_calls.draining)
        await api.problem("GET", "/readyz", 503)
        assert await api.ok("GET", "/healthz") == {"status": "ok"}
        assert not draining.done()
        await call.finish()
        await draining
        assert call.reasons == []


async def test_the_time_to_drain_is_limited(tmp_path: Path) -> None:
    async with serving(tmp_path, drain_timeout_s=0.01) as api:
        call = NotedCall(api.services, await api.new_aicall(), stubborn=True)
        draining = asyncio.create_task(drain(api.services, asyncio.Queue()))
        await until(lambda: call.reasons)
        await call.finish()
        await draining
        aicall = await api.services.store.get_aicall(call.aicall_id, customer_id=None)
        assert (aicall.status, aicall.end_reason) == (AicallStatus.TERMINATED, EndReason.DRAIN)


async def test_a_second_signal_ends_live_calls_at_once(tmp_path: Path) -> None:
    async with serving(tmp_path) as api:
        call = NotedCall(api.services, await api.new_aicall(), stubborn=True)
        signals: asyncio.Queue[int] = asyncio.Queue()
        signals.put_nowait(signal.SIGTERM)
        await drain(api.services, signals)
        assert call.reasons == []
        stopping = asyncio.create_task(api.services.live_calls.drain(0))
        await until(lambda: call.reasons)
        await call.finish()
        await stopping
        assert call.reasons == [EndReason.DRAIN]


class _Line(io.StringIO):
    """A standard output that says when a line was written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = asyncio.Event()

    def flush(self) -> None:
        self.written.set()


async def test_a_generated_key_is_shown_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = []
    for _ in range(2):
        out = _Line()
        serving_ = asyncio.create_task(serve(settings_in(tmp_path, api_key=""), out))
        await out.written.wait()
        url = out.getvalue().removeprefix("listening on ").strip()
        key = (tmp_path / "api_key").read_text().strip()
        async with httpx.AsyncClient(headers={"Authorization": f"Bearer {key}"}, trust_env=False) as http:
            assert (await http.get(f"{url}/v1.0/ais")).status_code == 200
        os.kill(os.getpid(), signal.SIGINT)
        await serving_
        assert out.getvalue() == f"listening on {url}\n"
        said.append(capsys.readouterr().err)
    assert key in said[0]
    assert key not in said[1]


@asynccontextmanager
async def aicall_serve(folder: Path, **environ: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """Run ``aicall serve`` in its own process; yields it and its URL."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "runtime.cli", "serve", "--port", "0", "--data", str(folder)),
        cwd=folder.parent,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environ},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout
        line = (await process.stdout.readline()).decode()
        assert line.startswith("listening on http://127.0.0.1:"), (line, process.returncode)
        yield process, line.removeprefix("listening on ").strip()
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def test_the_process_keeps_secrets_to_itself_and_drains(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    environ = {
        "AICALL_API_KEY": f"api-{CANARY}",
        "AICALL_TWILIO_AUTH_TOKEN": f"twilio-{CANARY}",
        "OPENAI_API_KEY": f"openai-{CANARY}",
        "AICALL_LOG_LEVEL": "TRACE",
    }
    body = an_ai(
        engine_model="openai.gpt-4o",
        engine_key=f"engine-{CANARY}",
        parameter={"stt_key": f"stt-{CANARY}", "tts_key": f"tts-{CANARY}"},
    )
    answers = []
    headers = {"Authorization": f"Bearer api-{CANARY}"}
    async with aicall_serve(folder, **environ) as (process, url):
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=10, trust_env=False) as http:

            async def ask(method: str, path: str, **request: object) -> httpx.Response:
                response = await http.request(method, path, **request)  # type: ignore[arg-type]
                answers.append(response.text + repr(response.headers))
                return response

            ai = (await ask("POST", "/v1.0/ais", json=body)).json()
            await ask("POST", "/v1.0/ais", json={**body, "engine_model": "nobody.x"})
            await ask("PUT", f"/v1.0/ais/{ai['id']}", json=body)
            aicall = (await http.post("/v1.0/aicalls", json={"assistance_id": ai["id"]})).json()
            with pytest.raises(InvalidStatus):
                await connect(f"{url.replace('http', 'ws')}/ws/{aicall['id']}/{CANARY}", proxy=None)
            with pytest.raises(InvalidStatus):
                await connect(
                    f"{url.replace('http', 'ws')}/ws/{aicall['id']}/{CANARY}/twilio?token={CANARY}", proxy=None
                )
            for carrier in ("exotel", "twilio"):
                asked = f"/v1.0/answer/{carrier}/{ai['id']}?token={CANARY}"
                await ask("POST", asked)
                await ask("GET", asked, headers={"Authorization": f"Bearer {CANARY}"})
            for path in ("ais", f"ais/{ai['id']}", "aicalls", f"aicalls/{aicall['id']}", "events", "providers"):
                await ask("GET", f"/v1.0/{path}")
            await ask("GET", "/metrics")
            await ask("POST", f"/v1.0/aicalls/{aicall['id']}/terminate")
            async with http.stream("GET", "/v1.0/events/stream") as stream:
                lines = stream.aiter_lines()
                assert (await anext(lines)).startswith("id: ")
                process.send_signal(signal.SIGTERM)
                answers.append("".join([line async for line in lines]))
        out, err = await process.communicate()
    assert process.returncode == 0
    assert out == b""
    assert b"draining" in err
    answers.append(err.decode())
    token = aicall["media_url"].rpartition("/")[2]
    stored = b"".join(path.read_bytes() for path in folder.iterdir())
    with closing(sqlite3.connect(folder / "aicall.db")) as database:
        assert database.execute("select count(*) from ais").fetchone() == (1,)
    for secret in (CANARY, token):
        assert secret not in "".join(answers)
        assert secret.encode() not in stored
