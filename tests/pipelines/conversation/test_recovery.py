"""How a conversation ends: by failing vendors, and when it is stopped in any of its phases."""

import asyncio

import pytest

from adapters.clients import VendorLimits
from adapters.tts.build import build_tts
from models.aicall import EndReason
from models.providers import TtsType
from pipelines.failover.failures import Seat
from pipelines.failover.stall_watch import StallLimits
from pipelines.vad.inference import InferenceEngine
from tests.adapters.vendors import KEY
from tests.pipelines import calls
from tests.pipelines.calls import APPOINTMENT, GREETING, HOURS, THE_HOURS, THE_NUMBER
from tests.pipelines.modelled import APOLOGY, PATIENT, clients, elevenlabs, modelled, openai, openai_voice, transcribed
from tests.standins.deepgram import DeepgramStandIn
from tests.standins.elevenlabs import ElevenLabsStandIn
from tests.standins.faults import Faults
from tests.standins.openai import OpenAIStandIn
from tests.standins.replies import Reply

pytestmark = pytest.mark.virtual_time


async def test_a_model_that_fails_once_is_asked_again(inference: InferenceEngine) -> None:
    async with modelled(inference, "Hello.", "We are open.") as (call, vendor):
        await call.bot_lines(1)
        vendor.faults = Faults(status=500)
        await call.caller.say(HOURS)
        await call.witness.count("provider_failed")
        vendor.faults = Faults()
        # At once, and not only when the caller has been silent for long.
        assert (await call.bot_lines(2, timeout_s=3))[1] == "We are open."
    assert call.witness.failures == [(Seat.LLM, "server", False)]
    assert not call.witness.reasons


async def test_a_model_that_worked_in_between_may_fail_again(inference: InferenceEngine) -> None:
    async with modelled(inference, "Hello.", "One.", "Two.") as (call, vendor):
        await call.bot_lines(1)
        for count in (1, 2):
            vendor.faults = Faults(status=500)
            await call.caller.say(HOURS)
            await call.witness.count("provider_failed", count)
            vendor.faults = Faults()
            await call.bot_lines(1 + count, timeout_s=3)
    assert call.witness.failures == [(Seat.LLM, "server", False)] * 2
    assert call.witness.bot_lines() == ["Hello.", "One.", "Two."]


@pytest.mark.parametrize(
    ("faults", "failures"),
    [
        pytest.param(Faults(status=401), [(Seat.LLM, "authentication", True)], id="key refused"),
        pytest.param(Faults(status=500), [(Seat.LLM, "server", False), (Seat.LLM, "server", True)], id="down"),
    ],
)
async def test_a_model_that_fails_for_good_ends_the_call_with_an_apology(
    inference: InferenceEngine, faults: Faults, failures: list[tuple[Seat, str, bool]]
) -> None:
    async with modelled(inference, "Hello.", options={"apology": APOLOGY}) as (call, vendor):
        await call.bot_lines(1)
        vendor.faults = faults
        await call.caller.say(HOURS)
        await call.witness.count("finished")
        assert calls.now() >= call.phone.heard[-1][0]
    assert call.witness.failures == failures
    assert call.witness.bot_lines() == ["Hello.", APOLOGY]
    assert call.witness.reasons == [EndReason.PROVIDER_ERROR]


async def test_without_an_apology_the_call_ends_at_once(inference: InferenceEngine) -> None:
    async with OpenAIStandIn(faults=Faults(status=401)) as vendor, clients() as made:
        services = calls.embedded(llm=openai(vendor, made))
        async with calls.calling(services, inference=inference, options={"apology": ""}) as call:
            await call.witness.count("finished", timeout_s=1)
    assert call.witness.reasons == [EndReason.PROVIDER_ERROR]
    assert not call.phone.sent


STUCK = pytest.mark.parametrize(
    "reply",
    [Reply("Never said.", first_token_s=1_000), Reply("Part. " * 9, token_interval_s=1_000)],
    ids=["no token", "one token"],
)


@STUCK
async def test_a_model_that_falls_silent(inference: InferenceEngine, reply: Reply) -> None:
    stalls, options = StallLimits(llm_s=4.0), {"apology": APOLOGY}
    replies = ("Hello.", reply, reply)
    async with modelled(inference, *replies, limits=PATIENT, stalls=stalls, options=options) as (call, _):
        await call.bot_lines(1)
        await call.caller.say(HOURS)
        await call.witness.count("user_said")
        asked_s = calls.now()
        await call.witness.count("provider_failed")
        assert calls.now() - asked_s == pytest.approx(4.0, abs=0.2)
        await call.witness.count("provider_failed", 2)
        assert calls.now() - asked_s == pytest.approx(8.0, abs=0.2)
        await call.witness.count("finished", timeout_s=10)
    assert call.witness.failures == [(Seat.LLM, "stalled", False), (Seat.LLM, "stalled", True)]
    assert call.witness.bot_lines()[-1] == APOLOGY
    assert call.witness.reasons == [EndReason.PROVIDER_ERROR]


@STUCK
async def test_a_model_that_falls_silent_once_is_asked_again(inference: InferenceEngine, reply: Reply) -> None:
    stalls = StallLimits(llm_s=4.0)
    async with modelled(inference, "Hello.", reply, "Gladly.", limits=PATIENT, stalls=stalls) as (call, _):
        await call.bot_lines(1)
        await call.caller.say(HOURS)
        await call.witness.until(lambda: "Gladly." in " ".join(call.witness.bot_lines()), timeout_s=10)
    assert call.witness.failures == [(Seat.LLM, "stalled", False)]


async def test_a_caller_who_cuts_in_is_not_a_silent_model(inference: InferenceEngine) -> None:
    slow = Reply("Never said.", first_token_s=1_000)
    stalls = StallLimits(llm_s=4.0)
    async with modelled(inference, "Hello.", slow, "Gladly.", limits=PATIENT, stalls=stalls) as (call, _):
        await call.bot_lines(1)
        await call.caller.say(HOURS)
        await call.witness.count("user_said")
        await asyncio.sleep(2)
        await call.caller.say(APPOINTMENT)
        assert (await call.bot_lines(2))[1] == "Gladly."
    assert not call.witness.failures


async def test_a_voice_that_fails_for_good_ends_the_call(inference: InferenceEngine) -> None:
    async with calls.calling(calls.embedded(tts=calls.Voice(voice="nobody")), inference=inference) as call:
        await call.witness.count("finished", timeout_s=1)
    assert call.witness.failures[0][0] is Seat.TTS
    assert call.witness.reasons == [EndReason.PROVIDER_ERROR]
    assert call.witness.log.count("provider_failed") == 1


async def test_a_voice_that_fails_once_speaks_all_the_same(inference: InferenceEngine) -> None:
    async with OpenAIStandIn(faults=Faults(status=500)) as vendor, clients() as made:
        services = calls.embedded(tts=openai_voice(vendor, made))
        async with calls.calling(services, inference=inference, options={"greeting": GREETING}) as call:
            await call.witness.count("provider_failed")
            vendor.faults = Faults()
            assert await call.bot_lines(1, timeout_s=5) == [GREETING]
            vendor.faults = Faults(status=500)
            await call.caller.say(HOURS)
            await call.witness.count("provider_failed", 2)
            vendor.faults = Faults()
            assert (await call.bot_lines(2, timeout_s=30))[1] == THE_HOURS
    assert [failure[::2] for failure in call.witness.failures] == [(Seat.TTS, False)] * 2
    assert not call.witness.reasons


async def test_a_voice_that_breaks_off_begins_again(inference: InferenceEngine) -> None:
    async with ElevenLabsStandIn() as vendor, clients(VendorLimits()) as made:
        services = calls.embedded(tts=elevenlabs(vendor, made))
        async with calls.calling(services, inference=inference, options={"greeting": GREETING}) as call:
            await call.bot_lines(1)
            vendor.faults = Faults(drop_after=3)
            await call.caller.say(HOURS)
            await call.witness.count("provider_failed")
            vendor.faults = Faults()
            assert (await call.bot_lines(2, timeout_s=30))[1] == THE_HOURS
    assert len(call.witness.failures) == 1
    assert not call.witness.reasons


async def test_a_voice_that_fails_again_ends_the_call(inference: InferenceEngine) -> None:
    async with OpenAIStandIn(faults=Faults(status=500)) as vendor, clients() as made:
        services = calls.embedded(tts=openai_voice(vendor, made))
        async with calls.calling(services, inference=inference, options={"greeting": GREETING}) as call:
            await call.witness.count("finished", timeout_s=5)
    assert [failure[::2] for failure in call.witness.failures] == [(Seat.TTS, False), (Seat.TTS, True)]
    assert call.witness.reasons == [EndReason.PROVIDER_ERROR]


async def test_a_voice_that_falls_silent_ends_the_call(inference: InferenceEngine) -> None:
    async with ElevenLabsStandIn(faults=Faults(stall_after=0)) as vendor, clients(PATIENT) as made:
        services = calls.embedded(tts=elevenlabs(vendor, made))
        limits, options = StallLimits(tts_s=2.0), {"greeting": GREETING}
        async with calls.calling(services, inference=inference, limits=limits, options=options) as call:
            await call.witness.count("finished", timeout_s=6.0)
    assert call.witness.reasons == [EndReason.PROVIDER_ERROR]
    assert call.witness.failures == [(Seat.TTS, "stalled", False), (Seat.TTS, "stalled", True)]


async def test_a_recogniser_that_refuses_the_key(inference: InferenceEngine) -> None:
    async with DeepgramStandIn(faults=Faults(status=401)) as vendor, transcribed(inference, vendor) as call:
        await call.witness.count("finished")
    assert call.witness.failures == [(Seat.STT, "authentication", True)]
    assert call.witness.bot_lines() == [APOLOGY]
    assert call.witness.reasons == [EndReason.PROVIDER_ERROR]


async def test_a_recogniser_that_comes_back(inference: InferenceEngine) -> None:
    async with DeepgramStandIn(transcripts=lambda _: APPOINTMENT) as vendor, transcribed(inference, vendor) as call:
        await call.bot_lines(1)
        vendor.drop_connections()
        await call.witness.count("provider_failed")
        await asyncio.sleep(3)
        await call.caller.say(APPOINTMENT)
        assert (await call.bot_lines(2))[1] == THE_NUMBER
    assert not call.witness.reasons


async def test_a_recogniser_that_stays_away(inference: InferenceEngine) -> None:
    async with DeepgramStandIn() as vendor, transcribed(inference, vendor) as call:
        await call.bot_lines(1)
        await vendor.refuse()
        vendor.drop_connections()
        await call.witness.count("finished")
    assert {seat for seat, _, _ in call.witness.failures} == {Seat.STT}
    assert [fatal for _, _, fatal in call.witness.failures].count(True) == 1
    assert call.witness.bot_lines() == [GREETING, APOLOGY]
    assert call.witness.reasons == [EndReason.PROVIDER_ERROR]


async def test_the_apology_does_not_wait_for_what_is_being_said(inference: InferenceEngine) -> None:
    async with DeepgramStandIn(transcripts=lambda _: HOURS) as vendor, transcribed(inference, vendor) as call:
        await call.bot_lines(1)
        await call.caller.say(HOURS)
        await call.witness.count("user_said")
        await asyncio.sleep(2)
        await vendor.refuse()
        vendor.drop_connections()
        await call.witness.count("finished", timeout_s=6)
    cut, apology = call.witness.lines[-2:]
    assert (cut.interrupted, apology.text) == (True, APOLOGY)
    assert len(call.phone.cleared) == 1


async def test_the_apology_is_said_once_whatever_else_fails(inference: InferenceEngine) -> None:
    async with (
        OpenAIStandIn(faults=Faults(status=401)) as model,
        DeepgramStandIn() as recogniser,
        clients() as made,
        transcribed(inference, recogniser, llm=openai(model, made)) as call,
    ):
        await call.bot_lines(1)
        await call.caller.say(HOURS)
        await call.witness.count("provider_failed")
        await asyncio.sleep(0.5)
        await recogniser.refuse()
        recogniser.drop_connections()
        await call.witness.count("finished")
    assert {(seat, fatal) for seat, _, fatal in call.witness.failures} >= {(Seat.LLM, True), (Seat.STT, True)}
    assert call.witness.bot_lines() == [GREETING, APOLOGY]
    assert not call.phone.cleared


async def test_what_fails_after_the_end_is_nobodys_failure(inference: InferenceEngine) -> None:
    async with OpenAIStandIn(faults=Faults(status=500)) as vendor, clients() as made:
        tts = build_tts(
            TtsType.OPENAI,
            key=KEY,
            voice="",
            language="en-US",
            sample_rate_hz=calls.RATE_HZ,
            resources=made,
            environ={"AICALL_BASE_URL_OPENAI": vendor.base_url},
        )
        async with calls.calling(calls.embedded(tts=tts), inference=inference) as call:
            await call.witness.count("finished")
            # The greeting's second sentence fails as well, and only now.
            await asyncio.sleep(5)
    assert call.witness.log[-2:] == ["finished", "turn_completed"]
    assert call.witness.reasons == [EndReason.PROVIDER_ERROR]
