"""Streams that go wrong, callers that stay silent, and hang-ups in every phase (issue 2, "Bad input")."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.calls.offices import (
    GREETING,
    NEVER_RAN,
    RAN,
    Office,
    assert_ended,
    events_of,
    office,
    statuses_of,
    until_status,
)
from tests.runtime.calls.phones import FRAME_BYTES, SILENCE, STREAM, Phone, dial, media_message, start_message
from tests.runtime.serving import serving, until
from tests.standins.faults import Faults
from tests.standins.replies import Reply, Script


async def messages_of(desk: Office, aicall: dict[str, Any]) -> list[tuple[str, str]]:
    """What was said, oldest first."""
    params = {"aicall_id": aicall["id"]}
    page = (await desk.api.ok("GET", "/v1.0/aimessages", params=params))["result"]
    return [(message["role"], message["content"]) for message in reversed(page)]


# Messages that break the protocol and not the call

JUNK = {
    "not JSON": ["{", "", "[]", "null", '"media"', "{" * 5000],
    "unknown event": [{"event": "surprise"}, {}, {"event": None}, {"event": ["media"]}],
    "wrong streamSid": [
        media_message(SILENCE, stream="MZ-of-another-call"),
        {"event": "dtmf", "streamSid": "MZ-of-another-call", "dtmf": {"digit": "1"}},
        {"event": "stop", "streamSid": "MZ-of-another-call"},
    ],
    "binary": [b"", b"\x00", b'{"event": "stop"}', bytes(70_000)],
    "a message larger than a protocol message": [media_message(SILENCE * 1000)],
    "not a whole frame": [media_message(audio) for audio in (b"", b"\xff", SILENCE[:-1], SILENCE * 3 + b"\xff")],
    "not base64": [{"event": "media", "streamSid": STREAM, "media": {"payload": payload}} for payload in ("?", "A", 7)],
    "media without media": [{"event": "media", "streamSid": STREAM}, {"event": "media", "media": [1]}],
    "no digit": [{"event": "dtmf", "streamSid": STREAM, "dtmf": {"digit": digit}} for digit in ("", "12", "x", None)],
    "marks that were never sent": [
        {"event": "mark", "streamSid": STREAM, "mark": {"name": name}} for name in ("x", "m99", 5)
    ],
    "a second beginning": [{"event": "connected"}, start_message(), start_message(streamSid="MZ-of-another-call")],
}


@pytest.mark.parametrize("junk", JUNK.values(), ids=JUNK.keys())
async def test_a_call_goes_on_after_junk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, junk: list[Any]) -> None:
    async with office(tmp_path, monkeypatch) as desk:
        aicall = await desk.new_aicall(parameter={"greeting": "Hello."})
        async with dial(aicall["media_url"]) as phone:
            await phone.start()
            await phone.send(*junk)
            await phone.until(lambda: phone.of("mark"))
            await phone.send(*junk)
            await phone.say()
            await desk.openai.until(lambda: desk.openai.requests_to("chat"))
            await phone.until_heard()
        await assert_ended(desk.api, aicall, "hangup")
        assert ("user", "caller said turn 1") in await messages_of(desk, aicall)


async def test_an_oversized_message_ends_the_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with office(tmp_path, monkeypatch) as desk:
        aicall = await desk.new_aicall()
        async with dial(aicall["media_url"]) as phone:
            await phone.start()
            await phone.until_heard()
            await phone.send("x" * (1_048_576 + 1))
            assert (await phone.closed())[0] == 1009
        await assert_ended(desk.api, aicall, "media_error")


async def test_text_that_is_not_utf8_ends_the_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with office(tmp_path, monkeypatch) as desk:
        aicall = await desk.new_aicall()
        async with dial(aicall["media_url"]) as phone:
            await phone.start()
            await phone.until_heard()
            await phone.socket.send(b"\xff\xfe", text=True)
            assert (await phone.closed())[0] == 1007
        await assert_ended(desk.api, aicall, "media_error")


async def test_plain_audio_that_is_not_whole_samples_is_passed_over(tmp_path: Path) -> None:
    from websockets.asyncio.client import connect

    async with serving(tmp_path) as api:
        aicall = await api.new_aicall()
        async with connect(f"{aicall['media_url']}?protocol=plain", proxy=None) as socket:
            await socket.send('{"event": "start", "sample_rate": 8000}')
            for audio in (b"", b"\x00", bytes(321), bytes(16_002)):
                await socket.send(audio)
            await socket.send(bytes(320))
            assert len(await socket.recv()) == 320
            await socket.send('{"event": "stop"}')
            async for _ in socket:
                pass
            assert (socket.close_code, socket.close_reason) == (1000, "hangup")
        await assert_ended(api, aicall, "hangup")


# Silence


async def test_a_caller_who_stays_silent_is_asked_and_then_hung_up_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with office(tmp_path, monkeypatch) as desk:
        desk.openai.script = Script(["Hello?"])
        aicall = await desk.new_aicall(parameter={"greeting": "Hi.", "idle_timeout_s": 0.3, "idle_limit": 1})
        async with dial(aicall["media_url"]) as phone:
            await phone.start()
            silent = asyncio.create_task(phone.stay_silent())
            assert await phone.closed() == (1000, "idle")
            await silent
        await assert_ended(desk.api, aicall, "idle")
        assert await messages_of(desk, aicall) == [("assistant", "Hi."), ("assistant", "Hello?")]
        assert len(desk.openai.requests_to("chat")) == 1


async def test_a_phone_system_that_sends_nothing_any_more_is_hung_up_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with office(tmp_path, monkeypatch, media_idle_timeout_s=2.0) as desk:
        aicall = await desk.new_aicall(parameter={"greeting": "Hello."})
        async with dial(aicall["media_url"]) as phone:
            await phone.start()
            # On a busy machine the pipeline may take a while to run.
            await phone.until_heard()
            assert await phone.closed() == (1008, "media_error")
        await assert_ended(desk.api, aicall, "media_error")


async def test_audio_holds_the_call_for_as_long_as_it_may_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with office(tmp_path, monkeypatch, media_idle_timeout_s=1.0) as desk:
        aicall = await desk.new_aicall(parameter={"max_duration_s": 3.0})
        async with dial(aicall["media_url"]) as phone:
            await phone.start()
            silent = asyncio.create_task(phone.stay_silent())
            assert await phone.closed() == (1000, "max_duration")
            await silent
        await assert_ended(desk.api, aicall, "max_duration")


# Hang-up in every phase


async def _greeting(desk: Office, phone: Phone) -> None:
    await phone.until_heard()


async def _first_moment(desk: Office, phone: Phone) -> None:
    """Right behind the start: the pipeline is being built."""


async def _stt(desk: Office, phone: Phone) -> None:
    desk.deepgram.endpoint_faults["listen"] = Faults(stall_after=0)
    await phone.say()
    await desk.deepgram.until(lambda: _sent(desk.deepgram.requests_to("listen"), "Finalize"))


async def _mid_speech(desk: Office, phone: Phone) -> None:
    await phone.say(silence_s=0)
    listening = desk.deepgram.requests_to("listen")
    await until(lambda: listening[0].audio_bytes > 16_000)


async def _llm(desk: Office, phone: Phone) -> None:
    desk.openai.first_token_s = 3600
    await phone.say()
    await desk.openai.until(lambda: desk.openai.requests_to("chat"))


async def _llm_stream(desk: Office, phone: Phone) -> None:
    desk.openai.token_interval_s = 3600
    await phone.say()
    await desk.openai.until(lambda: desk.openai.requests_to("chat"))


async def _tts(desk: Office, phone: Phone) -> None:
    desk.deepgram.tts_first_byte_s = 3600
    speaking = desk.deepgram.requests_to("speak")
    asked = len(speaking[0].messages)
    await phone.say()
    await desk.deepgram.until(lambda: _sent(speaking, "Speak", asked))


async def _answer(desk: Office, phone: Phone) -> None:
    await phone.say()
    await desk.openai.until(lambda: desk.openai.requests_to("chat"))
    await phone.until_heard()


async def _barge_in(desk: Office, phone: Phone) -> None:
    await _answer(desk, phone)
    await phone.say(silence_s=0)
    await phone.until(lambda: phone.of("clear"))


def _sent(requests: list[Any], kind: str, after: int = 0) -> bool:
    return any(message.get("type") == kind for request in requests for message in request.messages[after:])


PHASES = [_first_moment, _greeting, _mid_speech, _stt, _llm, _llm_stream, _tts, _answer, _barge_in]


HOWS = ("stop", "close", "reset")
"""A ``stop`` message, a closing handshake, a broken connection."""

CASES = [(phase, HOWS[number % 3]) for number, phase in enumerate(PHASES)] + [(_greeting, "stop"), (_greeting, "reset")]


@pytest.mark.parametrize(("phase", "how"), CASES, ids=lambda value: getattr(value, "__name__", value).strip("_"))
async def test_hang_up_in_a_phase(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, phase: Any, how: str) -> None:
    async with office(tmp_path, monkeypatch) as desk:
        aicall = await desk.new_aicall(parameter={"greeting": "Hello."})
        async with dial(aicall["media_url"]) as phone:
            await phone.start()
            if phase not in (_first_moment, _greeting):
                await phone.until(lambda: phone.of("mark"))
            await phase(desk, phone)
            if how == "stop":
                await phone.send({"event": "stop", "streamSid": STREAM, "stop": {"callSid": "CA1"}})
                assert await phone.closed() == (1000, "hangup")
            elif how == "reset":
                phone.socket.transport.abort()
        if phase is not _first_moment:
            await assert_ended(desk.api, aicall, "hangup")
        else:
            # The pipeline may have run already or not.
            await until_status(desk.api, aicall, "terminated")
            ran = "progressing" in await statuses_of(desk.api, aicall)
            await assert_ended(desk.api, aicall, "hangup", RAN if ran else NEVER_RAN)


async def test_hang_up_while_a_tool_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = tmp_path / "calls.db"
    async with office(tmp_path, monkeypatch, database=str(database)) as desk:
        desk.openai.script = Script(lambda request: Reply(tool_calls=[("get_aicall_messages", {})]))
        aicall = await desk.new_aicall(tool_names=["all"], parameter={"greeting": "Hello."})
        async with dial(aicall["media_url"]) as phone:
            await phone.start()
            await phone.until(lambda: phone.of("mark"))
            while not await messages_of(desk, aicall):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            # The tool waits for the caller's words to be written, and another process holds the database.
            with closing(sqlite3.connect(database, isolation_level=None, check_same_thread=False)) as other:
                # In a thread: the server may hold the database itself, and needs this loop to let go of it.
                await asyncio.to_thread(other.execute, "BEGIN IMMEDIATE")
                await phone.say()
                await until(lambda: any(task.get_name() == f"flush-{aicall['id']}" for task in asyncio.all_tasks()))
                asked = len(desk.openai.requests_to("chat"))
                await phone.hang_up()
                other.execute("ROLLBACK")
        await assert_ended(desk.api, aicall, "hangup")
        roles = [role for role, _ in await messages_of(desk, aicall)]
        assert roles[:2] == ["assistant", "user"]
        [result] = [text for role, text in await messages_of(desk, aicall) if role == "tool"]
        assert "cancelled" in result
        assert len(desk.openai.requests_to("chat")) == asked


async def test_hang_up_during_the_goodbye(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with office(tmp_path, monkeypatch) as desk:
        goodbye = "Goodbye, and thank you for calling us today, it was a pleasure."
        desk.openai.script = Script([Reply(goodbye, tool_calls=[("stop_service", {})])])
        aicall = await desk.new_aicall(tool_names=["all"], parameter={"greeting": "Hello."})
        async with dial(aicall["media_url"]) as phone:
            await phone.start()
            await phone.until(lambda: phone.of("mark"))
            await phone.say()
            await phone.until_heard()
        await assert_ended(desk.api, aicall, "hangup")
        spoken = (await messages_of(desk, aicall))[-1]
        assert goodbye not in spoken[1]


async def test_what_the_caller_heard_before_the_hang_up_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with office(tmp_path, monkeypatch) as desk:
        aicall = await desk.new_aicall(parameter={"greeting": f"{GREETING} {GREETING}"})
        async with dial(aicall["media_url"]) as phone:
            await phone.start()
            await phone.until_heard(FRAME_BYTES * 60)
        await assert_ended(desk.api, aicall, "hangup")
        [(role, heard)] = await messages_of(desk, aicall)
        assert role == "assistant"
        assert heard
        assert f"{GREETING} {GREETING}".startswith(heard)
        assert heard != f"{GREETING} {GREETING}"
        kinds = [event["type"] for event in await events_of(desk.api, aicall)]
        assert kinds.index("aimessage_created") < kinds.index("aicall_status_terminated")
