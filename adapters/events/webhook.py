"""Webhooks: events posted to a customer's own server, signed after Standard Webhooks 1.0.

https://www.standardwebhooks.com. Only 2xx is an acknowledgement; redirects are not followed; 410 (Gone) means that the
endpoint wants nothing any more. ``Retry-After``: RFC 9110, section 10.2.3.
"""

from __future__ import annotations

import asyncio
import email.utils
from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus
from uuid import UUID

import httpx

from adapters.events.base import EventSink, envelope
from adapters.guard import ForbiddenAddress
from adapters.signing import signature_headers
from models.errors import DeliveryFailed
from models.event import Event
from models.webhook import Webhook

USER_AGENT = "aicall-webhooks/1"

_MOST_READ_BYTES = 65_536
"""How much of an answer is read, so that its connection can be used again; a longer one costs the connection."""

_ASKS_FOR_REST = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})


class WebhookSink(EventSink):
    """One webhook. The client is shared by all of them, and its owner's to close.

    Args:
        webhook: The webhook.
        http: Dials what may be dialled and follows no redirect (`adapters.guard.guarded_client`).
        timeout_s: Longest a delivery may take from looking up the name to the end of the answer, seconds.
        clock: Returns the present moment, in UTC, for the signature.
    """

    def __init__(
        self, webhook: Webhook, http: httpx.AsyncClient, *, timeout_s: float, clock: Callable[[], datetime]
    ) -> None:
        self._webhook = webhook
        self._http = http
        self._timeout_s = timeout_s
        self._clock = clock

    async def deliver(self, event: Event, *, customer_id: UUID) -> None:
        """Post one event.

        Raises:
            DeliveryFailed: The answer was not 2xx, or none came in time.
        """
        del customer_id
        body = envelope(event)
        now = self._clock()
        headers = {
            "content-type": "application/json",
            "user-agent": USER_AGENT,
            **signature_headers(self._webhook.secret.get_secret_value(), event.id, int(now.timestamp()), body),
        }
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                self._http.stream("POST", self._webhook.url, content=body, headers=headers) as response,
            ):
                await _read(response)
        except (TimeoutError, httpx.TimeoutException):
            raise DeliveryFailed("timeout") from None
        except ForbiddenAddress:
            raise DeliveryFailed("forbidden_address") from None
        except (httpx.ConnectError, httpx.UnsupportedProtocol):
            raise DeliveryFailed("unreachable") from None
        except (httpx.HTTPError, httpx.InvalidURL):
            raise DeliveryFailed("broke_off") from None
        self._judge(response, now)

    async def aclose(self) -> None:
        """Do nothing: the client is not this sink's."""

    def _judge(self, response: httpx.Response, now: datetime) -> None:
        if response.is_success:
            return
        status = response.status_code
        if status == HTTPStatus.GONE:
            raise DeliveryFailed("gone", gone=True)
        rest_s = retry_after_s(response.headers.get("retry-after", ""), now) if status in _ASKS_FOR_REST else None
        raise DeliveryFailed(f"http_{status}", retry_after_s=rest_s)


def retry_after_s(text: str, now: datetime) -> float | None:
    """Read a ``Retry-After`` header: seconds, or an HTTP date.

    Args:
        text: Its value; '' for none.
        now: This moment, for a date.

    Returns:
        Seconds from now, not negative; None for what is neither.
    """
    text = text.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return None
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    return max(0.0, (moment - now).total_seconds())


async def _read(response: httpx.Response) -> None:
    received = 0
    async for part in response.aiter_raw():
        received += len(part)
        if received > _MOST_READ_BYTES:
            return
