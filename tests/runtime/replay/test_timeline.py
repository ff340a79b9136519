from __future__ import annotations

import base64
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.turn import TurnRecord, TurnTrigger
from runtime.replay.record import CallerTurn, TurnKind
from runtime.replay.timeline import CallTimeline, stages_of, timeline_document, timeline_page, write_timeline
from tests.runtime.replay.bots import tone
from tests.runtime.replay.pages import Page

NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)


def event(kind: str, second: float, **data: Any) -> dict[str, Any]:
    return {"type": kind, "tm_create": f"2024-03-01T12:00:{second:09.6f}Z", "data": data}


def call(**fields: Any) -> CallTimeline:
    usual: dict[str, Any] = {
        "caller": np.pad(tone(500), (8000, 4000)),
        "bot": np.pad(tone(300), (0, 5600)),
        "sample_rate_hz": 8000,
        "started_at": NOON,
        "aicall": {"id": "one", "status": "terminated", "end_reason": "stop_service"},
        "messages": [
            {"role": "user", "content": "hello", "tm_create": "2024-03-01T12:00:01.750000Z"},
            {
                "role": "assistant",
                "content": "good",
                "interrupted": True,
                "tm_create": "2024-03-01 12:00:02.5",
                "tool_calls": [{"id": "1", "type": "function", "function": {"name": "stop", "arguments": "{}"}}],
            },
        ],
        "events": [
            event("aicall_status_initiating", 0.0),
            event("aimessage_created", 1.0),
            event("aicall_status_progressing", 0.25),
            event("aicall_turn_completed", 2.0, turn=1, trigger="speech", speech_end_ms=1500, bot_start_ms=1800),
        ],
    }
    return CallTimeline(**{**usual, **fields})


def test_times_count_from_the_first_sample_of_the_recording() -> None:
    document = timeline_document(call())
    assert document["duration_ms"] == 2000
    assert [(move["status"], move["at_ms"]) for move in document["statuses"]] == [
        ("initiating", 0),
        ("progressing", 250),
    ]
    assert [message["at_ms"] for message in document["messages"]] == [1750, 2500]
    assert document["messages"][1]["tools"] == [{"name": "stop", "arguments": "{}"}]
    assert document["messages"][1]["interrupted"] is True
    assert document["audible"] == {"caller": [[1000, 1500]], "bot": [[0, 300]]}
    assert document["turns"][0]["bot_start_ms"] == 1800


def test_what_came_before_the_recording_has_a_negative_time() -> None:
    early = event("aicall_status_initiating", 0.0) | {"tm_create": "2024-03-01T11:59:59.500000Z"}
    assert timeline_document(call(events=[early]))["statuses"][0]["at_ms"] == -500


def test_media_time_may_begin_later_than_the_recording() -> None:
    turn = timeline_document(call(media_offset_ms=40))["turns"][0]
    assert (turn["speech_end_ms"], turn["bot_start_ms"], turn["llm_end_ms"]) == (1540, 1840, None)
    assert turn["stages"] == [{"name": "out", "from_ms": 1540, "to_ms": 1840}]


def test_waveforms_hold_lowest_and_highest_sample() -> None:
    peaks = np.frombuffer(base64.b64decode(timeline_document(call())["peaks"]["caller"]), np.int8).reshape(-1, 2)
    assert len(peaks) == 400
    assert peaks[:200].tolist() == [[0, 0]] * 200
    assert peaks[200:300].tolist() == [[-8000 // 256, 8000 // 256]] * 100


@pytest.mark.parametrize("length", [0, 1, 39, 40, 41])
def test_any_length_has_a_waveform(length: int) -> None:
    document = timeline_document(call(caller=np.ones(length, np.int16), bot=np.zeros(0, np.int16)))
    assert len(base64.b64decode(document["peaks"]["caller"])) == 2 * -(-length // 40)


def test_the_recording_beside_the_page_is_played() -> None:
    assert timeline_document(call())["recording"] == "recording.wav"
    assert timeline_document(call(recording="a call #1.wav"))["recording"] == "a%20call%20%231.wav"
    assert timeline_document(call(recording="file:x"))["recording"] == "file%3Ax"


def test_keys_are_drawn_where_the_caller_pressed_them() -> None:
    turns = [CallerTurn("hello", TurnKind.SPEECH, 0, 400), CallerTurn("4711#", TurnKind.KEYS, 500, 900)]
    assert timeline_document(call(caller_turns=turns))["keys"] == [{"digits": "4711#", "from_ms": 500, "to_ms": 900}]


def message(role: str, content: str, second: float) -> dict[str, Any]:
    return {"role": role, "content": content, "tm_create": f"2024-03-01T12:00:{second:09.6f}Z"}


def test_the_transcript_is_in_the_order_in_which_things_were_said() -> None:
    """Messages are stored when they were said; over a barge-in that is not the order in which they began."""
    first = {"turn": 1, "trigger": "speech", "user_text": "when", "bot_text": "from eight", "interrupted": True}
    second = {"turn": 2, "trigger": "speech", "user_text": "when", "bot_text": "now"}
    events = [
        event("aicall_turn_completed", 5, **first, speech_start_ms=100, bot_start_ms=900),
        event("aicall_turn_completed", 9, **second, speech_start_ms=1700, bot_start_ms=2900),
    ]
    messages = [
        message("user", "when", 0.8),
        message("assistant", "from eight", 2.0),
        message("user", "when", 2.7),
        message("tool", "done", 2.8),
        message("assistant", "now", 4.0),
        message("assistant", "nobody timed this", 1.0),
    ]
    document = timeline_document(call(events=events, messages=messages, media_offset_ms=40))
    assert [(it["at_ms"], it["role"], it["content"]) for it in document["messages"]] == [
        (140, "user", "when"),
        (940, "assistant", "from eight"),
        (1000, "assistant", "nobody timed this"),
        (1740, "user", "when"),
        (2800, "tool", "done"),
        (2940, "assistant", "now"),
    ]


def test_the_page_opens_from_disk_and_fetches_nothing(tmp_path: Path) -> None:
    write_timeline(tmp_path / "timeline.html", call())
    page = Page((tmp_path / "timeline.html").read_text("utf-8"))
    assert page.addresses == []
    assert "http" not in page.script
    assert page.data == timeline_document(call())
    assert "stop_service" in page.text


def test_what_was_said_stays_text() -> None:
    said = "</script><script>alert(1)</script>"
    messages = [{"role": "user", "content": said, "tm_create": "2024-03-01T12:00:01Z"}]
    page = Page(timeline_page(call(messages=messages, aicall={"id": said, "ai_engine_model": said})))
    assert page.count("script") == 2
    assert page.data["messages"][0]["content"] == said


def test_a_turn_is_split_into_what_it_was_spent_on() -> None:
    turn = TurnRecord(
        turn=1,
        trigger=TurnTrigger.SPEECH,
        speech_end_ms=1000,
        turn_end_ms=1200,
        transcript_ms=1150,
        llm_first_token_ms=1300,
        tts_first_audio_ms=1380,
        bot_start_ms=1390,
    )
    assert [(stage["name"], stage["from_ms"], stage["to_ms"]) for stage in stages_of(turn)] == [
        ("end of turn", 1000, 1200),
        ("model", 1200, 1300),
        ("voice", 1300, 1380),
        ("out", 1380, 1390),
    ]


def test_an_answer_to_anything_else_counts_from_when_it_was_due() -> None:
    turn = TurnRecord(turn=3, trigger=TurnTrigger.DTMF, turn_end_ms=1000, llm_first_token_ms=1005, bot_start_ms=1012)
    assert [(stage["name"], stage["from_ms"], stage["to_ms"]) for stage in stages_of(turn)] == [
        ("model", 1000, 1005),
        ("out", 1005, 1012),
    ]


@pytest.mark.parametrize("times", [{"bot_start_ms": 10}, {"speech_end_ms": 10, "turn_end_ms": 20}])
def test_without_question_or_answer_there_are_no_stages(times: dict[str, int]) -> None:
    assert stages_of(TurnRecord(turn=0, trigger=TurnTrigger.GREETING, **times)) == []


TIME = st.none() | st.integers(0, 5000)


@given(
    st.builds(
        TurnRecord,
        turn=st.just(1),
        trigger=st.just(TurnTrigger.SPEECH),
        speech_end_ms=st.integers(0, 5000),
        turn_end_ms=TIME,
        transcript_ms=TIME,
        llm_first_token_ms=TIME,
        tts_first_audio_ms=TIME,
        bot_start_ms=st.integers(0, 5000),
    )
)
def test_stages_cover_the_wait_without_gap_or_overlap(turn: TurnRecord) -> None:
    stages = stages_of(turn)
    assert turn.speech_end_ms is not None
    assert turn.bot_start_ms is not None
    if turn.bot_start_ms <= turn.speech_end_ms:
        assert stages == []
        return
    assert stages[0]["from_ms"] == turn.speech_end_ms
    assert stages[-1]["to_ms"] == turn.bot_start_ms
    assert all(one["to_ms"] == two["from_ms"] for one, two in pairwise(stages))
    assert all(stage["to_ms"] > stage["from_ms"] for stage in stages)
