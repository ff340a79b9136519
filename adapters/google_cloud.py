"""Google's gRPC APIs for a service account: one connection per account and endpoint, shared by the calls of a process.

Who asks is shown with a token that the account signs itself (https://google.aip.dev/auth/4111), so that no call waits
for a token to be fetched, and no call at all for a thread: reading the key takes 0.1 ms and signing 1.3 ms, once an
hour. gRPC's own thread is a daemon, one per process.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Sequence
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

import grpc  # type: ignore[import-untyped]
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from google.auth.crypt import RSASigner, RSAVerifier
from google.auth.exceptions import MalformedError
from google.auth.jwt import Credentials as JwtCredentials
from pydantic import SecretStr

from adapters.clients import SharedClients, VendorLimits
from adapters.requests import Credentials

_KEY_BITS = range(1024, 4097)
"""Sizes of the keys that Google gives out, and more; the time to sign grows with the third power of it."""

_MESSAGE_BYTES = 16 * 1024 * 1024
"""Longest message that is accepted: three minutes of speech at 48 kHz. gRPC's default is a quarter of it."""


class ServiceAccount:
    """Signs tokens for one API.

    Args:
        document: The JSON of the account's key.
        audience: The API, for example ``https://texttospeech.googleapis.com/``.

    Raises:
        MalformedError: The key cannot be read. It is a ``ValueError``.
    """

    def __init__(self, document: SecretStr, audience: str) -> None:
        try:
            fields = json.loads(document.get_secret_value())
            email = fields["client_email"]
            # Validating the primes takes 40 ms, in which no other Python code runs. What it would find shows below as
            # well, in a signature that is none.
            key = load_pem_private_key(fields["private_key"].encode(), None, unsafe_skip_rsa_key_validation=True)
        except (AttributeError, KeyError, TypeError, ValueError, UnsupportedAlgorithm):
            raise MalformedError("the service account's key cannot be read") from None  # type: ignore[no-untyped-call]
        if not isinstance(key, RSAPrivateKey) or key.key_size not in _KEY_BITS:
            raise MalformedError("the service account's key is no RSA key of a usual size")  # type: ignore[no-untyped-call]
        signer: Any = RSASigner(key, fields.get("private_key_id"))  # type: ignore[no-untyped-call]
        verifier: Any = RSAVerifier(key.public_key())  # type: ignore[no-untyped-call]
        if not verifier.verify(b"probe", signer.sign(b"probe")):
            raise MalformedError("the service account's key does not fit together")  # type: ignore[no-untyped-call]
        self._credentials: Any = JwtCredentials(signer, issuer=email, subject=email, audience=audience)  # type: ignore[no-untyped-call]

    @property
    def token(self) -> str:
        """A token that is valid for some minutes at least."""
        if not self._credentials.valid:
            self._credentials.refresh(None)
        token = self._credentials.token
        return token.decode() if isinstance(token, bytes) else str(token)


class GoogleApi:
    """One API for one account, on one connection. Make it with `google_api`, within a running event loop.

    Args:
        document: The JSON of the account's key.
        base_url: The endpoint; ``http://`` is for a server on the same machine and sends the token in the clear.
        audience: As for `ServiceAccount`.
        limits: How long a connection may take.
    """

    def __init__(self, document: SecretStr, base_url: str, audience: str, limits: VendorLimits) -> None:
        self._document = document
        self._audience = audience
        parts = urlsplit(base_url)
        secure = parts.scheme == "https"
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        target = f"{host}:{parts.port or (443 if secure else 80)}"
        self._channel: Any = (
            grpc.aio.secure_channel(target, grpc.ssl_channel_credentials(), options=_options(limits))
            if secure
            else grpc.aio.insecure_channel(target, options=_options(limits))
        )

    @cached_property
    def account(self) -> ServiceAccount:
        """The account.

        Raises:
            MalformedError: Its key cannot be read.
        """
        return ServiceAccount(self._document, self._audience)

    def call(self, path: str, requests: Iterable[bytes], metadata: Sequence[tuple[str, str]] = ()) -> GoogleCall:
        """Begin a call of any kind: on the wire a unary one is a stream of one message each way.

        Args:
            path: ``/package.Service/Method``.
            requests: The messages, serialized.
            metadata: Further metadata, such as ``x-goog-request-params``.

        Raises:
            MalformedError: The account's key cannot be read.
        """
        token = self.account.token
        # Messages are not parsed by gRPC, which logs those that it cannot read and gives None for them.
        method = self._channel.stream_stream(path)
        return GoogleCall(method(iter(requests), metadata=(("authorization", f"Bearer {token}"), *metadata)))

    async def connect(self) -> None:
        """Sign a token, open the connection and wait for it; nothing is asked of the vendor.

        Raises:
            MalformedError: The account's key cannot be read.
        """
        self.account.token  # noqa: B018
        while (state := self._channel.get_state(try_to_connect=True)) is not grpc.ChannelConnectivity.READY:
            await self._channel.wait_for_state_change(state)

    async def aclose(self) -> None:
        """Close the connection; what is under way fails."""
        await self._channel.close()


class GoogleCall:
    """A call under way; `close` it."""

    def __init__(self, call: Any) -> None:
        self._call = call

    async def responses(self, quiet_s: float) -> AsyncIterator[bytes]:
        """The answer's messages, serialized.

        Args:
            quiet_s: Longest wait for each of them, the first included, seconds.

        Raises:
            TimeoutError: None came in time.
            grpc.aio.AioRpcError: The call failed.
        """
        while True:
            message, failure = await self._next(quiet_s)
            if failure is not None:
                raise failure
            if message is grpc.aio.EOF:
                return
            yield message

    async def _next(self, quiet_s: float) -> tuple[Any, Exception | None]:
        # Whoever keeps an exception keeps what its traceback runs through, and gRPC closes no connection whose calls
        # are kept. So gRPC's part of the traceback is left behind here.
        try:
            async with asyncio.timeout(quiet_s):
                return await self._call.read(), None
        except grpc.aio.AioRpcError as error:
            return None, error.with_traceback(None)
        except TimeoutError:
            return None, TimeoutError()

    def close(self) -> None:
        """Tell the vendor to stop, unless it has ended; nothing can be read any more."""
        call, self._call = self._call, None
        if call is not None:
            call.cancel()


def google_api(credentials: Credentials, audience: str, clients: SharedClients) -> GoogleApi:
    """The process's connection to an API for an account.

    Args:
        credentials: Key and endpoint.
        audience: As for `ServiceAccount`.
        clients: The process's shared clients.
    """
    use = ("google", credentials.base_url, audience, credentials.key.get_secret_value())
    return clients.shared(use, lambda: GoogleApi(credentials.key, credentials.base_url, audience, clients.limits))


def _options(limits: VendorLimits) -> list[tuple[str, int]]:
    wait_ms = int(limits.reconnect_wait_s * 1000)
    return [
        # Else gRPC pauses for one second after the first failed connection, and for two minutes in the end.
        ("grpc.initial_reconnect_backoff_ms", wait_ms),
        ("grpc.max_reconnect_backoff_ms", wait_ms),
        ("grpc.min_reconnect_backoff_ms", int(limits.connect_s * 1000)),
        # Else all channels of the process to an endpoint share that pause.
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.max_receive_message_length", _MESSAGE_BYTES),
        # Whoever asks decides what is asked again.
        ("grpc.enable_retries", 0),
    ]
