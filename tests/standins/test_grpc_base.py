"""What all gRPC stand-ins share: errors, faults, connections, the log; under Google's own client."""

import asyncio
import logging
import ssl
from typing import ClassVar

import grpc
import pytest
from google.api_core.exceptions import GoogleAPICallError, Unauthenticated
from google.cloud.texttospeech_v1 import (
    StreamingSynthesizeRequest,
    StreamingSynthesizeResponse,
    SynthesizeSpeechRequest,
    SynthesizeSpeechResponse,
    TextToSpeechAsyncClient,
)
from google.cloud.texttospeech_v1.services.text_to_speech.transports import TextToSpeechGrpcAsyncIOTransport

from tests.adapters.vendors import until
from tests.standins.base import DEFAULT_KEY
from tests.standins.certificate import self_signed
from tests.standins.faults import Faults
from tests.standins.grpc_base import GrpcError, GrpcStandIn, Method

SERVICE = "/google.cloud.texttospeech.v1.TextToSpeech"
AUTH = [("authorization", f"Bearer {DEFAULT_KEY}")]


class Repeater(GrpcStandIn):
    METHODS: ClassVar = {
        f"{SERVICE}/SynthesizeSpeech": Method("unary", SynthesizeSpeechRequest, SynthesizeSpeechResponse),
        f"{SERVICE}/StreamingSynthesize": Method("stream", StreamingSynthesizeRequest, StreamingSynthesizeResponse),
    }

    def check_key(self, call):
        if call.headers.get("authorization", "").removeprefix("Bearer ") not in self.keys:
            raise GrpcError(401, reason="ACCESS_TOKEN_TYPE_UNSUPPORTED")

    async def answer(self, call):
        while (request := await call.read()) is not None:
            if not request.input.text:
                raise GrpcError(400, "say something")
            for word in request.input.text.split():
                await call.send(call.method.response(audio_content=word.encode()))


class Caller:
    def __init__(self, stand_in, channel):
        self.channel = channel
        self.api = TextToSpeechAsyncClient(transport=TextToSpeechGrpcAsyncIOTransport(channel=channel))

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        await self.channel.close()

    async def unary(self, text="hello", metadata=AUTH):
        response = await self.api.synthesize_speech({"input": {"text": text}}, metadata=metadata, timeout=5)
        return response.audio_content

    async def stream(self, *texts, heard=None):
        requests = [StreamingSynthesizeRequest(input={"text": text}) for text in texts]
        heard = [] if heard is None else heard
        async for response in await self.api.streaming_synthesize(iter(requests), metadata=AUTH, timeout=5):
            # gRPC gives None for a message that it cannot read.
            heard.append(response and response.audio_content)
        return heard


def caller(stand_in):
    # Else channels share the pause after a failed connection.
    options = [("grpc.use_local_subchannel_pool", 1)]
    return Caller(stand_in, grpc.aio.insecure_channel(f"127.0.0.1:{stand_in.port}", options=options))


async def test_calls_of_both_kinds_are_answered_and_logged():
    async with Repeater() as s:
        async with caller(s) as api:
            assert await api.unary() == b"hello"
            assert await api.stream("a b", "c") == [b"a", b"b", b"c"]
            assert (s.open_connections, s.connections_made) == (1, 1)
        await s.all_closed()
        (unary,), (stream,) = s.requests_to("unary"), s.requests_to("stream")
        assert unary.path == f"{SERVICE}/SynthesizeSpeech"
        assert unary.body == {"input": {"text": "hello"}}
        assert unary.headers["authorization"] == f"Bearer {DEFAULT_KEY}"
        assert stream.messages == [{"input": {"text": "a b"}}, {"input": {"text": "c"}}]
        assert not unary.open
        assert s.base_url == f"http://127.0.0.1:{s.port}"


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, grpc.StatusCode.INVALID_ARGUMENT),
        (401, grpc.StatusCode.UNAUTHENTICATED),
        (403, grpc.StatusCode.PERMISSION_DENIED),
        (404, grpc.StatusCode.NOT_FOUND),
        (429, grpc.StatusCode.RESOURCE_EXHAUSTED),
        (500, grpc.StatusCode.INTERNAL),
        (503, grpc.StatusCode.UNAVAILABLE),
        (599, grpc.StatusCode.INTERNAL),
    ],
)
async def test_status_faults(status, code):
    async with Repeater(faults=Faults(status=status, retry_after_s=7)) as s, caller(s) as api:
        with pytest.raises(GoogleAPICallError) as refused:
            await api.unary()
        assert refused.value.grpc_status_code is code
        assert refused.value.details[0].retry_delay.seconds == 7


async def test_errors_carry_what_the_vendor_says():
    async with Repeater() as s, caller(s) as api:
        with pytest.raises(Unauthenticated) as refused:
            await api.unary(metadata=[])
        assert refused.value.reason == "ACCESS_TOKEN_TYPE_UNSUPPORTED"
        with pytest.raises(GoogleAPICallError, match="say something"):
            await api.unary("")
        assert [request.endpoint for request in s.requests] == ["unary", "unary"]


async def test_a_method_that_does_not_exist_is_refused():
    async with Repeater() as s, caller(s) as api:
        with pytest.raises(GoogleAPICallError) as refused:
            await api.api.list_voices(timeout=5)
        assert refused.value.grpc_status_code is grpc.StatusCode.UNIMPLEMENTED


async def test_drop_stall_garbage_and_delay(caplog):
    # gRPC logs garbage with a traceback; the test's log would keep it, and with it the call's sockets.
    caplog.set_level(logging.CRITICAL + 1, logger="grpc._common")
    async with Repeater() as s, caller(s) as api:
        s.faults = Faults(garbage_after=2)
        assert await api.stream("a b c d") == [b"a", b"b", None, b"d"]
        s.faults = Faults(drop_after=2)
        heard = []
        with pytest.raises(GoogleAPICallError) as failed:
            await api.stream("a b c d", heard=heard)
        assert failed.value.grpc_status_code is grpc.StatusCode.UNAVAILABLE
        assert heard == [b"a", b"b"][: len(heard)]
        for faults in (Faults(stall_after=2), Faults(delay_s=60)):
            s.faults = faults
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(api.stream("a b c d"), 0.2)
        s.faults = Faults()
        assert await api.stream("a b") == [b"a", b"b"]
        await until(lambda: not s.open_streams)


async def test_refusing_keeps_the_port_and_dropping_resets():
    async with Repeater() as s, caller(s) as api:
        port = s.port
        assert await api.unary() == b"hello"
        await s.refuse()
        assert await api.unary() == b"hello"
        s.drop_connections()
        with pytest.raises(GoogleAPICallError) as refused:
            await api.unary()
        assert refused.value.grpc_status_code is grpc.StatusCode.UNAVAILABLE
        await s.all_closed()
        await s.accept()
        await s.accept()
        assert s.port == port
        async with caller(s) as again:
            assert await again.unary() == b"hello"


async def test_tls_is_spoken_by_those_who_trust_the_certificate(tmp_path):
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    path = self_signed(tmp_path)
    server.load_cert_chain(path)
    async with Repeater(tls=server) as s:
        trusting = grpc.ssl_channel_credentials(root_certificates=path.read_bytes())
        async with Caller(s, grpc.aio.secure_channel(f"127.0.0.1:{s.port}", trusting)) as api:
            assert await api.unary() == b"hello"
        async with Caller(s, grpc.aio.secure_channel(f"127.0.0.1:{s.port}", grpc.ssl_channel_credentials())) as api:
            with pytest.raises(GoogleAPICallError) as refused:
                await api.unary()
            assert refused.value.grpc_status_code is grpc.StatusCode.UNAVAILABLE
        assert s.base_url.startswith("https://")


async def test_stopping_ends_what_runs():
    async with Repeater(faults=Faults(stall_after=1)) as s, caller(s) as api:
        heard = []
        running = asyncio.create_task(api.stream("a b", heard=heard))
        await s.until(lambda: bool(s.requests))
        await s.stop()
        with pytest.raises(GoogleAPICallError):
            await running
        assert s.open_connections == s.open_streams == 0


async def test_the_log_can_be_off():
    async with Repeater(keep_log=False) as s, caller(s) as api:
        assert await api.unary() == b"hello"
        assert s.requests == []
