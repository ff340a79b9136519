"""What every media protocol must do, whichever it is: the contract of `adapters.media.base` and `clients.base`."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.media.base import AudioReceived, DtmfReceived, MarkPolicy, MarkReached, Started, Stopped
from adapters.media.clients.base import Clear, Dtmf, Hangup, Mark
from adapters.media.playout import PlayoutBuffer
from adapters.media.registry import choose
from models.errors import InvalidField, MediaProtocolError
from tests.adapters.media.pairs import SETTINGS, Pair, Setting

pytestmark = pytest.mark.parametrize("setting", SETTINGS, ids=lambda s: s.wire.id)

GARBAGE = [
    "",
    "not json",
    "{",
    "[]",
    "null",
    "{}",
    "\ufeff{}",
    '{"event":null}',
    '{"event":["media"]}',
    '{"event":"nonsense"}',
    '{"event":"mark"}',
    '{"event":"mark","mark":[],"name":[]}',
    '{"event":"mark","mark":{"name":""},"name":""}',
    '{"event":"mark","mark":{"name":"\\ud800"},"name":"\\ud800"}',
    '{"event":"mark","mark":{"name":"\\u0000"},"name":"\\u0000"}',
    json.dumps({"event": "mark", "mark": {"name": "x" * 1025}, "name": "x" * 1025}),
    '{"event":"dtmf"}',
    '{"event":"dtmf","dtmf":{"digit":"55"},"digit":"55"}',
    '{"event":"dtmf","dtmf":{"digit":"x"},"digit":"x"}',
    '{"event":"dtmf","dtmf":{"digit":5},"digit":5}',
    "[" * 60_000,
    '{"event":' + "9" * 6_000 + "}",
    json.dumps({"event": "mark", "mark": {"name": "m"}, "name": "m", "padding": "x" * 65_536}),
    b"\x00",
    b"\x00" * 65_537,
]

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
# fmt: off
keys = st.sampled_from([
    "event", "start", "media", "mark", "dtmf", "stop", "streamSid", "payload", "name", "digit", "digits",
    "sample_rate", "mediaFormat", "customParameters", "parameters", "callSid", "call_id", "from", "track",
    "timestamp", "reason",
])
# fmt: on
events = st.sampled_from(["connected", "start", "media", "mark", "dtmf", "stop", "clear", "hangup", "nonsense"])
likely_values = st.one_of(
    events, json_values, st.dictionaries(keys, json_values, max_size=4), st.sampled_from(["MZ1", "/w==", 8000])
)
documents = st.builds(
    lambda fields, event: {**fields, "event": event}, st.dictionaries(keys, likely_values, max_size=5), events
)
wild_messages = st.one_of(
    st.text(max_size=40), st.binary(max_size=40), json_values.map(json.dumps), documents.map(json.dumps)
)
samples = st.lists(st.integers(-32768, 32767), max_size=700).map(
    lambda values: b"".join(value.to_bytes(2, "little", signed=True) for value in values)
)


def wire_document(message: str) -> str | dict[str, object]:
    """A text message's JSON object, or the text where the protocol has another form."""
    try:
        document = json.loads(message)
    except ValueError:
        return message
    return document if isinstance(document, dict) else message


def whole_frames(setting: Setting, pcm: bytes) -> bytes:
    """Audio as the runtime hands it to a protocol: whole frames where the phone system takes nothing else."""
    return pcm + bytes(-len(pcm) % setting.grain_bytes)


def _receive_any(pair: Pair, message: str | bytes) -> tuple[bool, bool]:
    """Give the server a message; returns (the stream was stopped, the error was fatal)."""
    try:
        received = pair.server.receive(message)
    except MediaProtocolError as error:
        return False, error.fatal
    return any(isinstance(event, Stopped) for event in received), False


def test_the_start_says_who_calls_and_how(setting: Setting) -> None:
    pair = setting.pair()
    started, *heard = pair.deliver(pair.client.opening())
    assert isinstance(started, Started)
    assert all(isinstance(event, AudioReceived) for event in heard)
    leg = pair.leg
    assert (started.stream_id, started.call_id, started.account_id) == (leg.stream_id, leg.call_id, leg.account_id)
    assert started.sample_rate_hz == pair.server.sample_rate_hz == leg.sample_rate_hz
    assert (started.from_, started.to) == (leg.from_, leg.to)
    assert {name: started.parameters[name] for name in leg.parameters} == leg.parameters


def test_a_connection_is_recognised_by_its_first_message(setting: Setting) -> None:
    first = setting.pair().client.opening()[0]
    handshake = setting.wire.handshake
    if not setting.wire.recognised:
        assert choose(handshake, forced=setting.row.name) is setting.row.protocol
        return
    found = choose(handshake, first)
    if found is None:
        found = choose(handshake, setting.pair().client.opening()[1])
    assert found is setting.row.protocol


def test_client_and_server_agree_on_name_and_subprotocol(setting: Setting) -> None:
    protocol, client = setting.row.protocol, setting.row.client
    assert (client.name, client.subprotocol) == (protocol.name, protocol.subprotocol)


@given(chunks=st.lists(samples, max_size=4))
def test_caller_audio_arrives_bit_exact(setting: Setting, chunks: list[bytes]) -> None:
    pair = setting.open_pair()
    arrived = b"".join(pair.caller_audio(pair.client.send_audio(chunk)) for chunk in chunks)
    said = setting.codec(b"".join(chunks))
    # What is less than a frame waits for the next one.
    assert len(said) - len(arrived) < setting.frame_bytes
    arrived += pair.caller_audio(pair.client.send_audio(bytes(setting.second_bytes // 10)))
    assert arrived[: len(said)] == said


@given(chunks=st.lists(samples, max_size=4))
def test_bot_audio_arrives_bit_exact(setting: Setting, chunks: list[bytes]) -> None:
    pair = setting.open_pair()
    chunks = [whole_frames(setting, chunk) for chunk in chunks]
    arrived = b"".join(pair.bot_audio(pair.server.send_audio(chunk)) for chunk in chunks)
    assert arrived == setting.bot_codec(b"".join(chunks))


@given(pcm=samples.filter(bool))
def test_less_than_a_frame_is_filled_with_silence_where_only_whole_ones_are_taken(setting: Setting, pcm: bytes) -> None:
    pair = setting.open_pair()
    sent = pair.server.send_audio(pcm)
    whole = whole_frames(setting, pcm)
    assert pair.bot_audio(sent) == setting.bot_codec(whole)
    if setting.row.capabilities.exact_frames:
        assert len(sent) == len(whole) // setting.frame_bytes


@pytest.mark.parametrize("duration_ms", [20, 1000, 1020, 3300])
def test_long_audio_is_cut_to_what_the_phone_system_takes(setting: Setting, duration_ms: int) -> None:
    pair = setting.open_pair()
    pcm = (bytes(range(1, 201)) * setting.second_bytes)[: setting.second_bytes * duration_ms // 1000]
    pcm = whole_frames(setting, pcm)
    sent = pair.server.send_audio(pcm)
    capabilities = setting.row.capabilities
    longest_ms = capabilities.frame_ms if capabilities.exact_frames else capabilities.max_audio_ms
    assert len(sent) == -(-len(pcm) * 1000 // (setting.second_bytes * longest_ms))
    assert max(len(message) for message in sent) <= setting.row.capabilities.max_message_bytes
    assert pair.bot_audio(sent) == setting.bot_codec(pcm)
    # What is less than a frame of the phone system's waits for more.
    heard = pair.caller_audio(pair.client.send_audio(pcm) + pair.client.send_audio(bytes(setting.second_bytes // 10)))
    assert heard[: len(pcm)] == setting.codec(pcm)


def test_half_a_sample_is_not_sent(setting: Setting) -> None:
    pair = setting.open_pair()
    for pcm in (b"\x00", b"\x00" * (setting.second_bytes + 1)):
        with pytest.raises(InvalidField):
            pair.server.send_audio(pcm)
        with pytest.raises(InvalidField):
            pair.client.send_audio(pcm)
    assert pair.usable()


def test_no_audio_is_no_message(setting: Setting) -> None:
    pair = setting.open_pair()
    assert pair.server.send_audio(b"") == []
    assert pair.client.send_audio(b"") == []


def test_digits_of_the_caller(setting: Setting) -> None:
    pair = setting.open_pair()
    for digit in setting.wire.digits:
        assert pair.deliver(pair.client.send_dtmf(digit)) == [DtmfReceived(digit)]
    for wrong in ("", "55", "x", "٣") if setting.wire.digits else ():
        with pytest.raises(InvalidField):
            pair.client.send_dtmf(wrong)


def test_digits_to_the_far_end(setting: Setting) -> None:
    pair = setting.open_pair()
    expected = "12#" if setting.row.capabilities.dtmf_out else ""
    pressed = pair.answer(pair.server.send_dtmf("12#"))
    assert "".join(event.digits for event in pressed if isinstance(event, Dtmf)) == expected
    assert len(pressed) <= len(expected)
    if expected:
        for wrong in ("", "1x"):
            with pytest.raises(InvalidField):
                pair.server.send_dtmf(wrong)


def test_hang_up(setting: Setting) -> None:
    pair = setting.open_pair()
    expected = [Hangup()] if setting.row.capabilities.hangup_in_band else []
    assert pair.answer(pair.server.send_hangup()) == expected


def test_marks_go_out_and_come_back(setting: Setting) -> None:
    pair = setting.open_pair()
    for name in ("m1", *setting.wire.mark_names):
        if setting.row.capabilities.marks is MarkPolicy.NONE:
            assert pair.server.send_mark(name) == []
            assert pair.client.send_mark_reached(name) == []
        else:
            assert pair.answer(pair.server.send_mark(name)) == [Mark(name)]
            assert pair.deliver(pair.client.send_mark_reached(name)) == [MarkReached(name)]


def test_a_flush_drops_audio_and_settles_marks_as_the_capabilities_say(setting: Setting) -> None:
    pair = setting.open_pair()
    marks = setting.row.capabilities.marks
    buffer = PlayoutBuffer(setting.sample_rate_hz)
    piece = b"\x00\x10" * (setting.sample_rate_hz * 6 // 10)
    for name in ("played", "pending", "last"):
        buffer.push(pair.bot_audio(pair.server.send_audio(piece)), 0.0)
        for event in pair.answer(pair.server.send_mark(name)):
            assert isinstance(event, Mark)
            buffer.mark(event.name)
    played = buffer.pull(0.9)
    assert played.marks == ([] if marks is MarkPolicy.NONE else ["played"])
    if not setting.row.capabilities.flush:
        assert pair.server.send_clear() == []
        return
    assert pair.answer(pair.server.send_clear()) == [Clear()]
    assert pair.deliver(pair.client.send_cleared()) == []
    flushed = buffer.clear(0.9)
    echoed = played.marks + (flushed if marks is MarkPolicy.ECHOED else [])
    returned = [event for name in echoed for event in pair.deliver(pair.client.send_mark_reached(name))]
    assert returned == [MarkReached(name) for name in echoed]
    assert not any(buffer.pull(2.5).pcm)


def test_nothing_is_sent_outside_of_the_stream(setting: Setting) -> None:
    pair = setting.pair()

    def sent() -> list[str | bytes]:
        server = pair.server
        return [
            *server.send_audio(b"\x00\x00"),
            *server.send_mark("m"),
            *server.send_clear(),
            *server.send_dtmf("1"),
            *server.send_hangup(),
        ]

    assert sent() == []
    pair.deliver(pair.client.opening())
    during = sent()
    assert during != []
    pair.answer(during)
    if setting.wire.stops:
        pair.deliver(pair.client.send_stop())
        assert sent() == []


def test_stop_is_the_last_event(setting: Setting) -> None:
    pair = setting.open_pair()
    if not setting.wire.stops:
        assert pair.client.send_stop("hangup") == []
        return
    *_, stopped = pair.deliver(pair.client.send_stop("hangup"))
    assert isinstance(stopped, Stopped)
    other = setting.open_pair().client
    late = other.send_dtmf(setting.wire.digits[0]) if setting.wire.digits else []
    for message in (*other.send_stop(), *late, *setting.pair().client.opening()[-1:]):
        with pytest.raises(MediaProtocolError) as caught:
            pair.server.receive(message)
        assert not caught.value.fatal


def test_content_before_the_start_is_fatal(setting: Setting) -> None:
    frame = b"\x00\x10" * (setting.frame_bytes // 2)
    for early in ("send_dtmf", "send_mark_reached", "send_audio", "send_stop"):
        pair = setting.pair()
        opening = pair.client.opening()
        if early == "send_dtmf" and not setting.wire.digits:
            continue
        argument = {"send_audio": frame, "send_stop": "bye"}.get(early, "1")
        messages = getattr(pair.client, early)(argument)
        if not messages:
            continue
        if not setting.wire.starts:
            assert isinstance(pair.server.receive(messages[0])[0], Started)
            continue
        if early in setting.wire.early:
            assert pair.deliver(messages) == []
            assert pair.deliver(opening)[1:] == setting.open_pair().deliver(messages)
            continue
        with pytest.raises(MediaProtocolError) as caught:
            pair.server.receive(messages[0])
        assert caught.value.fatal
        with pytest.raises(MediaProtocolError):
            pair.deliver(opening)


def test_a_second_start_is_dropped(setting: Setting) -> None:
    pair = setting.open_pair()
    start = pair.client.opening()[setting.wire.second_start]
    if not setting.wire.starts:
        assert pair.deliver([start]) == []
        return
    with pytest.raises(MediaProtocolError) as caught:
        pair.server.receive(start)
    assert not caught.value.fatal
    assert pair.usable()


@pytest.mark.parametrize("garbage", GARBAGE, ids=lambda g: repr(g[:40]))
def test_garbage_is_dropped_and_the_stream_goes_on(setting: Setting, garbage: str | bytes) -> None:
    pair = setting.open_pair()
    if setting.wire.reads(garbage):
        pair.deliver([garbage])
        assert pair.usable()
        return
    with pytest.raises(MediaProtocolError) as caught:
        pair.server.receive(garbage)
    assert not caught.value.fatal
    with pytest.raises(MediaProtocolError):
        pair.client.receive(garbage)
    assert pair.usable()


@given(before=st.booleans(), messages=st.lists(wild_messages, max_size=5))
def test_no_input_raises_anything_else(setting: Setting, before: bool, messages: list[str | bytes]) -> None:
    pair = setting.pair()
    opening = pair.client.opening()
    if not before:
        pair.deliver(opening)
    over = False
    for message in messages:
        stopped, fatal = _receive_any(pair, message)
        over |= stopped or fatal
        if not over and not before:
            assert pair.usable()
    if over:
        assert pair.server.send_audio(b"\x00\x00") == []


@given(message=wild_messages)
def test_first_messages_of_any_kind_are_told_apart(setting: Setting, message: str | bytes) -> None:
    assert isinstance(setting.row.protocol.matches_message(message), bool)


@given(message=wild_messages)
def test_the_client_raises_nothing_else_either(setting: Setting, message: str | bytes) -> None:
    pair = setting.open_pair()
    try:
        pair.client.receive(message)
    except MediaProtocolError as error:
        assert error.message  # noqa: PT017 - both outcomes are right


@given(data=st.data())
def test_broken_copies_of_real_messages(setting: Setting, data: st.DataObject) -> None:
    pair = setting.pair()
    running = setting.open_pair().client
    real = [
        *pair.client.opening(),
        *(running.send_dtmf("5") if setting.wire.digits else []),
        *running.send_mark_reached("m"),
        *running.send_audio(b"\x00\x10" * (setting.frame_bytes // 2)),
        *running.send_stop(),
    ]
    at = data.draw(st.integers(0, len(real) - 1))
    pair.deliver(real[:at])
    message = real[at]
    document = message if isinstance(message, bytes) else wire_document(message)
    if not isinstance(document, dict):
        _receive_any(pair, document[: data.draw(st.integers(0, len(document)))])
        return
    inner = document.get(str(document.get("event")))
    holder = inner if isinstance(inner, dict) and inner and data.draw(st.booleans()) else document
    key = data.draw(st.sampled_from(sorted(holder)))
    if data.draw(st.booleans()):
        del holder[key]
    else:
        holder[key] = data.draw(json_values)
    _receive_any(pair, json.dumps(document))
