from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import Protocol, State
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

from adapters.media.base import Message
from runtime.replay.frames import Control, Received, Rest, ServerFrames, client_frame

REQUEST = (
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def frame(opcode: Opcode, data: bytes, *, fin: bool = True, mask: bool = False) -> bytes:
    return Frame(opcode, data, fin=fin).serialize(mask=mask)


def text(message: str) -> bytes:
    return frame(Opcode.TEXT, message.encode())


def full() -> ClientProtocol:
    """The full implementation, with an open connection."""
    return ClientProtocol(parse_uri("ws://x/"), state=State.OPEN)


def server() -> ServerProtocol:
    """The other side, with an open connection."""
    peer = ServerProtocol(max_size=None)
    peer.receive_data(REQUEST)
    [request] = peer.events_received()
    assert isinstance(request, Request)
    peer.send_response(peer.accept(request))
    peer.data_to_send()
    return peer


def read(peer: Protocol, data: bytes) -> list[object]:
    peer.receive_data(data)
    frames = [event for event in peer.events_received() if isinstance(event, Frame)]
    return [(event.opcode, event.fin, bytes(event.data)) for event in frames]


@pytest.mark.parametrize("length", [0, 1, 125, 126, 127, 340, 65_535])
def test_whole_messages(length: int) -> None:
    reader = ServerFrames()
    assert reader.receive(text("ä" * (length // 2)) + frame(Opcode.BINARY, b"\x81" * length)) == [
        "ä" * (length // 2),
        b"\x81" * length,
    ]
    assert reader.receive(b"") == []


def test_a_message_in_pieces() -> None:
    reader = ServerFrames()
    wire = text("one") + text("x" * 300) + frame(Opcode.PING, b"p") + frame(Opcode.BINARY, b"end")
    received = [entry for at in range(len(wire)) for entry in reader.receive(wire[at : at + 1])]
    assert received == ["one", "x" * 300, Control(frame(Opcode.PING, b"p")), b"end"]


def test_a_long_message_in_pieces_does_not_slow_down_what_follows() -> None:
    reader = ServerFrames()
    wire = text("x" * 65_535) + text("after")
    received = [entry for at in range(0, len(wire), 1000) for entry in reader.receive(wire[at : at + 1000])]
    assert received == ["x" * 65_535, "after"]


@pytest.mark.parametrize(
    "odd",
    [
        frame(Opcode.TEXT, b"fragment", fin=False),
        frame(Opcode.CONT, b"fragment"),
        frame(Opcode.TEXT, b"masked", mask=True),
        b"\xc1\x00",
        frame(Opcode.TEXT, b"\xff\xfe"),
        frame(Opcode.BINARY, bytes(65_536)),
        frame(Opcode.CLOSE, struct.pack("!H", 1000)),
        b"\x89\x7e\x00\x80" + bytes(128),
        b"\x83\x00",
        b"\x82\x7f" + b"\xff" * 8,
    ],
    ids=["begin", "continuation", "masked", "rsv", "utf-8", "long", "close", "long ping", "opcode", "huge"],
)
def test_anything_else_is_left_to_the_full_implementation(odd: bytes) -> None:
    reader = ServerFrames()
    wire = text("one") + odd + text("two")
    assert reader.receive(wire[:3]) == []
    assert reader.receive(wire[3:]) == ["one", Rest(odd + text("two"))]


FRAMES = st.one_of(
    st.builds(text, st.text(max_size=200)),
    st.builds(lambda data: frame(Opcode.BINARY, data), st.binary(max_size=400)),
    st.builds(lambda length: frame(Opcode.BINARY, bytes(length)), st.integers(120, 2_000)),
    st.builds(lambda data: frame(Opcode.PONG, data), st.binary(max_size=125)),
    st.builds(lambda data: frame(Opcode.PING, data), st.binary(max_size=125)),
)
ODD_FRAMES = st.one_of(
    st.builds(lambda data, fin: frame(Opcode.TEXT, data, fin=fin), st.binary(max_size=20), st.booleans()),
    st.builds(lambda data, fin: frame(Opcode.CONT, data, fin=fin), st.binary(max_size=20), st.booleans()),
    st.builds(lambda code: frame(Opcode.CLOSE, struct.pack("!H", code)), st.integers(0, 5_000)),
    st.binary(max_size=20),
)


@given(
    st.lists(FRAMES, max_size=12), st.lists(FRAMES | ODD_FRAMES, max_size=6), st.lists(st.integers(1, 500), min_size=1)
)
def test_together_they_read_what_the_full_implementation_reads_alone(
    usual: list[bytes], odd: list[bytes], cuts: list[int]
) -> None:
    wire = b"".join(usual + odd)
    alone, behind, reader = full(), full(), ServerFrames()
    expected, got = read(alone, wire), list[object]()
    at, number, plain = 0, 0, True
    while at < len(wire):
        piece = wire[at : at + cuts[number % len(cuts)]]
        at, number = at + len(piece), number + 1
        entries: list[Received] = reader.receive(piece) if plain else [Rest(piece)]
        for entry in entries:
            match entry:
                case str():
                    got.append((Opcode.TEXT, True, entry.encode()))
                case bytes():
                    got.append((Opcode.BINARY, True, entry))
                case Control(whole):
                    got += read(behind, whole)
                case Rest(data):
                    plain = False
                    got += read(behind, data)
    assert got == expected
    # Of both, the pongs; with the masks, which are random, taken off.
    assert read(server(), b"".join(behind.data_to_send())) == read(server(), b"".join(alone.data_to_send()))
    alone.receive_eof()
    behind.receive_eof()
    assert (behind.state, behind.close_rcvd) == (alone.state, alone.close_rcvd)


MESSAGES = st.one_of(st.text(max_size=300), st.binary(max_size=300))


@given(st.lists(MESSAGES, max_size=8))
def test_a_server_reads_what_was_written(messages: list[Message]) -> None:
    wire = b"".join(client_frame(message) for message in messages)
    assert read(server(), wire) == [
        (Opcode.TEXT, True, message.encode()) if isinstance(message, str) else (Opcode.BINARY, True, message)
        for message in messages
    ]


@pytest.mark.parametrize("length", [0, 125, 126, 65_535, 65_536, 200_000])
def test_a_server_reads_messages_of_any_length(length: int) -> None:
    assert read(server(), client_frame(b"\x5a" * length)) == [(Opcode.BINARY, True, b"\x5a" * length)]


def test_each_message_has_a_mask_of_its_own() -> None:
    # Of 5000 random masks of 32 bits two are hardly ever equal; of a counter's, each byte would be far from even.
    masks = [client_frame(b"")[2:] for _ in range(5_000)]
    assert {len(mask) for mask in masks} == {4}
    assert len(set(masks)) > 4_990
    for place in range(4):
        assert len({mask[place] for mask in masks}) == 256
        assert sum(mask[place] for mask in masks) / len(masks) == pytest.approx(127.5, abs=6)
