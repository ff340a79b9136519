import asyncio

import pytest
from pipecat.frames.frames import TTSAudioRawFrame

from pipelines.speech.greeting_cache import GreetingCache, GreetingKey, Recording
from pipelines.speech.phrase_recorder import PhraseRecorder, SpareVoice
from pipelines.speech.phrases import Phrases
from tests.pipelines.bots import RATE_HZ, bot, sent, tone
from tests.pipelines.calls import Voice, now

pytestmark = pytest.mark.virtual_time

TEXT = "One moment, please."


def kept(cache: GreetingCache) -> None:
    frame = TTSAudioRawFrame(tone(0.5), RATE_HZ, 1)
    cache.put(GreetingKey("voice", TEXT), Recording.of([frame], 0))


async def test_a_recorded_text_is_said() -> None:
    recorder = PhraseRecorder(GreetingCache())
    kept(recorder.cache)
    async with bot() as it:
        phrases = Phrases(recorder, SpareVoice("voice", Voice, RATE_HZ), [TEXT], it.output)
        assert phrases.say(TEXT)
        assert phrases.quiet_since_s() == pytest.approx(now() + 0.5, abs=0.05)
        await it.phone.until(lambda: it.phone.heard_s() >= 0.5)
        assert sent(it.phone) == tone(0.5)


async def test_without_a_voice_nothing_is_said() -> None:
    async with bot() as it:
        phrases = Phrases(PhraseRecorder(GreetingCache()), None, [TEXT], it.output)
        phrases.prepare()
        assert not phrases.say(TEXT)


async def test_what_is_not_recorded_is_wanted() -> None:
    recorder = PhraseRecorder(GreetingCache())
    async with bot() as it:
        phrases = Phrases(recorder, SpareVoice("voice", Voice, RATE_HZ), [TEXT], it.output)
        assert not phrases.say(TEXT)
        async with asyncio.timeout(60):
            while not phrases.say(TEXT):  # noqa: ASYNC110 - as the filler does: it looks again
                await asyncio.sleep(0.1)
        await it.phone.until(lambda: it.phone.heard_s() > 0.3)
    await recorder.aclose()


async def test_another_voice_says_its_own() -> None:
    recorder = PhraseRecorder(GreetingCache())
    kept(recorder.cache)
    async with bot() as it:
        phrases = Phrases(recorder, SpareVoice("other", Voice, RATE_HZ), [], it.output)
        assert not phrases.say(TEXT)
        phrases.change(SpareVoice("voice", Voice, RATE_HZ), [TEXT])
        assert phrases.say(TEXT)
        await it.phone.until(lambda: it.phone.heard_s() >= 0.5)
        phrases.change(None, [TEXT])
        assert not phrases.say(TEXT)
    await recorder.aclose()
