"""Amazon's SDK as calls need it: one client per service, region and endpoint, whoever's key signs a request.

Making a client of ``aiobotocore`` takes 3 to 140 ms of CPU and a connection pool of its own. Its requests are therefore
signed here, each with the key of the call that asks (Signature Version 4,
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html), so that all calls share one.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Mapping
from contextlib import AsyncExitStack
from contextvars import ContextVar
from functools import cache
from typing import Any

import aiobotocore.session  # type: ignore[import-untyped]
from aiobotocore.config import AioConfig  # type: ignore[import-untyped]
from aiobotocore.httpsession import AIOHTTPSession  # type: ignore[import-untyped]
from botocore import UNSIGNED  # type: ignore[import-untyped]
from botocore.auth import SigV4Auth  # type: ignore[import-untyped]
from botocore.awsrequest import AWSRequest  # type: ignore[import-untyped]
from botocore.credentials import Credentials as SigningKey  # type: ignore[import-untyped]
from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]

from adapters.aws_options import REGION
from adapters.clients import SharedClients
from adapters.requests import Credentials
from adapters.vendor_errors import PASSING, classify

_RETRY_WAIT_S = 0.5
_LONGEST_RETRY_WAIT_S = 1.0
_IDLE_CONNECTION_S = 60.0

_signing_key: ContextVar[SigningKey] = ContextVar("signing_key")


class AwsClient:
    """One service of Amazon's in one region.

    Args:
        service: ``botocore``'s name of it, for example ``polly``.
        region: The region.
        endpoint: URL of the service.
        clients: The process's shared clients, for their limits.
        quiet_s: Longest the vendor may stay silent within an answer, seconds.
    """

    def __init__(self, service: str, region: str, endpoint: str, clients: SharedClients, quiet_s: float) -> None:
        self._service = service
        self._region = region
        self._endpoint = endpoint
        self._clients = clients
        self._quiet_s = quiet_s
        self._opening = asyncio.Lock()
        self._opened = AsyncExitStack()
        self._client: Any = None
        self._pool: AIOHTTPSession | None = None
        self._knocking: asyncio.Task[None] | None = None

    async def ask(
        self,
        credentials: Credentials,
        operation: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        retries: int | None = None,
    ) -> dict[str, Any]:
        """Call an operation; a streamed answer must be read to its end or closed.

        Args:
            credentials: What to sign the request with.
            operation: The SDK's name of it, for example ``synthesize_speech``.
            parameters: The operation's parameters.
            retries: How often a passing failure is got over; None for `VendorLimits.retries`.

        Raises:
            ClientError: The vendor refused.
            BotoCoreError: The vendor cannot be reached, or a parameter is malformed.
        """
        left = self._clients.limits.retries if retries is None else retries
        while True:
            try:
                return await self._ask_once(credentials, operation, parameters or {})
            except (BotoCoreError, ClientError) as error:
                if not left or classify(error) not in PASSING or _asked_wait_s(error) > _LONGEST_RETRY_WAIT_S:
                    raise
            left -= 1
            await asyncio.sleep(_RETRY_WAIT_S)

    def preconnect(self, purpose: str) -> asyncio.Task[None] | None:
        """Begin to open a connection, as `SharedClients.preconnect` does."""
        task = self._clients.preconnect_by(self._knock, (self._service, self._endpoint, purpose), purpose)
        self._knocking = task or self._knocking
        return task

    async def aclose(self) -> None:
        """Close every connection."""
        async with self._opening:
            self._client = self._pool = None
            await self._opened.aclose()

    async def _ask_once(
        self, credentials: Credentials, operation: str, parameters: Mapping[str, Any]
    ) -> dict[str, Any]:
        if self._knocking is not None:
            # The connection that is being opened is there sooner than another one would be.
            await asyncio.wait([self._knocking])
            self._knocking = None
        client = await self._open()
        key = SigningKey(
            credentials.identity,
            credentials.key.get_secret_value(),
            credentials.session_token.get_secret_value() or None,
        )
        before = _signing_key.set(key)
        try:
            answer: dict[str, Any] = await getattr(client, operation)(**parameters)
            return answer
        finally:
            _signing_key.reset(before)

    async def _open(self) -> Any:
        if self._client is None:
            async with self._opening:
                if self._client is None:
                    self._client = await self._make()
        return self._client

    async def _make(self) -> Any:
        pools: list[AIOHTTPSession] = []

        class Pool(AIOHTTPSession):  # type: ignore[misc]
            def __init__(self, **kwargs: Any) -> None:
                super().__init__(**kwargs)
                pools.append(self)

        config = AioConfig(
            # Requests are signed by `_sign`.
            signature_version=UNSIGNED,
            connect_timeout=self._clients.limits.connect_s,
            read_timeout=self._quiet_s,
            # Their repetition is `ask`'s.
            retries={"mode": "standard", "total_max_attempts": 1},
            max_pool_connections=1000,
            connector_args={"keepalive_timeout": _IDLE_CONNECTION_S},
            http_session_cls=Pool,
        )
        client = await self._opened.enter_async_context(
            _session().create_client(
                self._service, region_name=self._region, endpoint_url=self._endpoint, config=config
            )
        )
        client.meta.events.register_last("request-created", self._sign)
        (self._pool,) = pools
        return client

    def _sign(self, request: AWSRequest, **kwargs: Any) -> None:
        del kwargs
        name = self._client.meta.service_model.signing_name
        SigV4Auth(_signing_key.get(), name, self._region).add_auth(request)

    async def _knock(self) -> None:
        await self._open()
        if self._pool is not None:
            await self._pool.send(AWSRequest(method="HEAD", url=self._endpoint).prepare())


def aws_client(
    service: str, credentials: Credentials, options: Mapping[str, str], clients: SharedClients, quiet_s: float
) -> AwsClient:
    """Return the process's client of a service.

    Args:
        service: ``botocore``'s name of it.
        credentials: The endpoint.
        options: The row's options, of which `REGION` counts.
        clients: The process's shared clients.
        quiet_s: Longest the vendor may stay silent within an answer, seconds.
    """
    region = options.get("region") or REGION.default
    endpoint = credentials.base_url
    return clients.shared(
        ("aws", service, region, endpoint), lambda: AwsClient(service, region, endpoint, clients, quiet_s)
    )


@cache
def _session() -> Any:
    """The process's session, which holds the descriptions of the services that were read so far.

    The server's own profile and configuration file must not change what an AI's key is used for. What the SDK logs for
    debugging holds session tokens.
    """
    for name in ("botocore", "aiobotocore"):
        logging.getLogger(name).setLevel(logging.INFO)
    variables = {"profile": (None, None, None, None), "config_file": (None, None, os.devnull, None)}
    return aiobotocore.session.get_session(variables)


def _asked_wait_s(error: Exception) -> float:
    """How long the vendor asks to wait before a repetition, seconds; what is no number counts as long."""
    response: Any = error.response if isinstance(error, ClientError) else {}
    headers = response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    try:
        return float(headers.get("retry-after", 0))
    except ValueError:
        return float("inf")
