"""Whole conversations on virtual time: the embedded services, and vendors' stand-ins where a vendor is to fail."""

import asyncio
import itertools

import pytest

from models.aicall import EndReason
from models.turn import TurnTrigger
from pipelines.vad.inference import InferenceEngine
from pipelines.vad.smart_turn import SmartTurnEngine
from tests.pipelines import calls
from tests.pipelines.calls import APPOINTMENT, FAREWELL, GOODBYE, GREETING, HOURS, THE_HOURS, THE_NUMBER, Said
from tests.pipelines.modelled import clients, modelled, openai, told
from tests.standins.openai import OpenAIStandIn
from tests.standins.replies import ChatRequest, Reply

pytestmark = pytest.mark.virtual_time

MOON = "a yellow moon rose over the lake"
"""Nothing that the script or its recogniser knows."""


def words(text: str) -> list[str]:
    return text.split()


# Greeting.


async def test_a_fixed_greeting_is_said_before_anything_else(inference: InferenceEngine) -> None:
    greeting = "Welcome to Bright Smile."
    async with modelled(inference, "Sure.", options={"greeting": greeting}) as (call, vendor):
        assert await call.bot_lines(1) == [greeting]
        assert not vendor.requests
        await call.caller.say(HOURS)
        assert await call.bot_lines(2) == [greeting, "Sure."]
        assert told(vendor) == [("assistant", greeting), ("user", HOURS)]
    first = call.witness.turns[0]
    assert (first.trigger, first.bot_text, first.user_text) == (TurnTrigger.GREETING, greeting, "")
    assert first.llm_first_token_ms is None
    assert first.bot_start_ms == 0


async def test_without_a_fixed_greeting_the_model_speaks_first(inference: InferenceEngine) -> None:
    async with calls.calling(inference=inference) as call:
        assert await call.bot_lines(1) == [GREETING]
    assert call.witness.turns[0].trigger is TurnTrigger.GREETING
    assert call.witness.turns[0].llm_first_token_ms == 0


# Turns.


async def test_a_question_gets_its_answer(inference: InferenceEngine) -> None:
    async with calls.calling(inference=inference) as call:
        await call.bot_lines(1)
        frames = len(call.phone.sent)
        said_s = await call.caller.say(APPOINTMENT)
        await call.bot_lines(2)
        answered_s = call.phone.sent[frames][0]
    assert call.witness.lines == [Said("bot", GREETING), Said("user", APPOINTMENT), Said("bot", THE_NUMBER)]
    assert call.witness.log == ["started", "bot_said", "turn_completed", "user_said", "bot_said", "turn_completed"]
    record = call.witness.turns[1]
    assert (record.trigger, record.user_text, record.bot_text) == (TurnTrigger.SPEECH, APPOINTMENT, THE_NUMBER)
    assert not record.interrupted
    assert record.voice_to_voice_ms is not None
    # The VAD's window of 0.2 s, and up to two windows more for the tail of the last sound.
    assert 0.15 <= answered_s - said_s <= 0.3
    assert record.voice_to_voice_ms == pytest.approx((answered_s - said_s) * 1000, abs=100)
    assert None not in {record.speech_start_ms, record.speech_end_ms, record.transcript_ms, record.llm_end_ms}
    assert None not in {record.tts_first_audio_ms, record.bot_start_ms, record.bot_stop_ms}
    assert not call.phone.cleared


async def test_at_telephone_rate_with_a_phone_that_echoes_no_marks(inference: InferenceEngine) -> None:
    phone = calls.Phone(8_000, echoes=False)
    async with modelled(inference, "Hello.", "Certainly.", phone=phone) as (call, _):
        await call.bot_lines(1)
        await call.caller.say(HOURS)
        assert await call.bot_lines(2) == ["Hello.", "Certainly."]
    assert phone.marks


class Verdict(SmartTurnEngine):
    """A model of one mind: what the real one makes of a synthetic voice is not the same every time."""

    def __init__(self, probability: float) -> None:
        super().__init__()
        self._probability = probability

    async def finished(self, pcm: bytes, sample_rate_hz: int) -> float:
        await super().finished(pcm, sample_rate_hz)
        return self._probability


@pytest.mark.parametrize(("probability", "silence_s"), [(0.1, 3.0), (0.9, 0.2)])
async def test_smart_turn_decides_when_a_caller_has_finished(
    judging_inference: InferenceEngine, probability: float, silence_s: float
) -> None:
    await judging_inference.smart_turn.aclose()
    judging_inference.smart_turn = Verdict(probability)
    async with calls.calling(inference=judging_inference, smart_turn=True) as call:
        await call.bot_lines(1)
        said_s = await call.caller.say(APPOINTMENT)
        await call.witness.count("user_said")
        assert calls.now() - said_s == pytest.approx(silence_s, abs=0.15)
        assert (await call.bot_lines(2))[1] == THE_NUMBER


# Barge-in.


async def test_a_barge_in_stops_the_bot_at_once(inference: InferenceEngine) -> None:
    async with calls.calling(inference=inference) as call:
        await call.bot_lines(1)
        frames = len(call.phone.heard)
        await call.caller.say(HOURS)
        await call.witness.count("user_said")
        await asyncio.sleep(3)
        began_s = calls.now()
        speaking = asyncio.create_task(call.caller.say(APPOINTMENT))
        await call.phone.until(lambda: bool(call.phone.cleared))
        # The VAD's confirmation and the first, quiet sounds; then nothing is in the way.
        assert call.phone.cleared[0] - began_s <= 0.4
        heard_s = sum(len(pcm) for _, pcm in call.phone.heard[frames:]) / 2 / calls.RATE_HZ
        await asyncio.sleep(1)
        assert call.phone.silent_after(call.phone.cleared[0])
        await speaking
        lines = await call.bot_lines(3)
    assert lines[2] == THE_NUMBER
    cut = call.witness.lines[2]
    assert cut.who == "bot"
    assert cut.interrupted
    assert words(cut.text) == words(THE_HOURS)[: len(words(cut.text))]
    # The embedded voice says about three words a second.
    assert 2 * heard_s <= len(words(cut.text)) <= 5 * heard_s
    record = call.witness.turns[1]
    assert record.interrupted
    assert record.bot_text == cut.text
    assert record.clear_ms is not None
    assert record.barge_in_ms is not None
    assert record.barge_in_ms <= 20
    assert call.phone.cleared == [pytest.approx(record.clear_ms / 1000, abs=0.05)]


async def test_the_model_is_told_only_what_was_heard(inference: InferenceEngine) -> None:
    async with modelled(inference, "Hello.", THE_HOURS, "Gladly.") as (call, vendor):
        await call.bot_lines(1)
        await call.caller.say(HOURS)
        await call.witness.count("user_said")
        await asyncio.sleep(2)
        await call.caller.say(APPOINTMENT)
        await call.bot_lines(3)
        cut = call.witness.lines[2].text
        assert 0 < len(words(cut)) < 12
        assert told(vendor) == [
            ("assistant", "Hello."),
            ("user", HOURS),
            ("assistant", cut),
            ("user", APPOINTMENT),
        ]


async def test_a_barge_in_ends_the_generation(inference: InferenceEngine) -> None:
    endless = Reply(f"{THE_HOURS} " * 20, token_interval_s=0.2)
    async with modelled(inference, "Hello.", endless, "Gladly.") as (call, vendor):
        await call.bot_lines(1)
        await call.caller.say(HOURS)
        await call.witness.count("user_said")
        await asyncio.sleep(6)
        assert vendor.requests_to("chat")[1].open
        await call.caller.say(APPOINTMENT)
        assert (await call.bot_lines(3))[2] == "Gladly."
        assert not vendor.requests_to("chat")[1].open
        assert call.witness.lines[2].interrupted


async def test_a_barge_in_over_the_greeting(inference: InferenceEngine) -> None:
    async with calls.calling(inference=inference) as call:
        await asyncio.sleep(1)
        await call.caller.say(APPOINTMENT)
        assert (await call.bot_lines(2))[1] == THE_NUMBER
    greeting = call.witness.lines[0]
    assert greeting.interrupted
    assert GREETING.startswith(greeting.text)
    assert len(call.phone.cleared) == 1


async def test_two_barge_ins_in_a_row(inference: InferenceEngine) -> None:
    async with calls.calling(inference=inference) as call:
        await call.bot_lines(1)
        for count in (1, 2):
            await call.caller.say(HOURS)
            await call.witness.count("user_said", count)
            await asyncio.sleep(2)
        await call.caller.say(APPOINTMENT)
        assert (await call.bot_lines(4))[3] == THE_NUMBER
    interrupted = [line.interrupted for line in call.witness.lines if line.who == "bot"]
    assert interrupted == [False, True, True, False]
    assert [record.interrupted for record in call.witness.turns] == interrupted
    assert len(call.phone.cleared) == 2


# Keys.


@pytest.mark.parametrize(("keys", "wait_s"), [("4711#", 0.1), ("4711", 2.1)], ids=["terminator", "pause"])
async def test_keyed_digits_are_one_message(inference: InferenceEngine, keys: str, wait_s: float) -> None:
    host = calls.Host()
    async with calls.calling(inference=inference, host=host) as call:
        await call.bot_lines(1)
        await call.caller.dial(keys, pause_s=0.3)
        await asyncio.sleep(max(0.0, wait_s - 0.3))
        assert [line.text for line in call.witness.lines if line.who == "user"] == [f"DTMF: {keys}"]
        assert (await call.bot_lines(2))[1] == "Thank you."
    assert host.calls == [("set_variables", True)]
    assert host.variables["number"] == "4711"
    record = call.witness.turns[1]
    assert (record.trigger, record.user_text) == (TurnTrigger.DTMF, f"DTMF: {keys}")


async def test_the_first_key_stops_the_bot(inference: InferenceEngine) -> None:
    async with calls.calling(inference=inference) as call:
        await asyncio.sleep(1)
        await call.conversation.input.press("1")
        await call.phone.until(lambda: bool(call.phone.cleared), timeout_s=0.02)
        await asyncio.sleep(1)
        assert call.phone.silent_after(call.phone.cleared[0])
        assert call.witness.lines[0].interrupted


async def test_a_single_key_over_the_bots_words_comes_after_them(inference: InferenceEngine) -> None:
    async with modelled(inference, THE_HOURS, "Yes.") as (call, vendor):
        await asyncio.sleep(2)
        await call.caller.dial("#")
        assert (await call.bot_lines(2))[1] == "Yes."
        cut = call.witness.lines[0]
        assert cut.interrupted
        assert told(vendor) == [("assistant", cut.text), ("user", "DTMF: #")]
    assert [line.who for line in call.witness.lines] == ["bot", "user", "bot"]
    assert call.witness.turns[0].interrupted
    assert call.witness.turns[0].bot_text == cut.text


async def test_a_caller_who_keys_slowly_is_not_asked_whether_they_are_there(inference: InferenceEngine) -> None:
    async with calls.calling(inference=inference, idle_timeout_s=4.0) as call:
        await call.bot_lines(1)
        await call.caller.dial("123456789012#", pause_s=1.0)
        await call.bot_lines(2)
    assert [line.text for line in call.witness.lines[1:]] == ["DTMF: 123456789012#", "I do not know this number."]


# Not understood, silent.


async def test_whoever_is_not_understood_is_asked_again_every_time(inference: InferenceEngine) -> None:
    async with calls.calling(inference=inference) as call:
        await call.bot_lines(1)
        for count in range(4):
            await call.caller.say(MOON)
            await call.bot_lines(2 + count, timeout_s=5)
        await call.caller.say(APPOINTMENT)
        await call.bot_lines(6)
    assert call.witness.bot_lines()[1:] == ["Could you say that again?"] * 4 + [THE_NUMBER]
    assert [record.trigger for record in call.witness.turns[1:5]] == [TurnTrigger.NOT_UNDERSTOOD] * 4
    assert [line.text for line in call.witness.lines if line.who == "user"] == [APPOINTMENT]


async def test_noise_over_the_bot_gets_an_answer_too(inference: InferenceEngine) -> None:
    async with calls.calling(inference=inference) as call:
        await asyncio.sleep(1)
        await call.caller.say(MOON)
        assert (await call.bot_lines(2, timeout_s=5))[1] == "Could you say that again?"


async def test_a_silent_caller_is_asked_twice_and_then_the_call_ends(inference: InferenceEngine) -> None:
    async with calls.calling(inference=inference, idle_timeout_s=5.0) as call:
        await call.bot_lines(1)
        for count in (1, 2):
            silent_s = calls.now()
            frames = len(call.phone.sent)
            await call.phone.until(lambda: len(call.phone.sent) > frames)  # noqa: B023
            assert calls.now() - silent_s == pytest.approx(5.0, abs=0.1)
            assert (await call.bot_lines(1 + count))[count] == "Are you still there?"
        silent_s = calls.now()
        await call.witness.count("finished")
        assert calls.now() - silent_s == pytest.approx(5.0, abs=0.1)
    assert call.witness.reasons == [EndReason.IDLE]
    assert [record.trigger for record in call.witness.turns[1:]] == [TurnTrigger.IDLE] * 2


async def test_a_caller_who_speaks_again_is_given_all_the_patience_again(inference: InferenceEngine) -> None:
    options = {"idle_limit": 1}
    async with calls.calling(inference=inference, idle_timeout_s=5.0, options=options) as call:
        await call.bot_lines(2)
        await call.caller.say(APPOINTMENT)
        await call.bot_lines(4)
        assert not call.witness.reasons
        await call.witness.count("finished")
    assert call.witness.bot_lines() == [GREETING, "Are you still there?", THE_NUMBER, "Are you still there?"]


async def test_an_answer_without_words_does_not_leave_the_caller_alone(inference: InferenceEngine) -> None:
    async with modelled(inference, "Hello.", Reply(""), "Are you there?", idle_timeout_s=5.0) as (call, _):
        await call.bot_lines(1)
        await call.caller.say(HOURS)
        assert (await call.bot_lines(2, timeout_s=10))[1] == "Are you there?"
        assert call.witness.turns[1].bot_text == ""


# Tools.


async def test_the_goodbye_is_heard_before_the_call_ends(inference: InferenceEngine) -> None:
    host = calls.Host()
    async with calls.calling(inference=inference, host=host, phone=calls.Phone(delay_s=0.4)) as call:
        await call.bot_lines(1)
        await call.caller.say(GOODBYE)
        await call.witness.count("finished")
        heard_s = call.phone.heard[-1][0]
        # The last frame is playing or has been played; and nobody waits any longer.
        assert calls.now() >= heard_s
        assert calls.now() - heard_s <= 0.1
        assert host.calls == [("stop_service", True)]
    assert call.witness.reasons == [EndReason.STOP_SERVICE]
    assert call.witness.bot_lines()[-1] == FAREWELL
    assert call.witness.log.index("bot_said", 4) < call.witness.log.index("finished")


async def test_the_call_ends_although_the_goodbye_never_does(inference: InferenceEngine) -> None:
    endless = Reply("Goodbye and good luck. " * 60, [("stop_service", {})])
    async with modelled(inference, "Hello.", endless) as (call, vendor):
        await call.bot_lines(1)
        await call.caller.say(GOODBYE)
        await vendor.until(lambda: len(vendor.requests_to("chat")) == 2)
        asked_s = calls.now()
        await call.witness.count("finished")
        assert calls.now() - asked_s == pytest.approx(30, abs=0.5)
    assert call.witness.reasons == [EndReason.STOP_SERVICE]


async def test_a_caller_who_cuts_the_goodbye_off_ends_the_call(inference: InferenceEngine) -> None:
    async with calls.calling(inference=inference) as call:
        await call.bot_lines(1)
        await call.caller.say(GOODBYE)
        await call.witness.count("user_said")
        await asyncio.sleep(1)
        speaking = asyncio.create_task(call.caller.say(HOURS))
        await call.witness.count("finished", timeout_s=0.5)
        assert call.witness.reasons == [EndReason.STOP_SERVICE]
        await speaking


async def test_stop_media_silences_the_answer_that_asked_for_it(inference: InferenceEngine) -> None:
    answer = Reply(f"I will stop now. It goes {'on ' * 9}.", [("stop_media", {})], token_interval_s=0.25)
    async with modelled(inference, "Hello.", answer, "Still here.", idle_timeout_s=5.0) as (call, vendor):
        await call.bot_lines(1)
        await call.caller.say(HOURS)
        assert await call.bot_lines(2) == ["Hello.", "I will stop now."]
        stopped_s = calls.now()
        await asyncio.sleep(4)
        assert call.phone.silent_after(stopped_s)
        # The caller is not left alone after it, and the conversation goes on.
        assert (await call.bot_lines(3))[2] == "Still here."
        assert told(vendor) == [("assistant", "Hello."), ("user", HOURS), ("assistant", "I will stop now.")]


# All together.


async def test_a_long_talk_keeps_its_order(inference: InferenceEngine) -> None:
    """What is said while the bot speaks, at ever other moments, never mixes the turns up."""

    def answer(request: ChatRequest) -> str:
        return f"This is the answer to question number {len(request.messages)}, and it takes a while."

    async with (
        OpenAIStandIn(reply=answer) as vendor,
        clients() as made,
        calls.calling(calls.embedded(llm=openai(vendor, made)), inference=inference) as call,
    ):
        for step in range(25):
            await asyncio.sleep(0.137 * (step % 11))
            if step % 3:
                await call.caller.say((HOURS, APPOINTMENT)[step % 2])
                await asyncio.sleep(0.3)
            else:
                await call.caller.dial("12#", pause_s=0.01 * (step % 5))
        await asyncio.sleep(8)
        roles = [role for role, _ in told(vendor)]
    assert not any(pair == ("assistant", "assistant") for pair in itertools.pairwise(roles))
    said = [(line.text, line.interrupted) for line in call.witness.lines if line.who == "bot"]
    records = [(record.bot_text, record.interrupted) for record in call.witness.turns if record.bot_text]
    assert said == records
