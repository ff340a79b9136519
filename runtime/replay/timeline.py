"""One call as an HTML timeline: both waveforms, speech, turns, stages, latencies, statuses, transcript, playback."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from models.event import EventType
from models.message import Role
from models.timestamps import parse_timestamp
from models.turn import TurnRecord
from runtime.replay.activity import ActivityTracker
from runtime.replay.page import escape, page
from runtime.replay.record import CallerTurn, TurnKind

PEAK_MS: Final = 5
"""Length of audio behind one column of a waveform, milliseconds."""

_STATUS_PREFIX: Final = "aicall_status_"


@dataclass(frozen=True, slots=True, eq=False)
class CallTimeline:
    """Everything that is known of one call.

    Attributes:
        caller: The caller's side, 16-bit samples, shape ``(n,)``.
        bot: The bot's side as the caller heard it, 16-bit samples, shape ``(n,)``, aligned with ``caller``.
        sample_rate_hz: Rate of both, Hz.
        started_at: Wall-clock time of the first sample, UTC.
        aicall: The AIcall's JSON document.
        messages: Its messages' JSON documents, oldest first.
        events: Its events' JSON documents, oldest first: the status moves and the completed turns.
        recording: Name of the stereo WAV beside the page, which plays it; '' when there is none.
        media_offset_ms: Where the runtime's media time begins in the recording, milliseconds.
        caller_turns: What the caller said and keyed, from their own side; only the keys are drawn from it.
    """

    caller: NDArray[np.int16]
    bot: NDArray[np.int16]
    sample_rate_hz: int
    started_at: datetime
    aicall: Mapping[str, Any]
    messages: Sequence[Mapping[str, Any]] = ()
    events: Sequence[Mapping[str, Any]] = ()
    recording: str = "recording.wav"
    media_offset_ms: float = 0.0
    caller_turns: Sequence[CallerTurn] = ()


def write_timeline(path: Path, call: CallTimeline) -> None:
    """Write a call's timeline as one HTML file that opens from disk.

    Args:
        path: The file.
        call: The call.

    Raises:
        OSError: It cannot be written.
    """
    path.write_text(timeline_page(call), "utf-8")


def timeline_page(call: CallTimeline) -> str:
    """Return a call's timeline as an HTML document; it fetches nothing but the recording beside it."""
    title = f"AIcall {call.aicall.get('id', '')}"
    body = _body(title, call.aicall)
    return page(
        title, body, styles=("base.css", "timeline.css"), scripts=("timeline.js",), data=timeline_document(call)
    )


def timeline_document(call: CallTimeline) -> dict[str, Any]:
    """Return what the page's script draws; times are milliseconds since the first sample of the recording."""
    longest = max(len(call.caller), len(call.bot))
    records = [
        TurnRecord.model_validate(event["data"]) for event in call.events if event["type"] == EventType.TURN_COMPLETED
    ]
    return {
        "duration_ms": longest * 1000 / call.sample_rate_hz,
        "peak_ms": PEAK_MS,
        "peaks": {"caller": _peaks(call.caller, call.sample_rate_hz), "bot": _peaks(call.bot, call.sample_rate_hz)},
        "audible": {
            "caller": _audible(call.caller, call.sample_rate_hz),
            "bot": _audible(call.bot, call.sample_rate_hz),
        },
        "recording": quote(call.recording),
        "turns": [_turn(record, call.media_offset_ms) for record in records],
        "keys": [
            {"digits": turn.label, "from_ms": turn.start_ms, "to_ms": turn.end_ms}
            for turn in call.caller_turns
            if turn.kind is TurnKind.KEYS
        ],
        "statuses": [
            {"status": event["type"].removeprefix(_STATUS_PREFIX), "at_ms": _at_ms(event["tm_create"], call)}
            for event in call.events
            if event["type"].startswith(_STATUS_PREFIX)
        ],
        "messages": _conversation(records, call),
    }


def stages_of(turn: TurnRecord) -> list[dict[str, Any]]:
    """Split the wait for an answer into what it was spent on.

    Returns:
        Stages without gaps or overlaps, from the end of the caller's speech (where there was none: from when the bot
        was due) to the first audio out, each with ``name``, ``from_ms`` and ``to_ms`` (media time). A stage that was
        over before the one in front of it cost nothing and is left out. Empty when there was no answer.
    """
    asked_ms = turn.turn_end_ms if turn.speech_end_ms is None else turn.speech_end_ms
    if asked_ms is None or turn.bot_start_ms is None:
        return []
    marks = (
        ("end of turn", turn.turn_end_ms),
        ("transcript", turn.transcript_ms),
        ("model", turn.llm_first_token_ms),
        ("voice", turn.tts_first_audio_ms),
        ("out", turn.bot_start_ms),
    )
    stages, at_ms = [], asked_ms
    for name, reached_ms in marks:
        to_ms = None if reached_ms is None else min(reached_ms, turn.bot_start_ms)
        if to_ms is not None and to_ms > at_ms:
            stages.append({"name": name, "from_ms": at_ms, "to_ms": to_ms})
            at_ms = to_ms
    return stages


def _body(title: str, aicall: Mapping[str, Any]) -> str:
    """Return the page's elements: what stands still is written here, the script fills the rest."""
    began = str(aicall.get("tm_create") or "").replace("T", " ").partition(".")[0]
    facts = (
        ("began", f"{began} UTC" if began else ""),
        ("ended by", aicall.get("end_reason")),
        ("model", aicall.get("ai_engine_model")),
        ("speech to text", aicall.get("ai_stt_type")),
        ("voice", " ".join(str(aicall.get(key) or "") for key in ("ai_tts_type", "ai_tts_voice_id")).strip()),
    )
    rows = " ".join(f"<span><b>{escape(name)}</b> {escape(value)}</span>" for name, value in facts if value)
    status = f'<span class="badge">{escape(aicall["status"])}</span>' if aicall.get("status") else ""
    buttons = "".join(
        f'<button id="{name}" title="{escape(about)}" aria-label="{escape(about)}">{text}</button>'
        for name, text, about in (
            ("zoom-out", "&minus;", "Zoom out (-)"),
            ("zoom-in", "+", "Zoom in (+)"),
            ("fit", "Fit", "Show the whole call (0)"),
        )
    )
    keys = " ".join(
        f"<span><kbd>{key}</kbd> {about}</span>"
        for key, about in (
            ("space", "play"),
            ("N", "next turn"),
            ("P", "previous turn"),
            ("+ &minus; 0", "zoom"),
            ("&larr; &rarr;", "move"),
            ("Home End", "ends"),
            ("ctrl + wheel", "zoom"),
            ("click", "seek"),
        )
    )
    return f"""<main>
<header><h1>{escape(title)}{status}</h1><p class="facts muted">{rows}</p></header>
<section class="cards" id="cards"></section>
<section class="panel stage" aria-label="Timeline">
<div class="controls"><button id="play" title="Play or pause (space)" disabled>&#9654; Play</button>
<span id="clock" role="timer">0:00.00</span><span id="trouble" class="muted" role="status"></span>
<span class="spacer"></span>
<label><input type="checkbox" id="follow" checked> follow</label>{buttons}</div>
<canvas id="overview" aria-hidden="true"></canvas>
<canvas id="lanes" tabindex="0" role="img"></canvas>
<div id="tip" hidden></div>
<p class="keys muted">{keys}</p>
</section>
<section class="panel"><h2>Turns: where the time went</h2><div class="legend muted" id="legend"></div>
<div id="turns"></div></section>
<section class="panel"><h2>Transcript</h2><div id="transcript"></div></section>
<audio id="audio" preload="auto"></audio>
</main>"""


def _turn(turn: TurnRecord, offset_ms: float) -> dict[str, Any]:
    document = turn.public()
    for name, value in document.items():
        if name.endswith("_ms") and value is not None and name not in {"voice_to_voice_ms", "barge_in_ms"}:
            document[name] = value + offset_ms
    document["stages"] = [
        stage | {"from_ms": stage["from_ms"] + offset_ms, "to_ms": stage["to_ms"] + offset_ms}
        for stage in stages_of(turn)
    ]
    return document


def _conversation(turns: Sequence[TurnRecord], call: CallTimeline) -> list[dict[str, Any]]:
    """Return the messages in the order in which they were said: a message is stored when it has been said."""
    begun: dict[tuple[str, str], list[float]] = {}
    for turn in turns:
        spoken_ms = turn.turn_end_ms if turn.speech_start_ms is None else turn.speech_start_ms
        for role, text, at_ms in (
            (Role.USER, turn.user_text, spoken_ms),
            (Role.ASSISTANT, turn.bot_text, turn.bot_start_ms),
        ):
            if at_ms is not None:
                begun.setdefault((role, text), []).append(at_ms + call.media_offset_ms)
    messages = []
    for message in call.messages:
        tools: Iterable[Mapping[str, Any]] = message.get("tool_calls") or ()
        role, content = message.get("role", ""), message.get("content", "")
        known = begun.get((role, content)) if content else None
        messages.append(
            {
                "at_ms": round(known.pop(0), 1) if known else _at_ms(message["tm_create"], call),
                "role": role,
                "content": content,
                "interrupted": bool(message.get("interrupted")),
                "tools": [
                    {"name": tool["function"]["name"], "arguments": tool["function"]["arguments"]} for tool in tools
                ],
            }
        )
    return sorted(messages, key=lambda message: message["at_ms"])


def _at_ms(moment: str, call: CallTimeline) -> float:
    return round((parse_timestamp(moment) - call.started_at).total_seconds() * 1000, 1)


def _peaks(samples: NDArray[np.int16], sample_rate_hz: int) -> str:
    """Lowest and highest sample of each `PEAK_MS`, as base64 of pairs of signed bytes."""
    step = sample_rate_hz * PEAK_MS // 1000
    columns = np.pad(samples, (0, -len(samples) % step)).reshape(-1, step)
    pairs = np.stack([columns.min(axis=1), columns.max(axis=1)], axis=1) // 256 if len(samples) else np.zeros((0, 2))
    return base64.b64encode(pairs.astype(np.int8).tobytes()).decode("ascii")


def _audible(samples: NDArray[np.int16], sample_rate_hz: int) -> list[list[float]]:
    tracker = ActivityTracker(sample_rate_hz)
    tracker.feed(samples.astype("<i2").tobytes())
    return [[span.start_ms, span.end_ms] for span in tracker.finish()]
