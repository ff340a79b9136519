"""What all stand-ins share: fault lookup, refusal, mass disconnection, the log."""

import asyncio
import ssl

import aiohttp
import pytest
import websockets

from tests.standins.base import DEFAULT_KEY
from tests.standins.certificate import self_signed
from tests.standins.deepgram import DeepgramStandIn
from tests.standins.openai import OpenAIStandIn

AUTH = {"Authorization": f"Token {DEFAULT_KEY}"}
LISTEN = "/v1/listen?encoding=linear16&sample_rate=8000"


async def test_refusing_leaves_open_connections_alone_and_keeps_the_port():
    async with DeepgramStandIn() as s:
        port = s.port
        async with websockets.connect(s.base_url + LISTEN, additional_headers=AUTH) as ws:
            await s.refuse()
            with pytest.raises(ConnectionRefusedError):
                await websockets.connect(s.base_url + LISTEN, additional_headers=AUTH)
            await ws.send('{"type": "Finalize"}')
            assert '"from_finalize": true' in await ws.recv()
            await s.accept()
            await s.accept()
            assert s.port == port
            async with websockets.connect(s.base_url + LISTEN, additional_headers=AUTH):
                assert s.open_connections == s.open_streams == 2
        await s.all_closed()


async def test_dropping_connections_resets_them():
    async with DeepgramStandIn() as s:
        async with websockets.connect(s.base_url + LISTEN, additional_headers=AUTH) as ws:
            s.drop_connections()
            with pytest.raises(websockets.ConnectionClosedError) as closed:
                await ws.recv()
            assert closed.value.rcvd is None
        await s.all_closed()


async def test_stopping_closes_what_is_open():
    s = DeepgramStandIn()
    await s.start()
    async with websockets.connect(s.base_url + LISTEN, additional_headers=AUTH) as ws:
        await s.stop()
        async with asyncio.timeout(1):
            await ws.wait_closed()
    assert s.open_connections == s.open_streams == 0


async def test_all_closed_times_out_on_a_leak():
    async with DeepgramStandIn() as s, websockets.connect(s.base_url + LISTEN, additional_headers=AUTH):
        with pytest.raises(TimeoutError):
            await s.all_closed(0.05)


async def test_keys_can_be_named_or_be_anything_but_missing():
    async with OpenAIStandIn(keys=["a", "b"]) as s, OpenAIStandIn(keys=None) as open_, aiohttp.ClientSession() as http:

        async def status(stand_in, key):
            headers = {"Authorization": f"Bearer {key}"} if key else {}
            async with http.get(f"{stand_in.base_url}/models", headers=headers) as response:
                return response.status

        assert [await status(s, key) for key in ("a", "b", "c", None)] == [200, 200, 401, 401]
        assert [await status(open_, key) for key in ("c", None)] == [200, 401]


async def test_unknown_paths_and_bad_json_are_answered_in_the_vendors_format():
    async with OpenAIStandIn() as s, aiohttp.ClientSession(headers={"Authorization": f"Bearer {DEFAULT_KEY}"}) as http:
        async with http.get(f"{s.base_url}/nowhere") as response:
            assert response.status == 404
            assert "Invalid URL" in (await response.json())["error"]["message"]
        async with http.post(f"{s.base_url}/chat/completions", data=b"{") as response:
            assert response.status == 400
            assert (await response.json())["error"]["type"] == "invalid_request_error"


async def test_the_log_can_be_off():
    async with OpenAIStandIn(keep_log=False, keys=None) as s, aiohttp.ClientSession() as http:
        async with http.get(f"{s.base_url}/models", headers={"Authorization": "Bearer x"}) as response:
            assert response.status == 200
        assert s.requests == []


async def test_tls_is_spoken_to_those_who_trust_the_certificate(tmp_path):
    pair = self_signed(tmp_path)
    certificate = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.load_cert_chain(pair)
    async with OpenAIStandIn(tls=certificate) as s, aiohttp.ClientSession() as http:
        assert s.base_url.startswith("https://127.0.0.1:")
        assert s.ws_url.startswith("wss://127.0.0.1:")
        url, headers = f"{s.base_url}/models", {"Authorization": f"Bearer {DEFAULT_KEY}"}
        trusting = ssl.create_default_context(cafile=str(pair))
        async with http.get(url, headers=headers, ssl=trusting) as response:
            assert response.status == 200
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await http.get(url, headers=headers)
        assert len(s.requests) == 1
