"""The rules of AudioHook 2, as the documentation and the public reference implementation's own tests state them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.media.base import AudioReceived, DtmfReceived, Handshake, MediaEvent, Reply, Started, Stopped
from adapters.media.codecs import ulaw_to_pcm
from adapters.media.genesys import GenesysProtocol
from models.errors import MediaProtocolError
from tests.adapters.media.test_contract import json_values

SESSION = "e160e428-53e2-487c-977d-96989bf5c99d"
NIL = "00000000-0000-0000-0000-000000000000"
HANDSHAKE = Handshake(url="wss://h/ws/1/t", path="/ws/1/t", headers={"audiohook-session-id": SESSION})

Offers = list[list[str]]


class Genesys:
    """Genesys' side of one session, with its numbers."""

    def __init__(self, protocol: GenesysProtocol | None = None) -> None:
        self.protocol = protocol or GenesysProtocol.begin(HANDSHAKE)
        self.seq = 0
        self.answers: list[dict[str, Any]] = []

    def message(self, type_: str, parameters: dict[str, Any], /, **changes: Any) -> str:
        self.seq += 1
        envelope = {"version": "2", "id": SESSION, "type": type_, "seq": self.seq, "serverseq": len(self.answers)}
        return json.dumps({**envelope, "position": "PT0S", "parameters": parameters, **changes})

    def says(self, type_: str, parameters: dict[str, Any] | None = None, **changes: Any) -> list[MediaEvent]:
        """Send a message; returns the events, answers apart, which are kept."""
        events: list[MediaEvent] = []
        for event in self.protocol.receive(self.message(type_, parameters or {}, **changes)):
            if isinstance(event, Reply):
                self.answers += map(json.loads, event.messages)
            else:
                events.append(event)
        return events

    def opens(self, channels: Offers | None = None, **changes: Any) -> list[MediaEvent]:
        return self.says("open", {**_open(channels or [["external"]]), **changes})


def _media(channels: list[str]) -> dict[str, Any]:
    return {"type": "audio", "format": "PCMU", "channels": channels, "rate": 8000}


def _open(channels: Offers) -> dict[str, Any]:
    return {
        "organizationId": "d7934305-0972-4844-938e-9060eef73d05",
        "conversationId": "090eaa2f-72fa-480a-83e0-8667ff89c0ec",
        "participant": {
            "id": "883efee8-3d6c-4537-b500-6d7ca4b92fa0",
            "ani": "+1-555-555-1234",
            "dnis": "+1-800-555-6789",
        },
        "media": [_media(each) for each in channels],
    }


def _opened() -> Genesys:
    genesys = Genesys()
    genesys.opens()
    return genesys


def _refused(genesys: Genesys, message: str | bytes) -> bool:
    """Give a message that must be refused; returns whether fatally."""
    with pytest.raises(MediaProtocolError) as caught:
        genesys.protocol.receive(message)
    return caught.value.fatal


# Opening.


def test_an_open_is_answered_at_once_and_starts_the_stream() -> None:
    genesys = Genesys()
    [started] = genesys.opens(
        language="en-US",
        customConfig={"region": "eu", "retries": 3, "nested": {"a": 1}},
        inputVariables={"plan": "gold", "region": "us"},
    )
    assert started == Started(
        stream_id=SESSION,
        call_id="090eaa2f-72fa-480a-83e0-8667ff89c0ec",
        account_id="d7934305-0972-4844-938e-9060eef73d05",
        sample_rate_hz=8000,
        parameters={"language": "en-US", "region": "us", "retries": "3", "plan": "gold"},
        from_="+1-555-555-1234",
        to="+1-800-555-6789",
    )
    assert genesys.answers == [
        {
            "version": "2",
            "id": SESSION,
            "type": "opened",
            "seq": 1,
            "clientseq": 1,
            "parameters": {"media": [_media(["external"])], "startPaused": False},
        }
    ]


def test_the_answer_comes_before_the_start() -> None:
    genesys = Genesys()
    events = genesys.protocol.receive(genesys.message("open", _open([["external"]])))
    assert [type(event) for event in events] == [Reply, Started]


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        ([["external"]], ["external"]),
        ([["external", "internal"], ["external"], ["internal"]], ["external"]),
        ([["internal", "external"], ["internal"]], ["internal", "external"]),
        ([["external", "internal"]], ["external", "internal"]),
    ],
)
def test_one_of_the_offers_is_chosen_as_it_is(offered: Offers, chosen: list[str]) -> None:
    genesys = Genesys()
    genesys.opens(offered)
    assert genesys.answers[0]["parameters"]["media"] == [_media(chosen)]


def test_offers_that_do_not_fit_are_passed_over() -> None:
    genesys = Genesys()
    odd: list[Any] = [5, {}, {**_media(["external"]), "format": "L16"}, {**_media(["external"]), "rate": 16000}]
    odd += [{**_media(["external"]), "channels": channels} for channels in ("external", [1], ["external"] * 3)]
    assert len(genesys.opens(media=[*odd, _media(["external"])])) == 1
    assert genesys.answers[0]["parameters"]["media"] == [_media(["external"])]


@pytest.mark.parametrize(
    "changes",
    [
        {"media": [_media(["internal"])]},
        {"media": []},
        {"media": None},
        {"media": {}},
        {"media": [{**_media(["external"]), "rate": 16000}]},
        {"conversationId": None},
        {"organizationId": 5},
        {"participant": []},
        {"participant": {"ani": 5}},
        {"inputVariables": {"a": []}},
        {"inputVariables": []},
        {"customConfig": 5},
        {"language": 5},
    ],
)
def test_a_wrong_open_is_fatal(changes: dict[str, Any]) -> None:
    genesys = Genesys()
    assert _refused(genesys, genesys.message("open", {**_open([["external"]]), **changes}))
    assert not _refused(genesys, genesys.message("open", _open([["external"]])))
    assert genesys.protocol.send_audio(b"\x00\x00") == []


def test_languages_are_listed_where_they_are_asked_for() -> None:
    genesys = Genesys()
    genesys.opens(supportedLanguages=True)
    assert genesys.answers[0]["parameters"]["supportedLanguages"] == []


def test_a_second_open_changes_nothing() -> None:
    genesys = _opened()
    assert not _refused(genesys, genesys.message("open", {"media": []}))
    assert genesys.says("dtmf", {"digit": "1"}) == [DtmfReceived("1")]


# Numbers.


def test_every_message_is_numbered_and_names_the_last_one_of_the_other_side() -> None:
    genesys = _opened()
    genesys.says("ping")
    genesys.says("dtmf", {"digit": "1"})
    [event] = genesys.protocol.send_clear()
    assert [(answer["type"], answer["seq"], answer["clientseq"]) for answer in genesys.answers] == [
        ("opened", 1, 1),
        ("pong", 2, 2),
    ]
    assert json.loads(event)["seq"] == 3
    assert json.loads(event)["clientseq"] == 3


@pytest.mark.parametrize("seq", [0, 1, 3, 99])
def test_a_wrong_number_ends_the_session(seq: int) -> None:
    genesys = _opened()
    assert _refused(genesys, genesys.message("ping", {}, seq=seq))
    assert genesys.protocol.send_audio(b"\x00\x00") == []
    assert not _refused(genesys, genesys.message("ping", {}))


def test_the_first_message_is_number_one() -> None:
    genesys = Genesys()
    assert _refused(genesys, genesys.message("open", _open([["external"]]), seq=2))


def test_what_was_not_sent_cannot_have_been_seen() -> None:
    genesys = _opened()
    genesys.says("ping", serverseq=0)
    assert _refused(genesys, genesys.message("ping", {}, serverseq=3))


@pytest.mark.parametrize("named", [True, False], ids=["by-the-header", "by-the-open"])
def test_a_session_keeps_its_id(named: bool) -> None:
    other = "11111111-2222-4333-8444-555555555555"
    genesys = Genesys() if named else Genesys(GenesysProtocol())
    if named:
        assert _refused(genesys, genesys.message("open", _open([["external"]]), id=other))
    else:
        genesys.opens()
        assert _refused(genesys, genesys.message("ping", {}, id=other))


@pytest.mark.parametrize(
    "changes",
    [
        {"version": "1"},
        {"version": 2},
        {"id": None},
        {"type": ""},
        {"type": 5},
        {"seq": "2"},
        {"seq": -1},
        {"seq": True},
        {"seq": 2.0},
        {"serverseq": None},
        {"position": None},
        {"position": "1.5"},
        {"position": "PT1M"},
        {"position": "PT-1S"},
        {"parameters": None},
        {"parameters": []},
    ],
)
def test_what_is_no_message_is_dropped_and_not_counted(changes: dict[str, Any]) -> None:
    genesys = _opened()
    assert not _refused(genesys, genesys.message("ping", {}, **changes))
    genesys.seq -= 1
    assert genesys.says("dtmf", {"digit": "1"}) == [DtmfReceived("1")]


def test_an_unknown_message_is_dropped_and_counted() -> None:
    genesys = _opened()
    assert not _refused(genesys, genesys.message("transfer", {}))
    assert not _refused(genesys, genesys.message("dtmf", {"digit": "55"}))
    assert genesys.says("dtmf", {"digit": "1"}) == [DtmfReceived("1")]


# In the session.


def test_a_ping_is_answered_with_its_own_number() -> None:
    genesys = _opened()
    for rtt in ({}, {"rtt": "PT0.05S"}):
        assert genesys.says("ping", rtt) == []
        assert genesys.answers[-1] == {
            "version": "2",
            "id": SESSION,
            "type": "pong",
            "seq": len(genesys.answers),
            "clientseq": genesys.seq,
            "parameters": {},
        }


def test_an_update_is_confirmed() -> None:
    genesys = _opened()
    assert genesys.says("update", {"language": "es-ES"}) == []
    assert genesys.answers[-1]["type"] == "updated"


def test_notices_need_no_answer() -> None:
    genesys = _opened()
    for type_, parameters in (
        ("playback_started", {}),
        ("playback_completed", {}),
        ("error", {"code": 429, "message": "rate limit", "retryAfter": "PT3S"}),
        ("discarded", {"start": "PT6.3S", "discarded": "PT0.3S"}),
        ("paused", {}),
        ("resumed", {"start": "PT6S", "discarded": "PT2S"}),
    ):
        assert genesys.says(type_, parameters) == []
    assert len(genesys.answers) == 1


def test_audio_has_its_media_time() -> None:
    genesys = _opened()
    tone = b"\xff\x0d\x06\x0d\xff\x8d\x86\x8d" * 200
    for at_ms in (0, 200):
        assert genesys.protocol.receive(tone) == [AudioReceived(ulaw_to_pcm(tone), at_ms)]
    genesys.says("discarded", {"start": "PT0.4S", "discarded": "PT1.1S"})
    assert genesys.protocol.receive(tone) == [AudioReceived(ulaw_to_pcm(tone), 1500)]
    assert genesys.protocol.receive(b"") == []


@pytest.mark.parametrize("channels", [["external", "internal"], ["internal", "external"]])
def test_of_two_channels_the_callers_is_taken(channels: list[str]) -> None:
    genesys = Genesys()
    genesys.opens([channels])
    caller, other = bytes(range(100)), b"\x55" * 100
    pairs = zip(*((caller, other) if channels[0] == "external" else (other, caller)), strict=True)
    frame = b"".join(map(bytes, pairs))
    assert genesys.protocol.receive(frame) == [AudioReceived(ulaw_to_pcm(caller), 0)]
    [audio] = genesys.protocol.receive(frame)
    assert isinstance(audio, AudioReceived)
    assert audio.timestamp_ms == 100 * 1000 // 8000


def test_there_is_no_audio_in_a_pause() -> None:
    genesys = _opened()
    genesys.says("paused")
    assert not _refused(genesys, b"\xff" * 160)
    genesys.says("discarded", {"start": "PT0S", "discarded": "PT1S"})
    assert not _refused(genesys, b"\xff" * 160)
    for wrong in ({}, {"start": "PT1S"}, {"start": "PT1S", "discarded": "soon"}):
        assert not _refused(genesys, genesys.message("resumed", wrong))
    genesys.says("resumed", {"start": "PT1S", "discarded": "PT2S"})
    [audio] = genesys.protocol.receive(b"\xff" * 160)
    assert isinstance(audio, AudioReceived)
    assert audio.timestamp_ms == 3000


def test_there_is_no_audio_before_the_open() -> None:
    assert _refused(Genesys(), b"\xff" * 160)
    early = Genesys()
    assert _refused(early, early.message("ping", {}))


def test_an_oversized_message_is_dropped() -> None:
    genesys = _opened()
    assert not _refused(genesys, b"\xff" * 65_537)
    assert not _refused(genesys, "x" * 65_537)
    assert genesys.says("dtmf", {"digit": "1"}) == [DtmfReceived("1")]


def test_what_is_sent() -> None:
    protocol = _opened().protocol
    assert protocol.send_audio(b"\x00\x00" * 1600) == [b"\xff" * 1600]
    [event] = protocol.send_clear()
    assert json.loads(event) == {
        "version": "2",
        "id": SESSION,
        "type": "event",
        "seq": 2,
        "clientseq": 1,
        "parameters": {"entities": [{"type": "barge_in", "data": {}}]},
    }


def test_audio_stays_within_five_messages_a_second() -> None:
    assert GenesysProtocol.capabilities.frame_ms * 5 == 1000


# Closing.


@pytest.mark.parametrize("reason", ["end", "error", "disconnect", "reconnect"])
def test_a_close_is_answered_and_ends_the_stream(reason: str) -> None:
    genesys = _opened()
    assert genesys.says("close", {"reason": reason}) == [Stopped(reason)]
    assert (genesys.answers[-1]["type"], genesys.answers[-1]["clientseq"]) == ("closed", 2)
    assert genesys.protocol.send_hangup() == genesys.protocol.send_clear() == []
    assert not _refused(genesys, genesys.message("ping", {}))


def test_a_close_without_a_proper_reason_is_one_too() -> None:
    assert _opened().says("close", {"reason": 5}) == [Stopped("")]


def test_a_close_right_behind_a_ping() -> None:
    genesys = _opened()
    genesys.says("ping", serverseq=1)
    assert genesys.says("close", {"reason": "end"}, serverseq=1) == [Stopped("end")]
    assert [answer["type"] for answer in genesys.answers] == ["opened", "pong", "closed"]


def test_the_server_asks_genesys_to_close_and_answers_its_close() -> None:
    genesys = _opened()
    [message] = genesys.protocol.send_hangup()
    disconnect = json.loads(message)
    assert (disconnect["type"], disconnect["parameters"]) == ("disconnect", {"reason": "completed"})
    assert genesys.protocol.send_hangup() == []
    genesys.answers.append(disconnect)
    assert genesys.says("close", {"reason": "disconnect"}) == [Stopped("disconnect")]
    assert genesys.answers[-1]["seq"] == 3
    assert GenesysProtocol.capabilities.goodbye_s > 0


# Connection probes.


@pytest.mark.parametrize("channels", [[], [["external", "internal"], ["external"]]], ids=["without-media", "offered"])
def test_a_probe_is_answered_and_starts_no_stream(channels: Offers) -> None:
    genesys = Genesys()
    media = [_media(each) for each in channels]
    participant = {"id": NIL, "ani": "", "aniName": "", "dnis": ""}
    assert genesys.opens(conversationId=NIL, participant=participant, media=media) == []
    assert genesys.says("ping") == genesys.says("error", {"code": 500, "message": ""}) == []
    assert not _refused(genesys, genesys.message("open", _open([["external"]])))
    assert genesys.protocol.send_audio(b"\x00\x00") == genesys.protocol.send_hangup() == []
    assert genesys.says("close", {"reason": "end"}) == []
    assert [answer["type"] for answer in genesys.answers] == ["opened", "pong", "closed"]
    assert genesys.answers[0]["parameters"]["media"] == []
    assert not _refused(genesys, genesys.message("ping", {}))


# Recognising.


def test_what_it_recognises() -> None:
    assert GenesysProtocol.matches_handshake(HANDSHAKE)
    assert not GenesysProtocol.matches_handshake(Handshake(url="wss://h/", path="/"))
    genesys = Genesys()
    assert GenesysProtocol.matches_message(genesys.message("open", _open([["external"]])))
    for other in (genesys.message("ping", {}), '{"event":"start"}', "x", b"\xff", '{"type":"open"}'):
        assert not GenesysProtocol.matches_message(other)


# Anything in the parameters.


@given(
    type_=st.sampled_from(["open", "close", "ping", "dtmf", "update", "paused", "resumed", "discarded", "error"]),
    parameters=st.dictionaries(
        st.sampled_from([*_open([]), "inputVariables", "customConfig", "reason", "digit", "start", "discarded"]),
        json_values,
        max_size=5,
    ),
    opened=st.booleans(),
)
def test_no_parameters_raise_anything_else(type_: str, parameters: dict[str, Any], opened: bool) -> None:
    genesys = _opened() if opened else Genesys()
    if type_ == "open":
        parameters = {**_open([["external"]]), **parameters}
    fatal = False
    try:
        genesys.says(type_, parameters)
    except MediaProtocolError as error:
        fatal = error.fatal
    assert not (opened and fatal)
