"""The AI assistant: a named connection to a provider, to which a phone system routes calls (seeds 000 and 002).

Its fields, methods and two statuses are those of seed 000; the organisation of the seed is this runtime's customer. The
documents are written as there: ``created_at``, and null for what has not happened.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, computed_field, model_validator

from models.assistant_providers import PROVIDERS, AssistantProtocol, ProviderDefinition, value_text
from models.errors import InvalidFields
from models.timestamps import Timestamp

_SERVERS_OWN = frozenset(
    {
        "id",
        "organization_id",
        "protocol",
        "configuration_secrets",
        "usage_count",
        "used_by_extensions",
        "references",
        "created_by",
        "updated_by",
        "created_at",
        "updated_at",
        "deleted_at",
    }
)


class AssistantStatus(StrEnum):
    """Whether calls are routed to an assistant."""

    ACTIVE = "active"
    INACTIVE = "inactive"
    """New calls are not routed to it; running ones go on."""


class ReferenceType(StrEnum):
    """From where a phone system routes calls to an assistant (seed 002; pbx facts A6)."""

    DID_NUMBER = "did_number"
    RING_GROUP_FALLBACK = "ring_group_fallback"
    IVR_OPTION = "ivr_option"
    IVR_FAILOVER = "ivr_failover"
    BUSINESS_HOURS = "business_hours"
    AUTO_DIALER = "auto_dialer"
    EXTENSION = "extension"


Name = Annotated[str, Field(min_length=1, max_length=255)]
Description = Annotated[str, Field(max_length=1000)]


def _empty_list_is_empty(value: Any) -> Any:
    """Read ``[]`` as ``{}``: PHP writes an empty array so."""
    return {} if value == [] else value


Configuration = Annotated[dict[str, Any], BeforeValidator(_empty_list_is_empty), Field(max_length=50)]


class _Write(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _drop_servers_own(cls, data: Any) -> Any:
        return (
            {key: value for key, value in data.items() if key not in _SERVERS_OWN} if isinstance(data, dict) else data
        )


class AiAssistantWrite(_Write):
    """Body of ``POST /api/v1/ai-assistants``. ``protocol`` is never chosen: it is the provider's.

    Attributes:
        provider: Key of a provider.
        configuration: What the provider wants; secrets in it are write-only.
    """

    name: Name
    description: Description | None = None
    status: AssistantStatus = AssistantStatus.ACTIVE
    provider: Annotated[str, Field(min_length=1, max_length=100)]
    configuration: Configuration


class AiAssistantChange(_Write):
    """Body of ``PUT`` and ``PATCH /api/v1/ai-assistants/{id}``: what it does not name stays as it is.

    Attributes:
        configuration: The whole configuration; only secrets may be left out, and then stay as they are.
    """

    name: Name = ""
    description: Description | None = None
    status: AssistantStatus = AssistantStatus.ACTIVE
    provider: Annotated[str, Field(min_length=1, max_length=100)] = ""
    configuration: Configuration = Field(default_factory=dict)


class AssistantReferenceWrite(BaseModel):
    """Body of ``POST /api/v1/ai-assistants/{id}/references``.

    Attributes:
        type: What kind of thing routes to the assistant.
        key: What the phone system calls it: its id, a number, a menu and its digit.
        label: For people.
    """

    model_config = ConfigDict(extra="forbid")

    type: ReferenceType
    key: Annotated[str, Field(min_length=1, max_length=255)]
    label: Annotated[str, Field(max_length=255)] = ""


class AssistantReference(BaseModel):
    """Something in a phone system that routes calls to an assistant."""

    model_config = ConfigDict(frozen=True)

    id: int
    type: ReferenceType
    key: str
    label: str = ""
    created_at: Timestamp

    def public(self) -> dict[str, Any]:
        """Return the JSON document that the API answers with."""
        return self.model_dump(mode="json")


class AiAssistant(BaseModel):
    """A stored AI assistant. Dumping it never shows a secret; `secrets` is reached by attribute only.

    Attributes:
        id: Counted up by the store; 0 until it is stored.
        organization_id: The customer that it belongs to.
        protocol: The provider's.
        configuration: What the provider wants, without secrets.
        secrets: The rest of it.
        created_by: The API key by which it was made; None for the operator's.
        updated_by: The API key by which it was changed last.
        usage_count: How many references there are to it, as it was read from the store.
        media_id: Its id in media URLs.
    """

    model_config = ConfigDict(frozen=True)

    id: int = 0
    organization_id: UUID
    name: str
    description: str | None = None
    status: AssistantStatus = AssistantStatus.ACTIVE
    provider: str
    protocol: AssistantProtocol
    configuration: dict[str, str]
    secrets: dict[str, SecretStr] = Field(default_factory=dict, exclude=True, repr=False)
    media_id: UUID = Field(exclude=True)
    usage_count: int = 0
    created_by: UUID | None = None
    updated_by: UUID | None = None
    created_at: Timestamp
    updated_at: Timestamp
    deleted_at: Timestamp | None = None

    @computed_field  # type: ignore[prop-decorator]
    @property
    def configuration_secrets(self) -> list[str]:
        """Which secrets there are, by name."""
        return sorted(self.secrets)

    @classmethod
    def create(
        cls, body: AiAssistantWrite, *, organization_id: UUID, media_id: UUID, by: UUID | None, now: datetime
    ) -> Self:
        """Make a new assistant from a request body.

        Raises:
            InvalidFields: There is no such provider, or the configuration is not what it wants.
        """
        definition = _definition(body.provider)
        configuration, secrets = configured(definition, body.configuration, {})
        return cls(
            organization_id=organization_id,
            name=body.name,
            description=body.description,
            status=body.status,
            provider=definition.key,
            protocol=definition.protocol,
            configuration=configuration,
            secrets=secrets,
            media_id=media_id,
            created_by=by,
            updated_by=by,
            created_at=now,
            updated_at=now,
        )

    def changed(self, body: AiAssistantChange, *, by: UUID | None, now: datetime) -> Self:
        """Return this assistant with what a body names.

        Another provider takes over no secret: one vendor's key must not go to another.

        Raises:
            InvalidFields: There is no such provider, or the configuration is not what it wants.
        """
        given = body.model_fields_set
        plain: dict[str, Any] = {
            name: getattr(body, name) for name in ("name", "description", "status") if name in given
        }
        definition = _definition(body.provider if "provider" in given else self.provider)
        same = definition.key == self.provider
        configuration, secrets = self.configuration, self.secrets
        if "configuration" in given or not same:
            configuration, secrets = configured(definition, body.configuration, self.secrets if same else {})
        return self.model_copy(
            update={
                **plain,
                "provider": definition.key,
                "protocol": definition.protocol,
                "configuration": configuration,
                "secrets": secrets,
                "updated_by": by,
                "updated_at": now,
            }
        )

    def is_sip(self) -> bool:
        """Say whether a phone system dials it."""
        return self.protocol is AssistantProtocol.SIP

    def is_websocket(self) -> bool:
        """Say whether a phone system streams audio to it."""
        return self.protocol is AssistantProtocol.WEBSOCKET

    def is_active(self) -> bool:
        """Say whether new calls are routed to it."""
        return self.status is AssistantStatus.ACTIVE

    def provider_definition(self) -> ProviderDefinition | None:
        """Return its provider; None for one that this version does not know."""
        return PROVIDERS.get(self.provider)

    def is_in_use(self) -> bool:
        """Say whether anything refers to it, so that it cannot be deleted."""
        return self.usage_count > 0

    def revealed(self) -> dict[str, str]:
        """Return the whole configuration, secrets included, for making the URL of a call."""
        return {**self.configuration, **{name: secret.get_secret_value() for name, secret in self.secrets.items()}}

    def public(self) -> dict[str, Any]:
        """Return the JSON document that the API answers with: of secrets, it tells which there are."""
        return self.model_dump(mode="json")


def configured(
    definition: ProviderDefinition, given: Mapping[str, Any], kept: Mapping[str, SecretStr]
) -> tuple[dict[str, str], dict[str, SecretStr]]:
    """Check a configuration and take the secrets out of it.

    Args:
        definition: The provider.
        given: The configuration as a client wrote it.
        kept: Secrets that stay where the client left them out (or wrote null).

    Returns:
        The configuration without secrets, and the secrets.

    Raises:
        InvalidFields: It is not what the provider wants.
    """
    secret_names = definition.secret_names()
    left_out = {
        name: secret.get_secret_value()
        for name, secret in kept.items()
        if name in secret_names and given.get(name) is None
    }
    whole = {**given, **left_out}
    if problems := list(definition.problems(whole)):
        raise InvalidFields(problems)
    texts = {name: text for name, value in whole.items() if (text := value_text(value))}
    plain = {name: text for name, text in texts.items() if name not in secret_names}
    return plain, {name: SecretStr(text) for name, text in texts.items() if name in secret_names}


def _definition(provider: str) -> ProviderDefinition:
    definition = PROVIDERS.get(provider)
    if definition is None:
        raise InvalidFields([("provider", f"Unknown AI provider: {provider}")])
    return definition
