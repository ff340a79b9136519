"""A link on real sockets, against websockets' own server and against servers that misbehave."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import InvalidHandshake, InvalidStatus, InvalidURI
from websockets.frames import Frame, Opcode
from websockets.utils import accept_key

from adapters.media.base import Message
from runtime.replay.link import Link, open_link

pytestmark = pytest.mark.virtual_time


class Ear:
    """Notes what a link tells."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.closes: list[tuple[int | None, str]] = []
        self.pauses: list[bool] = []

    def received(self, message: Message) -> None:
        self.messages.append(message)

    def paused(self) -> None:
        self.pauses.append(True)

    def resumed(self) -> None:
        self.pauses.append(False)

    def closed(self, code: int | None, reason: str) -> None:
        self.closes.append((code, reason))


async def until(condition: Callable[[], object], limit_s: float = 5.0) -> None:
    async with asyncio.timeout(limit_s):
        while not condition():  # noqa: ASYNC110 - the conditions are of sockets and know no event
            await asyncio.sleep(0.01)


@asynccontextmanager
async def linked(
    handler: Callable[[ServerConnection], Awaitable[None]], **options: object
) -> AsyncIterator[tuple[Link, Ear]]:
    async with serve(handler, "127.0.0.1", 0, ping_interval=None, **options) as server:  # type: ignore[arg-type]
        link = await dial(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
        ear = Ear()
        try:
            link.listen(ear)
            yield link, ear
        finally:
            await link.hang_up(1.0)


async def dial(url: str, timeout_s: float = 2.0, subprotocol: str | None = None) -> Link:
    return await open_link(url, headers={"X-Key": "k"}, subprotocol=subprotocol, tls=None, timeout_s=timeout_s)


@asynccontextmanager
async def raw_server(answer: bytes) -> AsyncIterator[str]:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    async with await asyncio.start_server(handle, "127.0.0.1", 0) as server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


async def test_messages_go_both_ways_unchanged() -> None:
    async def echo(socket: ServerConnection) -> None:
        assert socket.request
        assert socket.request.headers["X-Key"] == "k"
        async for message in socket:
            await socket.send(message)

    sent = ["", "grüße", b"", b"\x00\xff" * 100, "x" * 70_000, b"y" * 126]
    async with linked(echo) as (link, ear):
        link.send(sent)
        await until(lambda: len(ear.messages) == len(sent))
        assert ear.messages == sent
    assert ear.closes == []


async def test_a_message_in_parts_comes_whole() -> None:
    async def speak(socket: ServerConnection) -> None:
        await socket.send(["one ", "two ", "three"])
        await socket.send([b"\x01", b"\x02"])
        await socket.wait_closed()

    async with linked(speak) as (_, ear):
        await until(lambda: len(ear.messages) == 2)
    assert ear.messages == ["one two three", b"\x01\x02"]


async def test_what_comes_before_the_owner_listens_is_not_lost() -> None:
    async def speak(socket: ServerConnection) -> None:
        await socket.send("early")
        await socket.close(4000, "that was all")

    async with serve(speak, "127.0.0.1", 0) as server:
        link = await dial(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
        await asyncio.sleep(0.2)
        ear = Ear()
        link.listen(ear)
        assert ear.messages == ["early"]
        assert ear.closes == [(4000, "that was all")]
        await link.hang_up(1.0)


@asynccontextmanager
async def wire_server(*pieces: bytes, cut_answer_at: int | None = None) -> AsyncIterator[str]:
    """Accepts, and writes these bytes behind its answer: each piece by itself, the first one with the answer's end."""
    over = asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        [key] = [line[19:].decode() for line in request.split(b"\r\n") if line.startswith(b"Sec-WebSocket-Key: ")]
        answer = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        answer += b"Sec-WebSocket-Accept: " + accept_key(key).encode() + b"\r\n\r\n"
        cut = len(answer) if cut_answer_at is None else cut_answer_at
        for piece in (answer[:cut], answer[cut:] + pieces[0], *pieces[1:]):
            writer.write(piece)
            await asyncio.sleep(0.01)  # of virtual time, which waits for the sockets: what is written arrives by itself
        await over.wait()
        writer.close()

    async with await asyncio.start_server(handle, "127.0.0.1", 0) as server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        over.set()


def text_frame(message: str, *, opcode: Opcode = Opcode.TEXT, fin: bool = True) -> bytes:
    return Frame(opcode, message.encode(), fin=fin).serialize(mask=False)


@pytest.mark.parametrize("cut_answer_at", [None, 1, 40, -1, -2, -3, -4, -5])
async def test_what_comes_with_the_answers_end_is_read(cut_answer_at: int | None) -> None:
    first, second = text_frame("one"), text_frame("x" * 300)
    pieces = (first + second[:1], second[1:3], second[3:] + text_frame("three"))
    ear = Ear()
    async with wire_server(*pieces, cut_answer_at=cut_answer_at) as url:
        link = await dial(url)
        link.listen(ear)
        await until(lambda: len(ear.messages) == 3)
        link.abort()
    assert ear.messages == ["one", "x" * 300, "three"]


async def test_all_kinds_of_frames_between_ordinary_ones() -> None:
    pieces = (
        text_frame("one") + text_frame("p", opcode=Opcode.PING) + text_frame("two"),
        text_frame("thr", fin=False) + text_frame("p", opcode=Opcode.PING),
        text_frame("ee", opcode=Opcode.CONT) + text_frame("four")[:3],
        text_frame("four")[3:] + Frame(Opcode.CLOSE, b"\x03\xe9bye").serialize(mask=False),
    )
    ear = Ear()
    async with wire_server(*pieces) as url:
        link = await dial(url)
        link.listen(ear)
        await until(lambda: ear.closes)
        link.abort()
    assert ear.messages == ["one", "two", "three", "four"]
    assert ear.closes == [(1001, "bye")]


async def test_several_messages_leave_in_their_order() -> None:
    heard: list[Message] = []

    async def listen(socket: ServerConnection) -> None:
        heard.extend([await socket.recv() for _ in range(3)])

    async with linked(listen) as (link, _):
        link.send([])
        link.send(["one", b"two"])
        link.send(["three"])
        await until(lambda: len(heard) == 3)
    assert heard == ["one", b"two", "three"]


async def test_the_far_ends_close_is_told_once_with_its_code() -> None:
    async def leave(socket: ServerConnection) -> None:
        await socket.close(1011, "pipeline lost")

    async with linked(leave) as (link, ear):
        await until(lambda: ear.closes)
        link.send(["nobody hears this"])
    assert ear.closes == [(1011, "pipeline lost")]


async def test_a_broken_connection_has_no_code() -> None:
    async def break_off(socket: ServerConnection) -> None:
        socket.transport.abort()

    async with linked(break_off) as (_, ear):
        await until(lambda: ear.closes)
    assert ear.closes == [(None, "")]


async def test_text_that_is_no_utf8_ends_the_connection() -> None:
    async def speak(socket: ServerConnection) -> None:
        socket.transport.write(Frame(Opcode.TEXT, b"\xff\xfe").serialize(mask=False))
        await socket.wait_closed()
        codes.append(socket.close_code)

    codes: list[int | None] = []
    async with linked(speak) as (_, ear):
        await until(lambda: ear.closes)
        await until(lambda: codes)
    assert ear.messages == []
    assert codes == [1007]


async def test_a_ping_is_answered() -> None:
    async def ping(socket: ServerConnection) -> None:
        await (await socket.ping())
        await socket.send("answered")

    async with linked(ping) as (_, ear):
        await until(lambda: ear.messages)
    assert ear.messages == ["answered"]


async def test_a_far_end_that_does_not_read_pauses_the_owner_until_it_does() -> None:
    async def nap(socket: ServerConnection) -> None:
        socket.transport.pause_reading()
        await asyncio.sleep(1.0)
        socket.transport.resume_reading()
        async for _ in socket:
            pass

    async with linked(nap, max_size=None) as (link, ear):
        link.send([b"x" * 1_000_000] * 12)
        assert ear.pauses == [True]
        await until(lambda: len(ear.pauses) == 2)
    assert ear.pauses == [True, False]


async def test_hanging_up_on_a_deaf_far_end_takes_no_longer_than_allowed() -> None:
    async def deaf(socket: ServerConnection) -> None:
        socket.transport.pause_reading()
        await asyncio.sleep(3.0)
        socket.transport.resume_reading()

    clock = asyncio.get_running_loop().time
    async with linked(deaf) as (link, ear):
        began_s = clock()
        await link.hang_up(1.0)
        assert clock() - began_s == pytest.approx(1.0, abs=0.1)
    assert ear.closes == []


async def test_an_http_answer_is_passed_on_with_its_body() -> None:
    answer = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 5\r\n\r\nbusy!"
    async with raw_server(answer) as url:
        with pytest.raises(InvalidStatus) as caught:
            await dial(url)
    assert caught.value.response.status_code == 503
    assert caught.value.response.body == b"busy!"


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-OpenSSH\r\n\r\n", b"HTTP/1.1 101 Switching Protocols\r\n\r\n"])
async def test_an_answer_that_is_no_handshake_is_refused(answer: bytes) -> None:
    async with raw_server(answer) as url:
        with pytest.raises((InvalidHandshake, EOFError)):
            await dial(url)


async def test_silence_is_waited_for_only_so_long() -> None:
    over = asyncio.Event()

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await over.wait()
        writer.close()

    async with await asyncio.start_server(hold, "127.0.0.1", 0) as server:
        with pytest.raises(TimeoutError):
            await dial(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/", timeout_s=0.5)
        over.set()


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "127.0.0.1", "ws://"])
async def test_only_websocket_urls_are_dialled(url: str) -> None:
    with pytest.raises(InvalidURI):
        await dial(url)


async def test_tls_is_spoken_and_verified(tmp_path: Path) -> None:
    server_side, client_side = tls_contexts(tmp_path)

    async def echo(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(message)

    async with serve(echo, "localhost", 0, ssl=server_side, family=socket.AF_INET) as server:
        url = f"wss://localhost:{server.sockets[0].getsockname()[1]}/"
        link = await open_link(url, headers={}, subprotocol=None, tls=client_side, timeout_s=5.0)
        ear = Ear()
        link.listen(ear)
        link.send(["over TLS", b"x" * 100_000])
        await until(lambda: len(ear.messages) == 2)
        await link.hang_up(1.0)
        with pytest.raises(ssl.SSLCertVerificationError):
            await dial(url)
    assert ear.messages == ["over TLS", b"x" * 100_000]
    assert ear.closes == []


def tls_contexts(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server with a certificate of its own for localhost, and a client that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = folder / "server.pem"
    plain = serialization.NoEncryption()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    pem.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(pem)
    return server_side, ssl.create_default_context(cafile=str(pem))
