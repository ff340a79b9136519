import asyncio

import pytest

from pipelines.reply_watchdog import ReplyWatchdog, Stage

pytestmark = pytest.mark.virtual_time

LIMIT_S = 5.0


class Watched:
    """A watchdog, and when it found that who stalled."""

    def __init__(self) -> None:
        self.began_s = asyncio.get_running_loop().time()
        self.stalls: list[tuple[float, Stage]] = []
        self.dog = ReplyWatchdog(LIMIT_S, self._stalled)

    def _stalled(self, stage: Stage) -> None:
        self.stalls.append((round(asyncio.get_running_loop().time() - self.began_s, 6), stage))


async def test_nobody_is_waited_for_at_first() -> None:
    watched = Watched()
    assert watched.dog.stage is Stage.NOBODY
    await asyncio.sleep(100)
    assert watched.stalls == []


async def test_a_model_that_says_nothing() -> None:
    watched = Watched()
    watched.dog.asked()
    await asyncio.sleep(4.9)
    assert watched.stalls == []
    await asyncio.sleep(100)
    assert watched.stalls == [(5.0, Stage.LLM)]
    assert watched.dog.stage is Stage.NOBODY


async def test_a_model_that_stops_in_the_middle() -> None:
    watched = Watched()
    watched.dog.asked()
    for _ in range(3):
        await asyncio.sleep(4)
        watched.dog.token()
    await asyncio.sleep(100)
    assert watched.stalls == [(17.0, Stage.LLM)]


async def test_the_limit_counts_from_the_last_sign_of_life() -> None:
    watched = Watched()
    watched.dog.asked()
    await asyncio.sleep(0.25)
    watched.dog.token()
    await asyncio.sleep(100)
    assert watched.stalls == [(5.25, Stage.LLM)]


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
    assert watched.dog.stage is Stage.TTS
    await asyncio.sleep(100)
    assert watched.stalls == [(7.0, Stage.TTS)]


async def test_a_fixed_text_waits_for_the_voice_alone() -> None:
    watched = Watched()
    watched.dog.asked(Stage.TTS)
    await asyncio.sleep(100)
    assert watched.stalls == [(5.0, Stage.TTS)]


async def test_an_answer_that_comes_stops_the_wait() -> None:
    watched = Watched()
    watched.dog.asked()
    watched.dog.token()
    watched.dog.replied()
    await asyncio.sleep(4)
    watched.dog.audio()
    assert watched.dog.stage is Stage.NOBODY
    await asyncio.sleep(100)
    assert watched.stalls == []


async def test_an_answer_without_words_needs_no_voice() -> None:
    watched = Watched()
    watched.dog.asked()
    watched.dog.replied()
    assert watched.dog.stage is Stage.NOBODY
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
    assert watched.dog.stage is Stage.TTS
    await asyncio.sleep(100)
    assert watched.stalls == [(5.0, Stage.TTS)]


async def test_audio_is_a_sign_of_life_while_the_model_goes_on() -> None:
    watched = Watched()
    watched.dog.asked()
    await asyncio.sleep(4)
    watched.dog.audio()
    await asyncio.sleep(100)
    assert watched.stalls == [(9.0, Stage.LLM)]


async def test_a_caller_who_cuts_in_stops_the_wait() -> None:
    watched = Watched()
    for stage in (Stage.LLM, Stage.TTS):
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
    assert watched.stalls == [(8.0, Stage.LLM)]
    watched.dog.asked()
    await asyncio.sleep(100)
    assert watched.stalls == [(8.0, Stage.LLM), (22.9, Stage.LLM)]


async def test_late_signs_of_life_start_nothing() -> None:
    watched = Watched()
    watched.dog.token()
    watched.dog.replied()
    watched.dog.audio()
    assert watched.dog.stage is Stage.NOBODY
    await asyncio.sleep(100)
    assert watched.stalls == []


async def test_the_one_who_is_told_may_ask_again() -> None:
    asked: list[Stage] = []

    def stalled(stage: Stage) -> None:
        asked.append(stage)
        if len(asked) == 1:
            dog.asked(Stage.TTS)

    dog = ReplyWatchdog(LIMIT_S, stalled)
    dog.asked()
    await asyncio.sleep(100)
    assert asked == [Stage.LLM, Stage.TTS]
