"""What the WebSocket voices have in common, with each of the vendors that are reached that way."""

from typing import Any

import pytest
from pipecat.frames.frames import ErrorFrame, InterruptionFrame, TTSSpeakFrame, TTSStoppedFrame
from pipecat.services.tts_service import TTSService
from pipecat.utils.errors import ErrorCategory

from adapters.clients import SharedClients, VendorLimits
from adapters.tts.build import build_tts
from adapters.tts.speech_socket import SpeechSocket
from models.providers import TtsType
from tests.adapters.tts.contract import OTHER, SENTENCE, seconds
from tests.adapters.vendors import BOUND_S, IMPATIENT, KEY, clients_with, first_error, impatient_clients, until
from tests.standins.base import StandIn
from tests.standins.cartesia import CartesiaStandIn
from tests.standins.deepgram import DeepgramStandIn
from tests.standins.elevenlabs import ElevenLabsStandIn
from tests.standins.faults import Faults
from tests.standins.pipeline import piped

VENDORS = pytest.mark.parametrize(
    ("tts_type", "stand_in"),
    [
        (TtsType.DEEPGRAM, DeepgramStandIn),
        (TtsType.ELEVENLABS, ElevenLabsStandIn),
        (TtsType.CARTESIA, CartesiaStandIn),
    ],
)


def build(tts_type: TtsType, vendor: StandIn, clients: SharedClients) -> TTSService:
    tts = build_tts(
        tts_type,
        key=KEY,
        voice="",
        language="",
        sample_rate_hz=8000,
        resources=clients,
        environ={f"AICALL_BASE_URL_{tts_type.upper()}": vendor.base_url},
    )
    assert isinstance(tts, SpeechSocket)
    return tts


@VENDORS
async def test_audio_is_not_deflated(tts_type: TtsType, stand_in: Any) -> None:
    async with stand_in() as vendor, impatient_clients() as clients, piped(build(tts_type, vendor, clients), 8000):
        await until(lambda: vendor.requests)
        assert "sec-websocket-extensions" not in vendor.requests[0].headers


@VENDORS
async def test_the_pipeline_starts_before_the_connection_is_open(tts_type: TtsType, stand_in: Any) -> None:
    async with stand_in() as vendor, clients_with(VendorLimits(connect_s=BOUND_S)) as clients:
        vendor.faults = Faults(delay_s=1)
        async with piped(build(tts_type, vendor, clients), 8000) as pipe:
            await until(lambda: vendor.requests)
            # The text waits for the connection that is being opened, and opens none of its own.
            await pipe.send(TTSSpeakFrame(SENTENCE))
            await pipe.down.wait(TTSStoppedFrame, timeout_s=BOUND_S)
            assert seconds(pipe) > 1
            assert not pipe.up.of(ErrorFrame)
        assert vendor.connections_made == 1


@VENDORS
async def test_a_call_can_end_before_the_connection_is_open(tts_type: TtsType, stand_in: Any) -> None:
    async with stand_in() as vendor, clients_with(VendorLimits(connect_s=10 * BOUND_S)) as clients:
        vendor.faults = Faults(delay_s=10 * BOUND_S)
        async with piped(build(tts_type, vendor, clients), 8000) as pipe:
            await until(lambda: vendor.requests)
        await until(lambda: not vendor.open_connections)
        assert not pipe.up.of(ErrorFrame)


@VENDORS
async def test_a_vendor_that_is_gone_is_given_up_after_three_tries(tts_type: TtsType, stand_in: Any) -> None:
    async with stand_in() as vendor, impatient_clients() as clients:
        tts = build(tts_type, vendor, clients)
        async with piped(tts, 8000) as pipe:
            await until(lambda: vendor.requests)
            # The open connection breaks in mid-sentence, and no other one is accepted.
            vendor.faults = Faults(drop_after=4, status=503)
            await pipe.send(TTSSpeakFrame(SENTENCE))
            # What broke off, each attempt once, and that no other follows.
            errors = await pipe.up.wait(ErrorFrame, 1 + IMPATIENT.reconnects + 1, BOUND_S)
            assert errors[0].category is ErrorCategory.CONNECTIVITY
            assert [error.category for error in errors[1:-1]] == [ErrorCategory.SERVER] * IMPATIENT.reconnects
            assert len(vendor.requests) == 1 + IMPATIENT.reconnects
            assert not tts.is_usable


@VENDORS
async def test_a_vendor_that_comes_back_in_time_has_failed_twice(tts_type: TtsType, stand_in: Any) -> None:
    async with stand_in() as vendor, impatient_clients() as clients:
        tts = build(tts_type, vendor, clients)
        async with piped(tts, 8000) as pipe:
            await until(lambda: vendor.requests)
            vendor.faults = Faults(drop_after=4, status=503)
            await pipe.send(TTSSpeakFrame(SENTENCE))
            await until(lambda: len(vendor.requests) == 2)
            vendor.faults = Faults()
            await until(lambda: len(vendor.requests) == 3)
            await pipe.down.wait(TTSStoppedFrame, timeout_s=BOUND_S)
            before_s = seconds(pipe)
            await pipe.send(TTSSpeakFrame(OTHER))
            await pipe.down.wait(TTSStoppedFrame, 2, BOUND_S)
            assert seconds(pipe) - before_s > 1
            categories = [error.category for error in pipe.up.of(ErrorFrame)]
            assert categories == [ErrorCategory.CONNECTIVITY, ErrorCategory.SERVER]
            assert tts.is_usable


@VENDORS
async def test_what_will_not_pass_is_asked_for_once(tts_type: TtsType, stand_in: Any) -> None:
    async with stand_in() as vendor, impatient_clients() as clients:
        tts = build(tts_type, vendor, clients)
        async with piped(tts, 8000) as pipe:
            await until(lambda: vendor.requests)
            vendor.faults = Faults(drop_after=4, status=403)
            await pipe.send(TTSSpeakFrame(SENTENCE))
            await first_error(pipe, ErrorCategory.AUTHORIZATION)
            assert not tts.is_usable
        assert len(vendor.requests) == 2


@VENDORS
async def test_breaking_off_in_mid_sentence_is_told_once(tts_type: TtsType, stand_in: Any) -> None:
    async with stand_in() as vendor, impatient_clients() as clients:
        tts = build(tts_type, vendor, clients)
        async with piped(tts, 8000) as pipe:
            vendor.faults = Faults(drop_after=4)
            await pipe.send(TTSSpeakFrame(SENTENCE))
            await pipe.down.wait(TTSStoppedFrame, timeout_s=BOUND_S)
            (error,) = pipe.up.of(ErrorFrame)
            assert (error.error, error.category) == (
                "the voice broke off in mid-sentence",
                ErrorCategory.CONNECTIVITY,
            )
            vendor.faults = Faults()
            before_s = seconds(pipe)
            await pipe.send(TTSSpeakFrame(OTHER))
            await pipe.down.wait(TTSStoppedFrame, 2, BOUND_S)
            assert seconds(pipe) - before_s > 1
            assert len(pipe.up.of(ErrorFrame)) == 1


@VENDORS
async def test_a_connection_that_hangs_is_given_up_for_another(tts_type: TtsType, stand_in: Any) -> None:
    async with stand_in(faults=Faults(stall_after=0)) as vendor, impatient_clients() as clients:
        tts = build(tts_type, vendor, clients)
        assert isinstance(tts, SpeechSocket)
        async with piped(tts, 8000) as pipe:
            await until(lambda: vendor.connections_made == 1)
            await pipe.send(TTSSpeakFrame(SENTENCE))
            await until(lambda: vendor.requests and any(vendor.requests[0].messages))
            vendor.faults = Faults()
            await pipe.send(InterruptionFrame())
            await pipe.down.wait(InterruptionFrame)
            await tts.reconnect()
            await until(lambda: vendor.connections_made >= 2)
            await pipe.send(TTSSpeakFrame(OTHER))
            await until(lambda: seconds(pipe) > 0.3)
