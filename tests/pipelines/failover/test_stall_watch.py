import asyncio

import pytest

from pipelines.failover.failures import Seat
from pipelines.failover.stall_watch import StallLimits, StallWatch

pytestmark = pytest.mark.virtual_time

LIMIT_S = 5.0


class Watched:
    """A watchdog, and when it found that who stalled."""

    def __init__(self) -> None:
        self.began_s = asyncio.get_running_loop().time()
        self.stalls: list[tuple[float, Seat]] = []
        self.dog = StallWatch(StallLimits(LIMIT_S, LIMIT_S, LIMIT_S), self._stalled)

    def _stalled(self, stage: Seat) -> None:
        self.stalls.append((round(asyncio.get_running_loop().time() - self.began_s, 6), stage))


async def test_nobody_is_waited_for_at_first() -> None:
    watched = Watched()
    assert watched.dog.waits_for is None
    await asyncio.sleep(100)
    assert watched.stalls == []


async def test_a_model_that_says_nothing() -> None:
    watched = Watched()
    watched.dog.asked()
    await asyncio.sleep(4.9)
    assert watched.stalls == []
    await asyncio.sleep(100)
    assert watched.stalls == [(5.0, Seat.LLM)]
    assert watched.dog.waits_for is None


async def test_a_model_that_stops_in_the_middle() -> None:
    watched = Watched()
    watched.dog.asked()
    for _ in range(3):
        await asyncio.sleep(4)
        watched.dog.token()
    await asyncio.sleep(100)
    assert watched.stalls == [(17.0, Seat.LLM)]


async def test_the_limit_counts_from_the_last_sign_of_life() -> None:
    watched = Watched()
    watched.dog.asked()
    await asyncio.sleep(0.25)
    watched.dog.token()
    await asyncio.sleep(100)
    assert watched.stalls == [(5.25, Seat.LLM)]


async def test_words_that_were_cut_off_are_not_the_next_answers() -> None:
    watched = Watched()
    watched.dog.asked()
    watched.dog.token()
    watched.dog.stop()
    watched.dog.asked()
    watched.dog.replied()
    await asyncio.sleep(100)
    assert watched.stalls == []


async def test_a_voice_that_says_nothing() -> None:
    watched = Watched()
    watched.dog.asked()
    await asyncio.sleep(1)
    watched.dog.token()
    await asyncio.sleep(1)
    watched.dog.replied()
    assert watched.dog.waits_for is Seat.TTS
    await asyncio.sleep(100)
    assert watched.stalls == [(7.0, Seat.TTS)]


async def test_a_fixed_text_waits_for_the_voice_alone() -> None:
    watched = Watched()
    watched.dog.asked(Seat.TTS)
    await asyncio.sleep(100)
    assert watched.stalls == [(5.0, Seat.TTS)]


async def test_an_answer_that_comes_stops_the_wait() -> None:
    watched = Watched()
    watched.dog.asked()
    watched.dog.token()
    watched.dog.replied()
    await asyncio.sleep(4)
    watched.dog.audio()
    assert watched.dog.waits_for is None
    await asyncio.sleep(100)
    assert watched.stalls == []


async def test_an_answer_without_words_needs_no_voice() -> None:
    watched = Watched()
    watched.dog.asked()
    watched.dog.replied()
    assert watched.dog.waits_for is None
    await asyncio.sleep(100)
    assert watched.stalls == []


async def test_what_was_heard_while_the_model_goes_on_needs_no_voice() -> None:
    watched = Watched()
    watched.dog.asked()
    watched.dog.token()
    watched.dog.audio()
    watched.dog.replied()
    await asyncio.sleep(100)
    assert watched.stalls == []


async def test_what_came_after_the_last_audio_needs_the_voice_again() -> None:
    watched = Watched()
    watched.dog.asked()
    watched.dog.token()
    watched.dog.audio()
    watched.dog.token()
    watched.dog.replied()
    assert watched.dog.waits_for is Seat.TTS
    await asyncio.sleep(100)
    assert watched.stalls == [(5.0, Seat.TTS)]


async def test_audio_is_a_sign_of_life_while_the_model_goes_on() -> None:
    watched = Watched()
    watched.dog.asked()
    await asyncio.sleep(4)
    watched.dog.audio()
    await asyncio.sleep(100)
    assert watched.stalls == [(9.0, Seat.LLM)]


async def test_a_caller_who_cuts_in_stops_the_wait() -> None:
    watched = Watched()
    for stage in (Seat.LLM, Seat.TTS):
        watched.dog.asked(stage)
        await asyncio.sleep(4.9)
        watched.dog.stop()
        await asyncio.sleep(100)
    assert watched.stalls == []


async def test_each_question_has_its_own_limit() -> None:
    watched = Watched()
    watched.dog.asked()
    await asyncio.sleep(3)
    watched.dog.asked()
    await asyncio.sleep(4.9)
    assert watched.stalls == []
    await asyncio.sleep(10)
    assert watched.stalls == [(8.0, Seat.LLM)]
    watched.dog.asked()
    await asyncio.sleep(100)
    assert watched.stalls == [(8.0, Seat.LLM), (22.9, Seat.LLM)]


async def test_late_signs_of_life_start_nothing() -> None:
    watched = Watched()
    watched.dog.token()
    watched.dog.replied()
    watched.dog.audio()
    assert watched.dog.waits_for is None
    await asyncio.sleep(100)
    assert watched.stalls == []


async def test_the_one_who_is_told_may_ask_again() -> None:
    asked: list[Seat] = []

    def stalled(stage: Seat) -> None:
        asked.append(stage)
        if len(asked) == 1:
            dog.asked(Seat.TTS)

    dog = StallWatch(StallLimits(LIMIT_S, LIMIT_S, LIMIT_S), stalled)
    dog.asked()
    await asyncio.sleep(100)
    assert asked == [Seat.LLM, Seat.TTS]


# The recogniser.


async def test_a_recogniser_that_says_nothing() -> None:
    watched = Watched()
    watched.dog.voice_started()
    await asyncio.sleep(100)
    watched.dog.voice_stopped()
    await asyncio.sleep(100)
    assert watched.stalls == [(105.0, Seat.STT)]


async def test_any_result_will_do() -> None:
    watched = Watched()
    for wait_s in (0, 4.9):
        watched.dog.voice_started()
        watched.dog.voice_stopped()
        await asyncio.sleep(wait_s)
        watched.dog.recognised()
        await asyncio.sleep(100)
    assert watched.stalls == []


async def test_a_result_before_the_silence_is_certain_will_do() -> None:
    watched = Watched()
    watched.dog.voice_started()
    watched.dog.recognised()
    watched.dog.voice_stopped()
    await asyncio.sleep(100)
    assert watched.stalls == []


async def test_interim_results_are_signs_of_life_and_not_enough() -> None:
    watched = Watched()
    watched.dog.voice_started()
    watched.dog.interim()
    watched.dog.voice_stopped()
    await asyncio.sleep(3)
    watched.dog.interim()
    await asyncio.sleep(100)
    assert watched.stalls == [(8.0, Seat.STT)]


async def test_a_caller_who_goes_on_need_not_be_understood_yet() -> None:
    watched = Watched()
    watched.dog.voice_started()
    watched.dog.voice_stopped()
    await asyncio.sleep(4)
    watched.dog.voice_started()
    await asyncio.sleep(100)
    assert watched.stalls == []


async def test_a_recogniser_that_hears_it_again_has_its_whole_limit() -> None:
    watched = Watched()
    watched.dog.voice_started()
    watched.dog.voice_stopped()
    await asyncio.sleep(4)
    watched.dog.replaced(Seat.STT)
    await asyncio.sleep(100)
    assert watched.stalls == [(9.0, Seat.STT)]
    watched.dog.listen_again()
    await asyncio.sleep(4.9)
    watched.dog.recognised()
    watched.dog.listen_again()
    await asyncio.sleep(100)
    assert len(watched.stalls) == 1


async def test_a_successor_has_its_whole_limit() -> None:
    watched = Watched()
    watched.dog.asked()
    await asyncio.sleep(4)
    watched.dog.replaced(Seat.TTS)
    watched.dog.replaced(Seat.LLM)
    await asyncio.sleep(100)
    assert watched.stalls == [(9.0, Seat.LLM)]


async def test_each_seat_has_a_limit_of_its_own() -> None:
    stalls: list[tuple[float, Seat]] = []
    began_s = asyncio.get_running_loop().time()
    limits = StallLimits(stt_s=1.0, llm_s=2.0, tts_s=3.0)
    dog = StallWatch(limits, lambda seat: stalls.append((asyncio.get_running_loop().time() - began_s, seat)))
    dog.voice_started()
    dog.voice_stopped()
    dog.asked()
    await asyncio.sleep(10)
    dog.asked(Seat.TTS)
    await asyncio.sleep(10)
    dog.asked()
    dog.token()
    dog.replied()
    await asyncio.sleep(10)
    assert [(round(at_s, 3), seat) for at_s, seat in stalls] == [
        (1.0, Seat.STT),
        (2.0, Seat.LLM),
        (13.0, Seat.TTS),
        (23.0, Seat.TTS),
    ]


# Whether an answer is due.


async def test_an_answer_is_due_until_it_begins() -> None:
    watched = Watched()
    dog = watched.dog
    assert dog.due_since_s is None
    await asyncio.sleep(1)
    dog.asked()
    due_s = watched.began_s + 1
    await asyncio.sleep(1)
    dog.asked()
    dog.token()
    dog.replied()
    dog.stop()
    assert dog.due_since_s == due_s
    dog.audio()
    assert dog.due_since_s is None


async def test_nothing_is_due_to_a_caller_who_speaks_or_after_the_end() -> None:
    dog = Watched().dog
    dog.asked()
    dog.turn_started()
    assert dog.due_since_s is None
    dog.asked()
    dog.finish()
    assert dog.due_since_s is None
    dog.asked()
    dog.voice_started()
    dog.voice_stopped()
    await asyncio.sleep(100)
    assert dog.due_since_s is None


async def test_an_answer_without_words_is_not_due_any_more() -> None:
    dog = Watched().dog
    dog.asked()
    dog.replied()
    assert dog.due_since_s is None


async def test_a_model_that_failed_and_is_asked_again_at_once_owes_the_same_answer() -> None:
    watched = Watched()
    watched.dog.asked()
    await asyncio.sleep(1)
    watched.dog.replied()
    await asyncio.sleep(0.5)
    watched.dog.asked()
    assert watched.dog.due_since_s == watched.began_s
    watched.dog.replied()
    await asyncio.sleep(2)
    watched.dog.asked()
    assert watched.dog.due_since_s == watched.began_s + 3.5


async def test_an_answer_is_due_while_tools_run_and_until_the_model_has_told_of_them() -> None:
    dog = Watched().dog
    dog.asked()
    dog.tools_started(2)
    dog.replied()
    assert (dog.waits_for, dog.due_since_s is None) == (None, False)
    dog.tool_ended(asks_again=False)
    assert dog.due_since_s is not None
    dog.tool_ended(asks_again=True)
    assert dog.due_since_s is not None
    dog.asked()
    dog.token()
    dog.audio()
    dog.replied()
    assert dog.due_since_s is None


async def test_a_tool_of_which_nothing_is_told_leaves_nothing_due() -> None:
    dog = Watched().dog
    dog.asked()
    dog.tools_started(1)
    dog.replied()
    dog.tool_ended(asks_again=False)
    assert dog.due_since_s is None


async def test_words_before_a_tool_are_not_the_answer() -> None:
    watched = Watched()
    dog = watched.dog
    dog.asked()
    dog.token()
    dog.tools_started(1)
    dog.replied()
    await asyncio.sleep(1)
    dog.audio()
    assert dog.due_since_s == watched.began_s + 1
    dog.tool_ended(asks_again=True)
    await asyncio.sleep(1)
    dog.asked()
    assert dog.due_since_s == watched.began_s + 1


async def test_what_nobody_heard_is_due_from_the_silence_on_until_it_is_heard() -> None:
    told: list[float] = []
    loop = asyncio.get_running_loop()
    dog = StallWatch(StallLimits(stt_s=1.5), lambda seat: None, lambda: told.append(loop.time()))
    dog.voice_started()
    dog.voice_stopped()
    began_s = loop.time()
    await asyncio.sleep(1.6)
    assert dog.due_since_s == began_s
    assert told == [began_s + 1.5]
    dog.recognised()
    assert dog.due_since_s is None
    dog.asked()
    assert len(told) == 2
    dog.recognised()
    assert dog.due_since_s is not None
    dog.finish()


@pytest.mark.parametrize("alive", [True, False])
async def test_a_recogniser_that_is_alive_had_nothing_to_hear(alive: bool) -> None:
    stalls: list[Seat] = []
    asked: list[float] = []

    def listens(since_s: float) -> bool:
        asked.append(since_s)
        return alive

    dog = StallWatch(StallLimits(stt_s=1.5), stalls.append, listens=listens)
    dog.voice_started()
    dog.voice_stopped()
    began_s = asyncio.get_running_loop().time()
    await asyncio.sleep(10)
    assert asked == [began_s]
    assert stalls == ([] if alive else [Seat.STT])
    assert (dog.due_since_s is None) == alive
    dog.finish()
