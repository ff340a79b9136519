import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol

from runtime.calls.plain_frames import Control, PlainFrames, Received, Rest

MASK = b"\x11\x22\x44\x88"
REQUEST = (
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def frame(opcode: Opcode, data: bytes, *, fin: bool = True, mask: bool = True) -> bytes:
    wire = bytearray(Frame(opcode, data, fin=fin).serialize(mask=False))
    if not mask:
        return bytes(wire)
    # The same mask each time, so that frames can be compared.
    head = len(wire) - len(data)
    wire[1] |= 0x80
    masked = bytes(byte ^ MASK[index % 4] for index, byte in enumerate(data))
    return bytes(wire[:head]) + MASK + masked


def full() -> ServerProtocol:
    """The full implementation, with an open connection."""
    conn = ServerProtocol(max_size=1_048_576)
    conn.receive_data(REQUEST)
    [request] = conn.events_received()
    assert isinstance(request, Request)
    conn.send_response(conn.accept(request))
    conn.data_to_send()
    return conn


def text(message: str) -> bytes:
    return frame(Opcode.TEXT, message.encode())


@pytest.mark.parametrize("length", [0, 1, 125, 126, 127, 340, 65_535])
def test_whole_messages(length: int) -> None:
    reader = PlainFrames()
    assert reader.receive(text("ä" * (length // 2)) + frame(Opcode.BINARY, b"\x81" * length)) == [
        "ä" * (length // 2),
        b"\x81" * length,
    ]
    assert reader.receive(b"") == []


def test_a_message_in_pieces() -> None:
    reader, wire = (
        PlainFrames(),
        text("one") + text("x" * 300) + frame(Opcode.PING, b"p") + frame(Opcode.BINARY, b"end"),
    )
    received = [entry for at in range(len(wire)) for entry in reader.receive(wire[at : at + 1])]
    assert received == ["one", "x" * 300, Control(frame(Opcode.PING, b"p")), b"end"]


@pytest.mark.parametrize(
    "odd",
    [
        frame(Opcode.TEXT, b"fragment", fin=False),
        frame(Opcode.CONT, b"fragment"),
        frame(Opcode.TEXT, b"not masked", mask=False),
        b"\xc1\x80" + bytes(4),
        frame(Opcode.TEXT, b"\xff\xfe"),
        frame(Opcode.BINARY, bytes(65_536)),
        frame(Opcode.CLOSE, struct.pack("!H", 1000)),
        b"\x89\xfe\x00\x80" + bytes(4 + 128),
        b"\x83\x80" + bytes(4),
        b"\x82\xff" + b"\xff" * 8,
        frame(Opcode.BINARY, bytes(5_000))[:100],
    ],
    ids=["begin", "continuation", "unmasked", "rsv", "utf-8", "long", "close", "long ping", "opcode", "huge", "pieces"],
)
def test_anything_else_is_left_to_the_full_implementation(odd: bytes) -> None:
    reader = PlainFrames()
    wire = text("one") + odd + text("two")
    assert reader.receive(wire[:3]) == []
    assert reader.receive(wire[3:]) == ["one", Rest(odd + text("two"))]


FRAMES = st.one_of(
    st.builds(text, st.text(max_size=200)),
    st.builds(lambda data: frame(Opcode.BINARY, data), st.binary(max_size=400)),
    st.builds(lambda data: frame(Opcode.PONG, data), st.binary(max_size=125)),
    st.builds(lambda data: frame(Opcode.PING, data), st.binary(max_size=125)),
    st.builds(lambda data, fin: frame(Opcode.TEXT, data, fin=fin), st.binary(max_size=20), st.booleans()),
    st.builds(lambda data: frame(Opcode.CONT, data), st.binary(max_size=20)),
    st.binary(max_size=20),
)


def read(conn: ServerProtocol, data: bytes) -> list[object]:
    conn.receive_data(data)
    frames = [event for event in conn.events_received() if isinstance(event, Frame)]
    return [(event.opcode, event.fin, bytes(event.data)) for event in frames]


@given(st.lists(FRAMES, max_size=12), st.lists(st.integers(1, 500), min_size=1, max_size=30))
def test_together_they_read_what_the_full_implementation_reads_alone(frames: list[bytes], cuts: list[int]) -> None:
    wire, alone, behind, reader = b"".join(frames), full(), full(), PlainFrames()
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
    if not plain:
        assert (behind.state, behind.close_sent) == (alone.state, alone.close_sent)
