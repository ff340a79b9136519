"""What recognisers have in common beyond their contract, shown with a wire whose times are short."""

from collections.abc import Mapping

import pytest
from pipecat.frames.frames import (
    ErrorFrame,
    InputAudioRawFrame,
    TranscriptionFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)

from adapters.clients import SharedClients
from adapters.requests import Credentials, SttRequest
from adapters.stt.cartesia import CartesiaWire
from adapters.stt.deepgram_wire import DeepgramWire
from adapters.stt.elevenlabs import ElevenLabsWire
from adapters.stt.recognizer_wire import RecognizerWire
from adapters.stt.speech_link import SpeechLink
from tests.adapters.vendors import KEY, impatient_clients, until
from tests.standins.audio import signature
from tests.standins.base import StandIn
from tests.standins.cartesia import CartesiaStandIn
from tests.standins.deepgram import DeepgramStandIn
from tests.standins.elevenlabs import ElevenLabsStandIn
from tests.standins.faults import Faults
from tests.standins.pipeline import piped

RATE_HZ = 8000
SPEECH = signature("a sentence of about two seconds", RATE_HZ)


class HastyDeepgram(DeepgramWire):
    keep_alive_s = 0.02


class HastyCartesia(CartesiaWire):
    keep_alive_s = 0.02


class HastyElevenLabs(ElevenLabsWire):
    keep_alive_s = 0.02


VENDORS: Mapping[str, tuple[type[RecognizerWire], type[StandIn], str]] = {
    "deepgram": (HastyDeepgram, DeepgramStandIn, "nova-3"),
    "cartesia": (HastyCartesia, CartesiaStandIn, "ink-2"),
    "elevenlabs": (HastyElevenLabs, ElevenLabsStandIn, "scribe_v2_realtime"),
}


def link(wire_type: type[RecognizerWire], model: str, vendor: StandIn, clients: SharedClients) -> SpeechLink:
    credentials = Credentials(KEY, vendor.base_url)
    wire = wire_type(credentials, model=model, language="", sample_rate_hz=RATE_HZ)
    request = SttRequest(
        language="", sample_rate_hz=RATE_HZ, phrases=(), extra_wait_s=0.0, credentials=credentials, clients=clients
    )
    return SpeechLink(wire, request, model=model, latency_s=0.3)


@pytest.mark.parametrize("vendor_name", VENDORS)
async def test_a_quiet_connection_is_kept(vendor_name: str) -> None:
    wire_type, stand_in, model = VENDORS[vendor_name]
    async with stand_in() as vendor, impatient_clients() as clients:
        async with piped(link(wire_type, model, vendor, clients), RATE_HZ) as pipe:
            await until(lambda: vendor.requests)
            (request,) = vendor.requests
            await until(lambda: len(request.messages) >= 3 or request.audio_bytes >= 3 * RATE_HZ * 2 * 0.02)
            # What keeps the connection is no speech, and the vendor takes it.
            assert not pipe.down.of(TranscriptionFrame)
            assert not pipe.up.of(ErrorFrame)
            assert request.open
        assert len(vendor.requests) == 1
        assert not any(request.audio)


async def test_a_new_connection_hears_at_most_the_last_fifteen_seconds() -> None:
    story = (SPEECH * 10)[: 18 * RATE_HZ * 2]
    step = RATE_HZ // 50 * 2
    async with (
        DeepgramStandIn(endpointing_s=None) as vendor,
        impatient_clients() as clients,
        piped(link(DeepgramWire, "nova-3", vendor, clients), RATE_HZ) as pipe,
    ):
        await pipe.send(VADUserStartedSpeakingFrame())
        for start in range(0, len(story), step):
            await pipe.send(InputAudioRawFrame(story[start : start + step], RATE_HZ, 1))
        await until(lambda: vendor.requests and vendor.requests[0].audio_bytes == len(story))
        vendor.drop_connections()
        await until(lambda: len(vendor.requests) == 2 and vendor.requests[1].audio_bytes == 15 * RATE_HZ * 2)
        assert story.endswith(bytes(vendor.requests[1].audio))


async def test_a_connection_that_is_given_up_is_no_failure_and_what_it_owed_is_heard_again() -> None:
    async with DeepgramStandIn() as vendor, impatient_clients() as clients:
        recogniser = link(DeepgramWire, "nova-3", vendor, clients)
        assert not await recogniser.reconnect()
        async with piped(recogniser, RATE_HZ) as pipe:
            vendor.faults = Faults(stall_after=0)
            await pipe.send(VADUserStartedSpeakingFrame(), InputAudioRawFrame(SPEECH, RATE_HZ, 1))
            await until(lambda: vendor.requests and vendor.requests[0].audio_bytes >= len(SPEECH))
            await pipe.send(VADUserStoppedSpeakingFrame())
            vendor.faults = Faults()
            assert await recogniser.reconnect()
            assert recogniser.alive_s == float("-inf")
            await pipe.down.wait(TranscriptionFrame)
            assert recogniser.alive_s > 0
            assert len(vendor.requests) == 2
            assert vendor.requests[1].audio_bytes >= len(SPEECH)
            assert not pipe.up.of(ErrorFrame)
