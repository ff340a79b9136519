"""One caller and the phone system in front of them, sans-I/O: messages in, messages out, the time as an argument."""

from __future__ import annotations

from collections.abc import Callable

from adapters.media.base import MarkPolicy, Message
from adapters.media.clients.base import Clear, ClientEvent, Dtmf, Hangup, Mark, MediaClient, PlayAudio
from adapters.media.playout import PlayoutBuffer
from adapters.media.registry import PROTOCOLS
from models.errors import MediaProtocolError
from runtime.replay.activity import ActivityTracker
from runtime.replay.record import FRAME_MS, CallRecord, Failure, FailureKind, HeardAudio, Tracks
from runtime.replay.runner import ScriptRunner
from runtime.replay.script import Script


class Caller:
    """One call from the opened WebSocket on.

    The owner writes what `opening`, `tick`, `receive` and `stop` return, in order. Times are milliseconds since the
    messages of `opening` were written.

    Attributes:
        record: What the call left behind; complete after `end`.
        done: Whether the call is over: write what `stop` returns, close the socket, call `end`.
    """

    def __init__(
        self,
        client: MediaClient,
        script: Script,
        *,
        index: int = 0,
        keep_audio: bool = False,
        speech_bytes: int = 0,
        hold_ms: float = 0.0,
        noise: bytes | None = None,
        on_progress: Callable[[CallRecord], None] | None = None,
    ) -> None:
        """Pick up the phone.

        Args:
            client: The phone system's side of the media protocol.
            script: What to do. Its utterances have the rate of the client's leg.
            index: Which of the calls of a run, from 0.
            keep_audio: Whether to keep both sides in ``record.tracks``.
            speech_bytes: How much of the bot's audio to keep in ``record.heard``, without its silence; 0 for none.
            hold_ms: See `ScriptRunner`.
            noise: See `ScriptRunner`.
            on_progress: Called after each turn that the caller has taken.
        """
        rate_hz = client.leg.sample_rate_hz
        self.record = CallRecord(
            index=index,
            tracks=Tracks(rate_hz) if keep_audio else None,
            heard=HeardAudio(rate_hz, speech_bytes) if speech_bytes else None,
        )
        self.done = False
        self._client = client
        self._echoes_flushed = PROTOCOLS[client.name].capabilities.marks is MarkPolicy.ECHOED
        self._playout = PlayoutBuffer(rate_hz)
        self._ear = ActivityTracker(rate_hz)
        self._runner = ScriptRunner(script, self._ear, rate_hz, noise=noise, hold_ms=hold_ms)
        self._ms_per_byte = 1000 / (2 * rate_hz)
        self._on_progress = on_progress
        self._turns = 0
        self.record.turns = self._runner.turns

    @property
    def client(self) -> MediaClient:
        """The phone system through which they call."""
        return self._client

    def opening(self) -> list[Message]:
        """The messages that open the media stream."""
        return self._client.opening()

    def tick(self, now_ms: float) -> list[Message]:
        """End one frame: hear what was played in it, and send what was said in it.

        To be called once for every 20 ms, the first time at 20 ms; late calls are caught up one by one.

        Args:
            now_ms: The time. What is more than the frame's own is the harness's own delay.
        """
        record, frame = self.record, len(self.record.lag_ms)
        record.lag_ms.append(max(0.0, now_ms - (frame + 1) * FRAME_MS))
        said = self._runner.next_frame()  # first: nobody reacts to what they have yet to hear
        messages = self._hear(now_ms)
        if record.tracks:
            record.tracks.caller += said.pcm
        if (said.speaking or said.digits) and not self._playout.buffered_ms:
            self._playout.end_utterance()  # what the bot says next is an answer, not the rest of what it said before
        messages += self._client.send_audio(said.pcm)
        for digit in said.digits:
            messages += self._client.send_dtmf(digit)
        if self._on_progress and len(self._runner.turns) != self._turns:
            self._turns = len(self._runner.turns)
            self._on_progress(record)
        self.done = self.done or self._runner.finished
        return messages

    def receive(self, message: Message, now_ms: float) -> list[Message]:
        """Take one message of the far end.

        Args:
            message: As it came.
            now_ms: The time.
        """
        try:
            events = self._client.receive(message)
        except MediaProtocolError as error:
            self.fail(Failure(FailureKind.PROTOCOL, error.message))
            return []
        messages: list[Message] = []
        for event in events:
            messages += self._handle(event, now_ms)
        return messages

    def fail(self, failure: Failure) -> None:
        """End the call as failed; the first failure counts."""
        self.record.failure = self.record.failure or failure
        self.done = True

    def far_end_closed(self, code: int | None, reason: str) -> None:
        """Note that the far end closed the socket.

        Args:
            code: WebSocket close code, or None when the connection just broke.
            reason: WebSocket close reason.
        """
        self.record.close_code, self.record.close_reason = code, reason
        self._far_end_left(" ".join(str(part) for part in (code, reason) if part) or "connection lost")

    def stop(self) -> list[Message]:
        """The messages that end the media stream; none when the far end has left."""
        return [] if self.record.ended_by_far_end else self._client.send_stop("caller hung up")

    def end(self, now_ms: float) -> None:
        """Complete the record.

        Args:
            now_ms: The time at which the call was over.
        """
        self._hear(now_ms)
        self.done = True
        record = self.record
        record.ended_ms = now_ms
        record.bot_speech = self._ear.finish()
        record.gaps = self._playout.gaps
        record.unplayed_ms = self._playout.buffered_ms
        record.failure = record.failure or self._runner.failure

    def _handle(self, event: ClientEvent, now_ms: float) -> list[Message]:
        record = self.record
        match event:
            case PlayAudio(pcm):
                if record.first_audio_ms is None:
                    record.first_audio_ms = now_ms
                record.audio_messages += 1
                self._playout.push(pcm, now_ms / 1000)
                record.lead_ms.append(max(0.0, self._playout.buffered_ms - len(pcm) * self._ms_per_byte))
            case Mark(name):
                self._playout.mark(name)
            case Clear():
                messages = self._hear(now_ms)
                messages += self._client.send_cleared()
                pending = self._playout.clear(now_ms / 1000)
                if self._echoes_flushed:
                    for name in pending:
                        messages += self._client.send_mark_reached(name)
                self._ear.cut()
                record.clears_ms.append(now_ms)
                self._runner.cleared(now_ms)
                return messages
            case Dtmf(digits):
                record.bot_digits += digits
            case Hangup():
                self._far_end_left("hang-up")
        return []

    def _far_end_left(self, how: str) -> None:
        self.record.ended_by_far_end = True
        self._runner.far_end_closed()
        if early := self._runner.failure:
            self.fail(Failure(early.kind, f"{early.detail}, {how}"))
        self.done = True

    def _hear(self, now_ms: float) -> list[Message]:
        pcm, marks = self._playout.pull(now_ms / 1000)
        self._ear.feed(pcm)
        if self.record.heard is not None:
            self.record.heard.add(pcm)
        if self.record.tracks:
            self.record.tracks.bot += pcm
        return [message for name in marks for message in self._client.send_mark_reached(name)] if marks else []
