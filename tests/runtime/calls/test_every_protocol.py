"""A call by every media protocol: the real server, and the phone system as the replay harness plays it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from adapters.media.clients.audiosocket import AudioSocketClient
from adapters.media.clients.base import MediaClient
from runtime.replay.call import Line, place_call
from runtime.replay.caller import Caller
from runtime.replay.record import CallRecord
from runtime.replay.script import AwaitReply, Dial, Say, Step
from runtime.replay.tcp_link import uuid_of
from runtime.replay.utterance import utterance_of
from tests.adapters.media.pairs import SETTINGS, Setting
from tests.pipelines.sounds import speech
from tests.runtime.calls.audiosocket_phones import announced_ports
from tests.runtime.calls.offices import GREETING, Office, assert_ended, events_of, office

QUESTION = "When are you open."
ANSWER = "We are open all day."
TCP = AudioSocketClient.name
BY_PROTOCOL = {setting.row.name: setting for setting in reversed(SETTINGS)}
"""One setting of each."""


def url_of(setting: Setting, aicall: dict[str, Any], port: int) -> str:
    if setting.row.name == TCP:
        return f"tcp://127.0.0.1:{port}/{aicall['audiosocket_uuid']}"
    query = dict(setting.wire.handshake.query)
    if not setting.wire.recognised:
        query["protocol"] = setting.row.name
    return str(aicall["media_url"]) + (f"?{urlencode(query)}" if query else "")


def client_of(setting: Setting, url: str) -> MediaClient:
    leg = replace(setting.wire.leg, sample_rate_hz=setting.sample_rate_hz)
    if setting.row.name == TCP:
        return AudioSocketClient(leg, uuid_of(url))
    return (setting.wire.client or setting.row.client)(leg)


async def call(desk: Office, setting: Setting, port: int) -> tuple[dict[str, Any], CallRecord]:
    """Hear the greeting, press a key, ask, hear the answer, hang up."""
    aicall = await desk.new_aicall(parameter={"dtmf_terminator": "#"})
    rate_hz = setting.sample_rate_hz
    url = url_of(setting, aicall, port)
    reply = AwaitReply(timeout_s=60.0, quiet_s=0.7)
    steps: list[Step] = [reply, Say(utterance_of("question", speech(rate_hz, QUESTION), rate_hz, rate_hz)), reply]
    if setting.wire.digits:
        steps += [Dial("42#"), reply]
    caller = Caller(client_of(setting, url), tuple(steps))
    line = Line(url, headers=setting.wire.handshake.headers, connect_timeout_s=30.0)
    return aicall, await place_call(line, caller)


@pytest.mark.parametrize("group", range(4))
async def test_a_call_by_every_protocol(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, group: int) -> None:
    settings = list(BY_PROTOCOL.values())[group::4]
    with announced_ports() as ports:
        await calls_by(settings, tmp_path, monkeypatch, ports)


async def calls_by(
    settings: Sequence[Setting], folder: Path, monkeypatch: pytest.MonkeyPatch, ports: Sequence[int]
) -> None:
    async with office(folder, monkeypatch, audiosocket_port=0) as desk:
        desk.deepgram.transcripts = lambda _: QUESTION
        desk.openai.script = type(desk.openai.script)(lambda _: ANSWER)
        outcomes = await asyncio.gather(*(call(desk, setting, ports[0]) for setting in settings))
        for setting, (aicall, record) in zip(settings, outcomes, strict=True):
            name = setting.wire.id
            assert record.failure is None, (name, record.failure)
            await assert_ended(desk.api, aicall, "hangup")
            said = [it["data"] for it in await events_of(desk.api, aicall) if it["type"] == "aimessage_created"]
            texts = [(it["role"], it["content"]) for it in said]
            assert texts[0] == ("assistant", GREETING), name
            assert ("assistant", ANSWER) in texts, (name, texts)
            if setting.wire.digits:
                assert any(role == "user" and "42" in text for role, text in texts), (name, texts)
