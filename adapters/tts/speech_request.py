"""What all voices behind one streaming HTTP request per sentence have in common."""

from __future__ import annotations

import asyncio
import re
from abc import abstractmethod
from collections import deque
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing
from typing import Any, ClassVar, NamedTuple

import httpx
from pipecat.frames.frames import ErrorFrame, Frame, TTSAudioRawFrame
from pipecat.processors.frame_processor import FrameProcessorSetup
from pipecat.services.settings import TTSSettings
from pipecat.utils.errors import ErrorCategory

from adapters.clients import retry_after_s
from adapters.plain_http import PLAIN_HTTP
from adapters.requests import TtsRequest
from adapters.tts.voice import Voice

_FRAME_S = 0.1
"""Length of an audio frame, seconds: short, so that speech begins early."""
_SILENCE_S = 0.02

_UNSPEAKABLE = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What no XML document and no UTF-8 may hold: control characters and halves of surrogate pairs."""

_PASSING = frozenset({ErrorCategory.RATE_LIMIT, ErrorCategory.CONNECTIVITY, ErrorCategory.SERVER})


class Word(NamedTuple):
    """A word that is spoken.

    Attributes:
        text: The word.
        start_s: When it begins, seconds after the beginning of the audio of its request.
    """

    text: str
    start_s: float


class SpeechRequest(Voice):
    """A voice whose every text is one HTTP request, answered by a stream of 16-bit mono PCM.

    - The process's pool is used, and the connection for the first sentence is opened while the call is set up.
    - The first byte, and each further piece, must come within `VendorLimits.voice_quiet_s`. A failure that may pass is
      followed by `VendorLimits.retries` further requests within that time, unless some audio has come.
    - A failure is an error frame that carries its exception. An answer of text where audio is due is one.
    - Audio frames hold whole samples, wherever the network cuts them.
    - An interruption closes the response, which tells the vendor to stop.
    - A text longer than the vendor takes is asked for in parts. One without a letter or a digit is not asked for:
      some vendors answer with nothing, which would count as a failure, and some refuse it, which would end the call.

    Args:
        request: What to make it from.
        **kwargs: Arguments of Pipecat's ``TTSService``.
    """

    longest_text: ClassVar[int]
    """How many characters the vendor takes in one request."""
    no_credit_codes: ClassVar[frozenset[str]] = frozenset()
    """Codes in the JSON of a refusal by which the vendor says that the account has no credit, whatever the status."""

    def __init__(self, *, request: TtsRequest, **kwargs: Any) -> None:
        limits = request.clients.limits
        super().__init__(
            push_start_frame=True,
            push_stop_frames=True,
            stop_frame_timeout_s=2 * limits.voice_quiet_s,
            sample_rate=request.sample_rate_hz,
            settings=TTSSettings(model=request.model or None, voice=request.voice, language=request.language or None),
            **kwargs,
        )
        self._clients = request.clients
        self._limits = limits
        self._base_url = request.credentials.base_url
        self._timed_context_id = ""
        self._context_s = 0.0

    @abstractmethod
    def ask(self, text: str) -> httpx.Request:
        """Make the request for a text, by `post`.

        Args:
            text: What to say, at most `longest_text` characters.
        """

    async def listen(self, response: httpx.Response, text: str) -> AsyncGenerator[bytes | Word, None]:
        """Take the speech out of an answer.

        Args:
            response: A good one.
            text: What it says.

        Yields:
            PCM, cut anywhere, and words in the order in which they are spoken.

        Raises:
            ValueError: The answer makes no sense.
        """
        del text
        async for piece in response.aiter_bytes():
            yield piece

    def is_speech(self, content_type: str) -> bool:
        """Whether an answer of that type can hold speech; text in its place is a failure that came with status 200."""
        return not content_type.startswith("text/") and not content_type.endswith(("json", "xml"))

    def post(self, path: str, headers: Mapping[str, str], **content: Any) -> httpx.Request:
        """Make a ``POST`` request.

        Args:
            path: What follows the endpoint.
            headers: Headers, the key included.
            **content: ``json`` or ``content``, as httpx takes them.
        """
        # Compressing audio would gain nothing.
        plain = {"accept-encoding": "identity"}
        return self._http.build_request("POST", self._base_url + path, headers=plain | dict(headers), **content)

    def can_generate_metrics(self) -> bool:
        """Say that this service measures its latency."""
        return True

    async def setup(self, setup: FrameProcessorSetup) -> None:  # type: ignore[override]
        """Set the service up; the connection for the first sentence is opened meanwhile."""
        await super().setup(setup)
        self._clients.preconnect(PLAIN_HTTP, self._base_url, "tts")

    async def run_tts(self, text: str, context_id: str) -> AsyncGenerator[Frame, None]:
        """Speak a text.

        Args:
            text: What to say.
            context_id: The turn it belongs to; word times run on over the texts of a turn.

        Yields:
            Audio frames of 100 ms at the service's rate; an error frame when the vendor fails.
        """
        text = _UNSPEAKABLE.sub(" ", text)
        if not any(map(str.isalnum, text)):
            yield self._frame(bytes(2 * int(self.sample_rate * _SILENCE_S)), context_id)
            return
        try:
            for part in split_text(text, self.longest_text):
                async with aclosing(self._speak(part, context_id)) as frames:
                    async for frame in frames:
                        yield frame
        except Exception as error:
            if self._classify_error(error) is None:
                raise
            yield ErrorFrame("the voice's request failed", exception=error)

    async def _speak(self, text: str, context_id: str) -> AsyncGenerator[Frame, None]:
        if context_id != self._timed_context_id:
            self._timed_context_id, self._context_s = context_id, 0.0
        begin_s = self._context_s
        pcm, words = bytearray(), deque[Word]()
        size = 2 * int(self.sample_rate * _FRAME_S)
        await self.start_tts_usage_metrics(text)
        async with aclosing(self._answer(text)) as pieces:
            while piece := await self._next_audio(pieces, words):
                pcm += piece
                while len(pcm) >= size:
                    frame = self._frame(bytes(pcm[:size]), context_id)
                    del pcm[:size]
                    yield frame
                    await self._tell(words, begin_s, context_id)
        if len(pcm) > 1:
            yield self._frame(bytes(pcm[: len(pcm) & ~1]), context_id)
        await self._tell(words, begin_s, context_id, last=True)

    async def _tell(self, words: deque[Word], begin_s: float, context_id: str, *, last: bool = False) -> None:
        """Report the words whose audio has gone out; a word behind audio that never comes is never reported."""
        while words and (last or begin_s + words[0].start_s < self._context_s):
            word = words.popleft()
            await self.add_word_timestamps([(word.text, begin_s + word.start_s)], context_id)

    async def _next_audio(self, pieces: AsyncGenerator[bytes | Word, None], words: deque[Word]) -> bytes:
        async with asyncio.timeout(self._limits.voice_quiet_s):
            async for piece in pieces:
                if isinstance(piece, Word):
                    words.append(piece)
                elif piece:
                    return piece
        return b""

    async def _answer(self, text: str) -> AsyncGenerator[bytes | Word, None]:
        """Ask for a text until some audio comes, or as often as it may be asked for."""
        for retries in range(self._limits.retries, -1, -1):
            begun = False
            try:
                async with aclosing(self._attempt(text)) as pieces:
                    async for piece in pieces:
                        begun = True
                        yield piece
            except Exception as error:
                if begun or not retries or not self._may_be_repeated(error):
                    raise
                wait_s = self._pause_s(error)
            else:
                return
            await asyncio.sleep(wait_s)

    async def _attempt(self, text: str) -> AsyncGenerator[bytes | Word, None]:
        response = await self._http.send(self.ask(text), stream=True)
        try:
            if not response.is_success:
                # What is read to its end leaves the connection open for the next sentence.
                await response.aread()
                response.raise_for_status()
            if not self.is_speech(response.headers.get("content-type", "").partition(";")[0].strip().lower()):
                raise ValueError("the vendor answered with text in place of speech")
            async with aclosing(self.listen(response, text)) as pieces:
                async for piece in pieces:
                    yield piece
        finally:
            await response.aclose()

    def _may_be_repeated(self, error: Exception) -> bool:
        # The pool marks answers that ask for a longer wait than a caller has.
        waits = isinstance(error, httpx.HTTPStatusError) and error.response.headers.get("x-should-retry") == "false"
        return not waits and self._classify_error(error) in _PASSING

    def _classify_error(self, exception: Exception) -> ErrorCategory | None:
        if isinstance(exception, httpx.HTTPStatusError) and _codes(exception.response) & self.no_credit_codes:
            return ErrorCategory.QUOTA
        return super()._classify_error(exception)

    def _pause_s(self, error: Exception) -> float:
        """How long to wait before a request is repeated, seconds; a connection that broke was perhaps an old one."""
        if not isinstance(error, httpx.HTTPStatusError):
            return 0.0
        return max(self._limits.reconnect_wait_s, retry_after_s(error.response.headers))

    def _frame(self, pcm: bytes, context_id: str) -> TTSAudioRawFrame:
        self._context_s += len(pcm) / 2 / self.sample_rate
        return TTSAudioRawFrame(pcm, self.sample_rate, 1, context_id=context_id)

    @property
    def _http(self) -> httpx.AsyncClient:
        http: httpx.AsyncClient = self._clients.http(PLAIN_HTTP)
        return http


def _codes(response: httpx.Response) -> set[str]:
    """The codes in an answer that was read: ``{"code"}``, or ``{"error": {"code", "type"}}``."""
    try:
        body = response.json()
    except ValueError:
        return set()
    inner = body.get("error") if isinstance(body, dict) else None
    parts = [part for part in (body, inner) if isinstance(part, dict)]
    return {str(part[name]) for part in parts for name in ("code", "type") if name in part}


def split_text(text: str, longest: int) -> Iterator[str]:
    """Cut a text between words into parts of at most `longest` characters; a longer word is cut anywhere."""
    while len(text) > longest:
        cut = next((at for at in range(longest, 0, -1) if text[at].isspace()), longest)
        yield text[:cut]
        text = text[cut:].lstrip()
    if text:
        yield text
