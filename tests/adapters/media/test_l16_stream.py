"""What begins a stream of a FreeSWITCH module, and how its audio is put together."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.media.base import AudioReceived, DtmfReceived, Handshake, Started
from adapters.media.l16_stream import L16Stream, read_metadata
from adapters.media.mod_audio_fork import ModAudioForkProtocol
from adapters.media.mod_audio_stream import ModAudioStreamProtocol
from models.errors import MediaProtocolError

RAW = pytest.mark.parametrize("protocol", [ModAudioForkProtocol, ModAudioStreamProtocol], ids=lambda it: it.name)


def _dialled(**query: str) -> Handshake:
    return Handshake("ws://h/ws/1/t", "/ws/1/t", {name.replace("_", "-"): value for name, value in query.items()})


def _fatal(protocol: L16Stream, message: str | bytes) -> bool:
    """Give a message that must be refused; returns whether fatally."""
    with pytest.raises(MediaProtocolError) as caught:
        protocol.receive(message)
    return caught.value.fatal


@RAW
@pytest.mark.parametrize(
    ("metadata", "parameters"),
    [
        ('{"campaign": "x", "n": 5, "list": [1]}', {"campaign": "x", "n": "5"}),
        ("any words", {"metadata": "any words"}),
        ("[1]", {"metadata": "[1]"}),
        ('"quoted"', {"metadata": '"quoted"'}),
    ],
)
def test_metadata_may_be_any_text(protocol: type[L16Stream], metadata: str, parameters: dict[str, str]) -> None:
    assert protocol().receive(metadata) == [Started("", "", "", 8000, parameters)]


@RAW
def test_metadata_may_be_missing(protocol: type[L16Stream]) -> None:
    stream = protocol.begin(_dialled(session="u1", sample_rate="16k", **{"from": "+1", "to": "100"}))
    assert stream.receive(b"\x01\x00") == [Started("u1", "u1", "", 16000, {}, "+1", "100"), AudioReceived(b"\x01\x00")]
    assert stream.receive(b"\x02\x00") == [AudioReceived(b"\x02\x00")]


@RAW
def test_an_empty_message_begins_a_stream_too(protocol: type[L16Stream]) -> None:
    stream = protocol()
    assert stream.receive(b"") == [Started("", "", "", 8000)]
    assert stream.receive(b"") == []


@RAW
@pytest.mark.parametrize("key", ["callSid", "callId", "callid", "call_id", "uuid"])
def test_metadata_names_the_call(protocol: type[L16Stream], key: str) -> None:
    metadata = {key: "u1", "accountSid": "AC1", "from": "+1", "to": 100}
    [started] = protocol.begin(_dialled(session="u2", **{"from": "+2"})).receive(json.dumps(metadata))
    parameters = {key: "u1", "accountSid": "AC1", "from": "+1", "to": "100"}
    assert started == Started("u1", "u1", "AC1", 8000, parameters, "+1", "100")


@RAW
@pytest.mark.parametrize(
    ("query", "said", "rate_hz"),
    [
        ("16000", None, 16000),
        ("16k", 8000, 16000),
        ("8k", None, 8000),
        ("", 16000, 16000),
        ("", "16k", 16000),
        ("", None, 8000),
    ],
)
def test_the_rate_is_the_urls_then_the_metadatas_then_8000(
    protocol: type[L16Stream], query: str, said: object, rate_hz: int
) -> None:
    stream = protocol.begin(_dialled(sample_rate=query))
    assert stream.sample_rate_hz == 0
    [started] = stream.receive(json.dumps({"a": "b"} if said is None else {"sampleRate": said}))
    assert isinstance(started, Started)
    assert started.sample_rate_hz == stream.sample_rate_hz == rate_hz


@RAW
@pytest.mark.parametrize("rate", [24000, "48k", "fast", 8000.5, True, "²"])
def test_other_rates_are_refused(protocol: type[L16Stream], rate: object) -> None:
    with pytest.raises(MediaProtocolError, match="8000 or 16000"):
        protocol().receive(json.dumps({"sampleRate": rate}))
    stream = protocol.begin(_dialled(sample_rate=str(rate)))
    assert _fatal(stream, b"\x00\x00")
    assert stream.send_audio(b"\x00\x00") == []
    assert not _fatal(stream, b"\x00\x00")


@RAW
@pytest.mark.parametrize("mix", ["stereo", "mixed", 2])
def test_only_the_caller_alone_is_taken(protocol: type[L16Stream], mix: object) -> None:
    assert _fatal(protocol(), json.dumps({"mixType": mix}))
    assert len(protocol().receive('{"mixType": "mono"}')) == 1


@RAW
@pytest.mark.parametrize(
    "wrong",
    ['{"a": "\\udc00"}', '{"callSid": "\\u0000"}', "\x00", "x" * 65_537, b"\x00" * 65_538],
    ids=["lone-surrogate", "nul-in-json", "nul", "long-text", "long-audio"],
)
def test_metadata_that_cannot_be_kept_is_refused(protocol: type[L16Stream], wrong: str | bytes) -> None:
    assert _fatal(protocol(), wrong)


@RAW
@given(audio=st.binary(max_size=200), cuts=st.lists(st.integers(0, 200), max_size=6))
def test_odd_bytes_wait_for_the_next_message(protocol: type[L16Stream], audio: bytes, cuts: list[int]) -> None:
    stream = protocol()
    stream.receive("start")
    edges = [0, *sorted(min(cut, len(audio)) for cut in cuts), len(audio)]
    arrived = b""
    for begin, end in pairwise(edges):
        events = stream.receive(audio[begin:end])
        assert all(isinstance(event, AudioReceived) and event.pcm for event in events)
        arrived += b"".join(event.pcm for event in events if isinstance(event, AudioReceived))
    assert arrived == audio[: len(audio) // 2 * 2]


@RAW
def test_later_text_is_the_operators_but_for_keys(protocol: type[L16Stream]) -> None:
    stream = protocol()
    stream.receive("start")
    for text in ("anything", "{}", '{"event":"other"}', "[" * 60_000):
        assert stream.receive(text) == []
    assert stream.receive('{"event":"dtmf","dtmf":"#","duration":1600}') == [DtmfReceived("#")]
    for wrong in ('{"event":"dtmf"}', '{"event":"dtmf","dtmf":5}', "x" * 65_537, b"\x00" * 65_538):
        assert not _fatal(stream, wrong)
    assert stream.receive(b"\x01\x00") == [AudioReceived(b"\x01\x00")]


def test_audio_is_no_metadata() -> None:
    assert read_metadata(b"\x00\x00") == {}
