"""The webhook: where a customer's server is told of events, and the deliveries that it did not take."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from models.event import Event, EventType, status_event_type
from models.options import field_error
from models.status import AicallStatus
from models.timestamps import NOT_YET, Timestamp

ALL_EVENTS = "all"
"""The event type that stands for every one."""

SECRET_PREFIX = "whsec_"  # noqa: S105 - the beginning of a secret
"""Begins every secret (Standard Webhooks 1.0, "Secret keys")."""

MIN_SECRET_BYTES = 24
MAX_SECRET_BYTES = 64
"""How long a key may be (Standard Webhooks 1.0, "Signature scheme")."""

READ_ONLY = frozenset({"id", "customer_id", "tm_create", "tm_update", "tm_delete"})
"""Fields that a client may send back as it received them; they are the server's and are passed over."""

_TYPE = re.compile(r"[a-z0-9_]{1,64}\*?")


class WebhookStatus(StrEnum):
    """Whether a webhook is told anything."""

    ACTIVE = "active"
    DISABLED = "disabled"
    """Nothing is sent. Its owner said so, or the endpoint did, by answering 410 (Gone)."""


def known_event_types() -> frozenset[str]:
    """Return every event type there is."""
    return frozenset(EventType) | {status_event_type(status) for status in AicallStatus}


def wants(event_types: Iterable[str], event_type: str) -> bool:
    """Return whether a list of event types, prefixes ending in ``*`` and ``all`` takes in an event type."""
    return any(
        one in (ALL_EVENTS, event_type) or (one.endswith("*") and event_type.startswith(one[:-1]))
        for one in event_types
    )


def new_secret(random_bytes: bytes) -> SecretStr:
    """Return a secret made of these bytes, `MIN_SECRET_BYTES` to `MAX_SECRET_BYTES` of them."""
    return SecretStr(SECRET_PREFIX + base64.b64encode(random_bytes).decode("ascii"))


class WebhookFields(BaseModel):
    """The fields of a webhook that its owner writes and reads."""

    # A rejected body may hold a secret, which the text of pydantic's error would show.
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    name: Annotated[str, Field(max_length=255)] = ""
    url: Annotated[str, Field(min_length=1, max_length=2048)]
    event_types: Annotated[list[str], Field(min_length=1, max_length=64)] = Field(default_factory=lambda: [ALL_EVENTS])
    status: WebhookStatus = WebhookStatus.ACTIVE

    @field_validator("event_types")
    @classmethod
    def _check_event_types(cls, value: list[str]) -> list[str]:
        known = known_event_types()
        for one in value:
            if one != ALL_EVENTS and not (_TYPE.fullmatch(one) and any(wants([one], it) for it in known)):
                message = f"must be '{ALL_EVENTS}', event types such as 'aicall_status_terminated', or beginnings of "
                raise field_error("event_types", message + "such, as in 'aicall_status_*'")
        return value


class WebhookWrite(WebhookFields):
    """Body of ``POST /v1.0/webhooks`` and ``PUT /v1.0/webhooks/{id}``.

    ``secret`` None or '' means "not given": one is generated on POST, and the stored one stays on PUT.
    """

    secret: SecretStr | None = None

    @model_validator(mode="before")
    @classmethod
    def _drop_read_only(cls, data: Any) -> Any:
        return {key: value for key, value in data.items() if key not in READ_ONLY} if isinstance(data, dict) else data

    @field_validator("secret")
    @classmethod
    def _check_secret(cls, value: SecretStr | None) -> SecretStr | None:
        text = value.get_secret_value() if value is not None else ""
        if not text:
            return None
        message = f"must be {SECRET_PREFIX} and {MIN_SECRET_BYTES} to {MAX_SECRET_BYTES} bytes in base64"
        try:
            key = base64.b64decode(text.removeprefix(SECRET_PREFIX), validate=True)
        except (binascii.Error, ValueError):
            raise field_error("secret", message) from None
        if not text.startswith(SECRET_PREFIX) or not MIN_SECRET_BYTES <= len(key) <= MAX_SECRET_BYTES:
            raise field_error("secret", message)
        return value


class Webhook(WebhookFields):
    """A stored webhook. Dumping it never shows the secret, which is reached by attribute only."""

    id: UUID
    customer_id: UUID
    secret: SecretStr = Field(exclude=True, repr=False)
    tm_create: Timestamp
    tm_update: Timestamp = NOT_YET
    tm_delete: Timestamp = NOT_YET

    @classmethod
    def create(
        cls,
        body: WebhookWrite,
        *,
        id: UUID,  # noqa: A002
        customer_id: UUID,
        secret: SecretStr,
        now: datetime,
    ) -> Self:
        """Make a new webhook from a request body.

        Args:
            body: The body.
            id: Its id.
            customer_id: Whose it is.
            secret: Signs what is sent, unless the body brings one.
            now: This moment.
        """
        return cls(
            **body.model_dump(exclude={"secret"}),
            id=id,
            customer_id=customer_id,
            secret=body.secret or secret,
            tm_create=now,
        )

    def replaced(self, body: WebhookWrite, *, now: datetime) -> Self:
        """Return this webhook with everything its owner writes replaced (PUT)."""
        return type(self)(
            **body.model_dump(exclude={"secret"}),
            id=self.id,
            customer_id=self.customer_id,
            secret=body.secret or self.secret,
            tm_create=self.tm_create,
            tm_update=now,
        )

    def public(self) -> dict[str, Any]:
        """Return the JSON document that the API answers with."""
        dumped = self.model_dump(mode="json")
        return {"id": dumped.pop("id"), "customer_id": dumped.pop("customer_id"), **dumped}


class DeadLetter(BaseModel):
    """An event that a webhook did not take, and that is not sent again unless somebody asks for it.

    Attributes:
        id: The event's id.
        webhook_id: Which webhook did not take it.
        customer_id: Whose it is.
        event: The event's envelope, as it would be sent.
        attempts: How often it was sent.
        error: Why the last time failed (`models.errors.DeliveryFailed.code`).
        tm_create: When it was given up.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    webhook_id: UUID
    customer_id: UUID
    event: Event
    attempts: int
    error: str
    tm_create: Timestamp

    def public(self) -> dict[str, Any]:
        """Return the JSON document that the API answers with."""
        return self.model_dump(mode="json") | {"event": self.event.public()}
