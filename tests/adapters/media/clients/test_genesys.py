from __future__ import annotations

import json
from typing import Any

import pytest

from adapters.media.base import Message
from adapters.media.clients.base import CallLeg, Clear, Hangup, PlayAudio
from adapters.media.clients.genesys import GenesysClient
from adapters.media.codecs import ulaw_to_pcm
from adapters.media.genesys_wire import NIL_ID
from models.errors import InvalidField, MediaProtocolError

LEG = CallLeg("s1", "c1", "o1", from_="+1", to="100", parameters={"plan": "gold"})


class Server:
    """The server's side of one session, with its numbers."""

    def __init__(self, client: GenesysClient | None = None) -> None:
        self.client = client or GenesysClient(LEG)
        self.sent: list[dict[str, Any]] = []
        self.seq = 0

    def hears(self, messages: list[Message]) -> list[dict[str, Any]]:
        documents = [json.loads(message) for message in messages if isinstance(message, str)]
        self.sent += documents
        return documents

    def message(self, type_: str, parameters: dict[str, Any], /, **changes: Any) -> str:
        self.seq += 1
        envelope = {"version": "2", "id": "s1", "type": type_, "seq": self.seq, "clientseq": len(self.sent)}
        return json.dumps({**envelope, "parameters": parameters, **changes})

    def opens(self) -> Server:
        [open_] = self.hears(self.client.opening())
        self.client.receive(self.message("opened", {"media": open_["parameters"]["media"][:1]}))
        return self


def test_a_call_as_genesys_sends_it() -> None:
    server = Server().opens()
    client = server.client
    assert client.headers == {
        "audiohook-session-id": "s1",
        "audiohook-organization-id": "o1",
        "audiohook-correlation-id": "s1",
    }
    assert server.sent[0] == {
        "version": "2",
        "id": "s1",
        "type": "open",
        "seq": 1,
        "serverseq": 0,
        "position": "PT0.000S",
        "parameters": {
            "organizationId": "o1",
            "conversationId": "c1",
            "participant": {"id": "c1", "ani": "+1", "aniName": "", "dnis": "100"},
            "media": [{"type": "audio", "format": "PCMU", "channels": ["external"], "rate": 8000}],
            "language": "en-US",
            "inputVariables": {"plan": "gold"},
        },
    }
    assert client.send_audio(b"\x00\x00" * 1700) == [b"\xff" * 800] * 2
    server.hears(client.send_dtmf("5"))
    rest, close = client.send_stop()
    assert rest == b"\xff" * 800
    server.hears([close])
    dtmf, closing = server.sent[1:]
    assert (dtmf["seq"], dtmf["serverseq"], dtmf["position"], dtmf["parameters"]) == (2, 1, "PT0.200S", {"digit": "5"})
    assert (closing["type"], closing["position"], closing["parameters"]) == ("close", "PT0.300S", {"reason": "end"})
    assert client.receive(server.message("closed", {})) == []


def test_no_audio_leaves_before_the_session_is_open() -> None:
    client = GenesysClient(LEG)
    client.opening()
    assert client.send_audio(b"\x00\x00" * 1600) == []
    with pytest.raises(InvalidField):
        client.send_audio(b"\x00")


def test_the_caller_is_one_of_two_channels() -> None:
    server = Server(GenesysClient(LEG, [["internal", "external"]])).opens()
    [frame] = server.client.send_audio(b"\x00\x10" * 800)
    assert isinstance(frame, bytes)
    assert frame[::2] == b"\xff" * 800
    assert ulaw_to_pcm(frame[1:2]) == ulaw_to_pcm(frame[-1:])
    assert frame[1] != 0xFF


def test_what_it_hears() -> None:
    server = Server().opens()
    client = server.client
    assert client.receive(b"\xff\x7f\x00") == [PlayAudio(ulaw_to_pcm(b"\xff\x7f\x00"))]
    barge_in = {"entities": [{"type": "barge_in", "data": {}}]}
    assert client.receive(server.message("event", barge_in)) == [Clear()]
    assert client.receive(server.message("event", {"entities": [{"type": "transcript", "data": {}}]})) == []
    assert client.receive(server.message("updated", {})) == []
    server.hears(client.send_ping())
    assert client.receive(server.message("pong", {})) == []
    assert client.receive(server.message("disconnect", {"reason": "completed"})) == [Hangup()]


@pytest.mark.parametrize(
    ("type_", "parameters", "changes"),
    [
        ("updated", {}, {"seq": 1}),
        ("updated", {}, {"seq": 3}),
        ("updated", {}, {"clientseq": 2}),
        ("updated", {}, {"clientseq": None}),
        ("updated", {}, {"version": "1"}),
        ("updated", {}, {"id": "s2"}),
        ("updated", {}, {"parameters": None}),
        ("opened", {"media": []}, {}),
        ("closed", {}, {}),
        ("pong", {}, {}),
        ("event", {"entities": []}, {}),
        ("event", {"entities": [{"data": {}}]}, {}),
        ("event", {}, {}),
        ("disconnect", {"reason": "bored"}, {}),
        ("hangup", {}, {}),
    ],
)
def test_what_genesys_refuses(type_: str, parameters: dict[str, Any], changes: dict[str, Any]) -> None:
    server = Server().opens()
    with pytest.raises(MediaProtocolError):
        server.client.receive(server.message(type_, parameters, **changes))


def test_a_pong_answers_the_last_ping() -> None:
    server = Server().opens()
    server.hears(server.client.send_ping())
    with pytest.raises(MediaProtocolError):
        server.client.receive(server.message("pong", {}, clientseq=1))


@pytest.mark.parametrize("frame", [b"", b"\xff" * 64_001], ids=["empty", "long"])
def test_audio_has_a_size(frame: bytes) -> None:
    with pytest.raises(MediaProtocolError):
        Server().opens().client.receive(frame)


@pytest.mark.parametrize(
    "media",
    [
        None,
        [],
        [{"type": "audio", "format": "PCMU", "channels": ["internal"], "rate": 8000}],
        [{"type": "audio", "format": "PCMU", "channels": ["external"], "rate": 8000}] * 2,
    ],
)
def test_only_offered_media_can_be_chosen(media: object) -> None:
    server = Server()
    server.hears(server.client.opening())
    with pytest.raises(MediaProtocolError):
        server.client.receive(server.message("opened", {"media": media}))


def test_a_probe_needs_no_media() -> None:
    server = Server(GenesysClient(CallLeg("s1", NIL_ID)))
    server.hears(server.client.opening())
    assert server.client.receive(server.message("opened", {"media": []})) == []
    assert server.client.send_audio(b"\x00\x00" * 1600) == []
    server.hears(server.client.send_stop())
    assert server.client.receive(server.message("closed", {})) == []
