"""When the VAD can know at the earliest that a caller has finished: what no answer can go below.

Silero goes on hearing a voice for some time after its end, longer for some voices than for others, and then the silence
window has to pass. So the audio that a caller sent, µ-law as it was received, is judged once more offline, by
Pipecat's own analyzer with its default settings, which both systems use. It belongs to the same run, utterance and
phase of the windows as the latency that is compared with it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Final

from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.audio.vad.vad_analyzer import VADState

from adapters.media.codecs import pcm_to_ulaw, ulaw_to_pcm
from runtime.replay.analysis import measure_call
from runtime.replay.record import FRAME_MS, CallRecord, TurnKind

MAX_JUDGED: Final = 24
"""So many calls of a step are judged; one takes about half a second for half a minute."""


async def silences_ms(pcm: bytes, sample_rate_hz: int) -> list[float]:
    """Return the moments at which the VAD confirms the end of speech, milliseconds since the first sample.

    Args:
        pcm: What the caller sent, 16-bit mono.
        sample_rate_hz: Its rate, 8000 or 16000 Hz.
    """
    received = ulaw_to_pcm(pcm_to_ulaw(pcm))
    analyzer = SileroVADAnalyzer(sample_rate=sample_rate_hz)
    analyzer.set_sample_rate(sample_rate_hz)
    frame_bytes = sample_rate_hz * FRAME_MS // 1000 * 2
    found, speaking = [], False
    try:
        for at in range(0, len(received) - frame_bytes + 1, frame_bytes):
            state = await analyzer.analyze_audio(received[at : at + frame_bytes])
            if speaking and state is VADState.QUIET:
                # A frame is known when its last sample was sent.
                found.append((at // frame_bytes + 1) * float(FRAME_MS))
            speaking = state in (VADState.SPEAKING, VADState.STOPPING)
    finally:
        await analyzer.cleanup()
    return found


def beyond_vad_ms(record: CallRecord, silences: Sequence[float], *, from_ms: float, to_ms: float) -> list[float]:
    """Return, for each spoken turn that was answered, how long after the VAD's own decision the answer was heard.

    Args:
        record: The call.
        silences: `silences_ms` of its caller.
        from_ms: Only turns that begin from here on, milliseconds of the call.
        to_ms: Only turns that end before.
    """
    beyond = []
    ended = [turn for turn in record.turns if turn.end_ms <= record.ended_ms]
    for turn, metrics in zip(ended, measure_call(record).turns, strict=True):
        if turn.kind is not TurnKind.SPEECH or metrics.reply_ms is None or metrics.reply_ms < 0:
            continue
        if turn.start_ms < from_ms or turn.end_ms >= to_ms:
            continue
        at = bisect_left(silences, turn.end_ms)
        if at < len(silences) and silences[at] - turn.end_ms < metrics.reply_ms + _WINDOW_MS:
            beyond.append(metrics.reply_ms - (silences[at] - turn.end_ms))
    return beyond


_WINDOW_MS: Final = 200.0
"""A decision later than this after the answer is not the one that the answer followed, milliseconds."""
