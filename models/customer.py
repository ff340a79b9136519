"""The customer: who owns AIs, AIcalls and everything else, what they may use, and the API keys that they show."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from models.errors import InvalidField
from models.ids import DEFAULT_CUSTOMER_ID
from models.timestamps import NOT_YET, Timestamp

KEY_PREFIX = "aic_"
"""How every API key made by this runtime begins, so that scanners and people recognise one that leaked."""

_SERVERS_OWN = frozenset({"id", "customer_id", "prefix", "tm_create", "tm_update", "tm_delete", "tm_last_used"})


class Scope(StrEnum):
    """What an API key opens."""

    ADMIN = "admin"
    """Customers and their API keys, and everything that the other scopes open."""
    READ = "read"
    """Every GET but those of customers."""
    WRITE = "write"
    """Every change but those of customers, AIcalls and messages."""
    CALLS = "calls"
    """AIcalls, their messages and events, read and changed: what an orchestrator needs."""


Amount = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False, strict=True)]
"""So many of the operator's unit."""


class Prices(BaseModel):
    """What usage costs, in a unit of the operator's choice: a currency, credits, anything that adds up.

    Attributes:
        llm_input: For 1,000 tokens that a model reads.
        llm_output: For 1,000 tokens that a model writes.
        tts: For 1,000 characters that a voice speaks.
        stt: For 60 seconds of audio that a recogniser hears.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    llm_input: Amount = 0.0
    llm_output: Amount = 0.0
    tts: Amount = 0.0
    stt: Amount = 0.0


def _whole(value: Any) -> Any:
    """Read 3.0 as 3: JSON knows but one kind of number."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


class CustomerWrite(BaseModel):
    """Body of ``POST /v1.0/customers`` and ``PUT /v1.0/customers/{id}``.

    Attributes:
        max_calls: Most AIcalls of phone calls that have not ended at the same time, on all processes; 0 for no limit.
        max_spend: Most that one AIcall may cost, in the unit of `prices`; 0 for no limit.
        prices: What usage costs.
    """

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=255)]
    detail: str = ""
    max_calls: Annotated[int, Field(ge=0, le=1_000_000, strict=True), BeforeValidator(_whole)] = 0
    max_spend: Amount = 0.0
    prices: Prices = Prices()

    @model_validator(mode="before")
    @classmethod
    def _drop_read_only(cls, data: Any) -> Any:
        return _without_servers_own(data)


class Customer(BaseModel):
    """A stored customer."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    name: str
    detail: str = ""
    max_calls: int = 0
    max_spend: float = 0.0
    prices: Prices = Prices()
    tm_create: Timestamp
    tm_update: Timestamp = NOT_YET
    tm_delete: Timestamp = NOT_YET

    @classmethod
    def create(cls, body: CustomerWrite, *, id: UUID, now: datetime) -> Self:  # noqa: A002
        """Make a new customer from a request body."""
        return cls(**body.model_dump(), id=id, tm_create=now)

    def replaced(self, body: CustomerWrite, *, now: datetime) -> Self:
        """Return this customer with everything that can be written replaced (PUT)."""
        return type(self)(**body.model_dump(), id=self.id, tm_create=self.tm_create, tm_update=now)

    def public(self) -> dict[str, Any]:
        """Return the JSON document that the API answers with."""
        return self.model_dump(mode="json")


class ApiKeyWrite(BaseModel):
    """Body of ``POST /v1.0/customers/{id}/api_keys``.

    Attributes:
        name: What the key is for, for people.
        scopes: What it opens, at least one.
    """

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(max_length=255)] = ""
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=16)]

    @model_validator(mode="before")
    @classmethod
    def _drop_read_only(cls, data: Any) -> Any:
        return _without_servers_own(data)

    @field_validator("scopes")
    @classmethod
    def _once_each(cls, value: list[Scope]) -> list[Scope]:
        return list(dict.fromkeys(value))


class ApiKey(BaseModel):
    """An API key, as it can be listed: what it opens, and nothing that opens anything.

    Attributes:
        prefix: The public beginning of the key, which names it: ``aic_`` and its id.
        tm_last_used: When it was last shown, to the minute or so; "not yet" while it never was.
        tm_delete: When it was revoked; "not yet" while it opens.
    """

    model_config = ConfigDict(frozen=True)

    id: UUID
    customer_id: UUID
    name: str = ""
    scopes: list[Scope]
    prefix: str = ""
    tm_last_used: Timestamp = NOT_YET
    tm_create: Timestamp
    tm_delete: Timestamp = NOT_YET

    @model_validator(mode="before")
    @classmethod
    def _name_prefix(cls, data: Any) -> Any:
        return {**data, "prefix": key_prefix(UUID(str(data["id"])))} if isinstance(data, dict) else data

    @classmethod
    def create(cls, body: ApiKeyWrite, *, id: UUID, customer_id: UUID, now: datetime) -> Self:  # noqa: A002
        """Make a new key's record from a request body.

        Raises:
            InvalidField: A customer that is not the default one asks for ``admin``, which opens the others'.
        """
        if Scope.ADMIN in body.scopes and customer_id != DEFAULT_CUSTOMER_ID:
            raise InvalidField("scopes", "admin is for keys of the default customer only")
        return cls(**body.model_dump(), id=id, customer_id=customer_id, tm_create=now)

    def public(self) -> dict[str, Any]:
        """Return the JSON document that the API answers with."""
        return self.model_dump(mode="json")


def key_prefix(key_id: UUID) -> str:
    """Return the public beginning of a key."""
    return f"{KEY_PREFIX}{key_id.hex}"


def _without_servers_own(data: Any) -> Any:
    """Pass over what a client sends back as it received it."""
    return {key: value for key, value in data.items() if key not in _SERVERS_OWN} if isinstance(data, dict) else data
