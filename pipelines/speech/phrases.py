"""A call's fixed sentences: recorded in time, and said at once, past the voice."""

from __future__ import annotations

from collections.abc import Sequence

from pipelines.media.output import MediaOutput
from pipelines.speech.greeting_cache import GreetingKey
from pipelines.speech.phrase_recorder import PhraseRecorder, SpareVoice


class Phrases:
    """What `pipelines.speech.filler` says its texts with.

    Args:
        recorder: The process's recorder.
        voice: The call's voice, to be made once more; None when nothing is to be recorded.
        texts: Every text that may have to be said.
        output: Plays them.
    """

    def __init__(
        self, recorder: PhraseRecorder, voice: SpareVoice | None, texts: Sequence[str], output: MediaOutput
    ) -> None:
        self._recorder = recorder
        self._voice = voice
        self._texts = tuple(texts)
        self._output = output

    def change(self, voice: SpareVoice | None, texts: Sequence[str]) -> None:
        """Say other texts, or say them in another voice, from now on."""
        self._voice = voice
        self._texts = tuple(texts)
        self.prepare()

    def prepare(self) -> None:
        """Have what is missing recorded, beside the call."""
        if self._voice is not None:
            self._recorder.want(self._voice, self._texts)

    def quiet_since_s(self) -> float:
        """Since when nothing is heard of the bot, on the loop's clock; in the future while something is."""
        return self._output.quiet_since_s()

    def say(self, text: str) -> bool:
        """Say a text now, if it is recorded. Returns whether it is."""
        recording = None
        if self._voice is not None:
            recording = self._recorder.cache.get(GreetingKey(self._voice.identity, text))
        if recording is None:
            self.prepare()
            return False
        self._output.say_filler(text, recording)
        return True
