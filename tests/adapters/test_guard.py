from __future__ import annotations

import asyncio
import ipaddress
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.guard import AddressGuard, ForbiddenAddress, allows_private, guarded_client, is_public, resolve
from models.errors import InvalidField
from tests.standins.certificate import self_signed

TLS = ssl.create_default_context()
PUBLIC = ["93.184.215.14", "8.8.8.8", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "64:ff9b::808:808", "::ffff:8.8.8.8"]
NOT_PUBLIC = [
    "0.0.0.0",
    "10.1.2.3",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "168.63.129.16",
    "169.254.169.254",
    "172.16.0.1",
    "192.0.0.192",
    "192.168.1.1",
    "198.18.0.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_addresses_that_are_not_public(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


PRIVATE_V4 = st.one_of(
    *(
        st.ip_addresses(v=4, network=network)
        for network in ("10.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16", "224.0.0.0/3")
    )
)


@given(address=PRIVATE_V4, prefix=st.sampled_from([0xFFFF << 32, 0x64FF9B << 96, 0]))
def test_a_private_address_stays_private_inside_of_another(address: ipaddress.IPv4Address, prefix: int) -> None:
    assert not is_public(address)
    assert not is_public(ipaddress.IPv6Address(prefix | int(address)))
    assert not is_public(ipaddress.IPv6Address((0x2002 << 112) | (int(address) << 80)))


@given(address=st.ip_addresses())
def test_what_counts_as_public_is_never_what_python_calls_otherwise(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    if is_public(address):
        assert not any((address.is_private, address.is_loopback, address.is_link_local, address.is_multicast))


@pytest.mark.parametrize(
    ("value", "allowed"), [("true", True), ("TRUE", True), ("", False), ("1", False), ("no", False)]
)
def test_the_switch(value: str, allowed: bool) -> None:
    assert allows_private({"AICALL_ALLOW_PRIVATE_ENDPOINTS": value}) is allowed
    assert not allows_private({})


# Names.


class Names:
    """A name server; notes what it is asked, and answers the next of its answers each time."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, int]] = []

    async def __call__(self, host: str, port: int) -> list[str]:
        self.asked.append((host, port))
        if not self.answers:
            raise OSError("no such host")
        return self.answers.pop(0)


async def test_a_host_with_public_addresses_only() -> None:
    names = Names(["93.184.215.14", "2606:4700::1"])
    assert await AddressGuard(resolve=names).addresses("example.com", 443) == ["93.184.215.14", "2606:4700::1"]
    assert names.asked == [("example.com", 443)]


@pytest.mark.parametrize("address", NOT_PUBLIC)
async def test_one_private_address_is_enough(address: str) -> None:
    with pytest.raises(ForbiddenAddress):
        await AddressGuard(resolve=Names(["93.184.215.14", address])).addresses("example.com", 443)
    assert await AddressGuard(allow_private=True, resolve=Names([address])).addresses("example.com", 443) == [address]


@pytest.mark.parametrize("host", ["127.0.0.1", "10.0.0.1", "::1", "::ffff:10.0.0.1"])
async def test_an_address_in_place_of_a_name_is_not_looked_up(host: str) -> None:
    names = Names()
    with pytest.raises(ForbiddenAddress):
        await AddressGuard(resolve=names).addresses(host, 80)
    assert await AddressGuard(resolve=names).addresses("8.8.8.8", 80) == ["8.8.8.8"]
    assert names.asked == []


@pytest.mark.parametrize("host", ["localhost", "2130706433", "0x7f.1", "0177.0.0.1", "127.1"])
async def test_whatever_way_an_address_is_written_what_it_stands_for_counts(host: str) -> None:
    # The system's own resolver reads all of these as addresses of this machine.
    with pytest.raises(ForbiddenAddress):
        await AddressGuard().addresses(host, 80)


@pytest.mark.parametrize("names", [Names(), Names([])])
async def test_a_host_that_does_not_exist(names: Names) -> None:
    with pytest.raises(httpx.ConnectError, match="no such host") as caught:
        await AddressGuard(resolve=names).addresses("nowhere.example", 80)
    assert not isinstance(caught.value, ForbiddenAddress)


async def test_looking_up() -> None:
    assert set(await resolve("localhost", 80)) <= {"127.0.0.1", "::1"}


# Requests.


class Server:
    """An HTTP server that notes every connection and every request's head."""

    def __init__(self) -> None:
        self.connections = 0
        self.heads: list[str] = []
        self.answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"
        self.url = ""
        self._peers: set[asyncio.StreamWriter] = set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._peers.add(writer)
        try:
            while True:
                self.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
                writer.write(self.answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    @asynccontextmanager
    async def serving(self, tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=tls)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for peer in self._peers:
                peer.close()
            await server.wait_closed()


async def test_the_checked_address_is_dialled_and_no_other() -> None:
    # A second look-up would be given another address, and fail.
    names = Names(["127.0.0.1"])
    async with Server().serving() as server:
        guard = AddressGuard(allow_private=True, resolve=names)
        async with guarded_client(guard, TLS) as client:
            for _ in range(2):
                response = await client.get(f"http://tools.example.com:{server.port}/path?a=1")
                assert (response.status_code, response.text) == (200, "hi")
    assert names.asked == [("tools.example.com", server.port)]
    assert server.connections == 1
    assert server.heads[0].startswith("GET /path?a=1 HTTP/1.1\r\n")
    assert f"host: tools.example.com:{server.port}\r\n" in server.heads[0].lower()


@pytest.mark.parametrize("address", [["127.0.0.1"], ["93.184.215.14", "127.0.0.1"]])
async def test_a_forbidden_address_is_never_dialled(address: list[str]) -> None:
    async with Server().serving() as server:
        async with guarded_client(AddressGuard(resolve=Names(address)), TLS) as client:
            with pytest.raises(ForbiddenAddress) as caught:
                await client.get(f"http://tools.example.com:{server.port}/")
            with pytest.raises(ForbiddenAddress):
                await client.get(f"http://127.0.0.1:{server.port}/")
        assert caught.value.request.url.host == "tools.example.com"
        assert server.connections == 0


async def test_a_redirect_is_not_followed() -> None:
    async with Server().serving() as server:
        server.answer = b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1/\r\ncontent-length: 0\r\n\r\n"
        async with guarded_client(AddressGuard(allow_private=True), TLS) as client:
            assert (await client.get(f"http://127.0.0.1:{server.port}/")).status_code == 302
        assert len(server.heads) == 1


async def test_the_next_address_when_one_cannot_be_reached() -> None:
    async with Server().serving() as server:
        # Nobody listens on the loopback address of the first.
        guard = AddressGuard(allow_private=True, resolve=Names(["127.99.99.99", "127.0.0.1"]))
        async with guarded_client(guard, TLS) as client:
            assert (await client.get(f"http://tools.example.com:{server.port}/")).text == "hi"


async def test_a_host_that_cannot_be_reached() -> None:
    async with Server().serving() as server:
        port = server.port
    async with guarded_client(AddressGuard(allow_private=True), TLS) as client:
        with pytest.raises(httpx.ConnectError):
            await client.get(f"http://127.0.0.1:{port}/")


async def test_a_name_server_that_hangs_is_given_up() -> None:
    async def hang(host: str, port: int) -> list[str]:
        await asyncio.get_running_loop().create_future()
        return []

    async with guarded_client(AddressGuard(resolve=hang), TLS, connect_timeout_s=0.05) as client:
        with pytest.raises(httpx.ConnectTimeout):
            await client.get("https://tools.example.com/")


async def test_a_server_that_hangs_is_given_up() -> None:
    async with Server().serving() as server:
        server.answer = b""
        async with guarded_client(AddressGuard(allow_private=True), TLS, timeout_s=0.05) as client:
            with pytest.raises(httpx.ReadTimeout):
                await client.get(f"http://127.0.0.1:{server.port}/")


@pytest.mark.parametrize("answer", [b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhi"])
async def test_an_answer_that_breaks_off_is_an_error_of_httpx(answer: bytes) -> None:
    async with Server().serving() as server:
        server.answer = answer
        async with guarded_client(AddressGuard(allow_private=True), TLS, timeout_s=0.2) as client:
            with pytest.raises(httpx.TransportError) as caught:
                await client.get(f"http://127.0.0.1:{server.port}/")
    assert caught.value.request


async def test_the_certificate_is_that_of_the_name(tmp_path: Path) -> None:
    pem = self_signed(tmp_path)
    theirs = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    theirs.load_cert_chain(pem)
    ours = ssl.create_default_context(cafile=pem)
    async with Server().serving(theirs) as server:
        guard = AddressGuard(allow_private=True, resolve=Names(["127.0.0.1"], ["127.0.0.1"]))
        async with guarded_client(guard, ours) as client:
            assert (await client.get(f"https://localhost:{server.port}/")).text == "hi"
            with pytest.raises(httpx.ConnectError):
                await client.get(f"https://other.example.com:{server.port}/")


# Saving.


@pytest.mark.parametrize(
    "url", ["https://tools.example.com", "https://tools.example.com:8443/a?b=c", "https://8.8.8.8/"]
)
def test_urls_that_can_be_saved(url: str) -> None:
    assert AddressGuard().check_url("url", url) == url


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://169.254.169.254/latest",
        "https://localhost:1/",
        "http://tools.example.com/",
    ],
)
def test_urls_that_the_operator_must_allow(url: str) -> None:
    with pytest.raises(InvalidField) as caught:
        AddressGuard().check_url("parameter.tools[0].url", url)
    assert caught.value.field == "parameter.tools[0].url"
    assert AddressGuard(allow_private=True).check_url("url", url) == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "x",
        "ftp://host/",
        "https://",
        "https://u:p@host/",
        "https://h:99999/",
        "https://h/#f",
        "https://h/a b",
        "//h/",
    ],
)
def test_what_is_no_url_is_refused_whoever_allows_it(url: str) -> None:
    with pytest.raises(InvalidField, match="must be a URL"):
        AddressGuard(allow_private=True).check_url("url", url)
