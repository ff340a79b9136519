"""The systems that an AI assistant can run on, and what each wants to be told (seed 002; pbx facts A2 and A3).

A SIP provider is dialled by a phone number of its own. A WebSocket provider takes the call's audio at a URL. ``aicall``
is this runtime.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, computed_field


class AssistantProtocol(StrEnum):
    """How a phone system reaches a provider."""

    SIP = "sip"
    """It dials a phone number at the provider."""
    WEBSOCKET = "websocket"
    """It streams the call's audio to a URL."""


class FieldType(StrEnum):
    """What a configuration field holds."""

    TEL = "tel"
    TEXT = "text"
    PASSWORD = "password"  # noqa: S105 - a kind of field
    """Write-only: kept encrypted, and shown to nobody."""
    URL = "url"
    EMAIL = "email"
    NUMBER = "number"
    UUID = "uuid"


class ConfigField(BaseModel):
    """One field of a provider's configuration, as forms are made from it.

    Attributes:
        name: Its key in ``configuration``.
        label: For people; errors begin with it.
        type: What it holds.
        required: Whether it must be there.
        placeholder: An example.
        description: For people.
        read_only: Whether it has one value that cannot be changed.
        default_value: What it is where it is left out; None for nothing.
        max_length: Longest value, characters.
        choices: The values that there are; empty for any.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    label: str
    type: FieldType
    required: bool = True
    placeholder: str | None = None
    description: str | None = None
    read_only: bool = False
    default_value: str | None = None
    max_length: int = Field(default=255, exclude=True)
    choices: tuple[str, ...] = Field(default=(), exclude=True)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def validation_rules(self) -> list[str]:
        """What is checked, in the words of Laravel's validator, which phone systems' forms know."""
        if self.type is FieldType.TEL:
            return [r"regex:/^\+?[1-9]\d{1,14}$/"]
        if self.choices:
            return ["string", f"in:{','.join(self.choices)}"]
        if self.type in {FieldType.URL, FieldType.EMAIL, FieldType.UUID}:
            return [self.type.value, f"max:{self.max_length}"]
        return ["numeric" if self.type is FieldType.NUMBER else "string", f"max:{self.max_length}"]

    def problem(self, value: Any) -> str | None:
        """Return what is wrong with a value, with the field's label in front; None where nothing is."""
        if value is None or value == "":
            return f"{self.label} is required" if self.required else None
        text = value_text(value)
        if text is None:
            return f"{self.label} must be text"
        if len(text) > self.max_length:
            return f"{self.label} must not be longer than {self.max_length} characters"
        if self.choices and text not in self.choices:
            return f"{self.label} must be one of {', '.join(self.choices)}"
        fits, message = _CHECKS[self.type]
        return None if fits(text) else f"{self.label} {message}"


class ProviderDefinition(BaseModel):
    """A system that an AI assistant can run on.

    Attributes:
        key: Its name in an assistant's ``provider``.
        name: For people.
        protocol: How it is reached.
        url_template: Where the audio goes, of a WebSocket provider (`adapters.assistants.url_template`); None for a
            SIP provider, and for this runtime, which makes a URL for each call.
        config_fields: What its configuration holds.
        description: For people.
    """

    model_config = ConfigDict(frozen=True)

    key: str
    name: str
    protocol: AssistantProtocol
    url_template: str | None = None
    config_fields: tuple[ConfigField, ...]
    description: str

    def fields(self) -> Mapping[str, ConfigField]:
        """Return every field that a configuration may have, its own and those that all have, by name."""
        return {field.name: field for field in (*COMMON_FIELDS, *self.config_fields)}

    def secret_names(self) -> frozenset[str]:
        """Return the names of the fields that are shown to nobody."""
        return frozenset(name for name, field in self.fields().items() if field.type is FieldType.PASSWORD)

    def problems(self, configuration: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """Yield what is wrong with a configuration, as field (``configuration.bot_id``) and message."""
        fields = self.fields()
        for name, field in fields.items():
            if (message := field.problem(configuration.get(name))) is not None:
                yield f"configuration.{name}", message
        for name in configuration.keys() - fields.keys():
            yield f"configuration.{name}", f"is not a field of {self.name}"


def value_text(value: Any) -> str | None:
    """Return a configuration's value as the text that is kept: numbers are written out; None for anything else."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in {"http", "https", "ws", "wss"} and bool(parts.hostname) and not re.search(r"\s", text)
    except ValueError:
        return False


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False


def _is_number(text: str) -> bool:
    return re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", text) is not None


def _is_text(text: str) -> bool:
    return text.isprintable()


_CHECKS: Mapping[FieldType, tuple[Callable[[str], bool], str]] = {
    FieldType.TEL: (
        lambda text: re.fullmatch(r"\+?[1-9][0-9]{1,14}", text) is not None,
        "must be a valid phone number (E.164 format)",
    ),
    FieldType.TEXT: (_is_text, "must not hold control characters"),
    FieldType.PASSWORD: (_is_text, "must not hold control characters"),
    FieldType.URL: (_is_url, "must be a valid URL"),
    FieldType.EMAIL: (
        lambda text: re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", text) is not None,
        "must be a valid email address",
    ),
    FieldType.NUMBER: (_is_number, "must be a number"),
    FieldType.UUID: (_is_uuid, "must be a UUID"),
}

PHONE_NUMBER = ConfigField(
    name="phone_number",
    label="Phone Number",
    type=FieldType.TEL,
    placeholder="+12125551234",
    description="The number at the provider, E.164.",
)
"""The one field of every SIP provider."""

COMMON_FIELDS: Sequence[ConfigField] = (
    PHONE_NUMBER.model_copy(update={"required": False}),
    ConfigField(name="api_key", label="API Key", type=FieldType.PASSWORD, required=False, max_length=512),
    ConfigField(name="model", label="Model", type=FieldType.TEXT, required=False),
    ConfigField(name="voice", label="Voice", type=FieldType.TEXT, required=False),
)
"""What seed 000 calls common: taken in every configuration, asked for in none, and in no form."""

_SIP = (
    ("synthflow", "Synthflow"),
    ("dasha", "Dasha"),
    ("superdash.ai", "Superdash.ai"),
    ("ultravox", "Ultravox"),
    ("elevenlabs", "ElevenLabs"),
    ("deepvox", "DeepVox"),
    ("relayhawk", "RelayHawk"),
    ("voicehub", "VoiceHub"),
    ("retell", "Retell"),
    ("vapi", "VAPI"),
    ("fonio", "Fonio"),
    ("sigmamind", "SigmaMind"),
    ("modon", "Modon"),
    ("puretalk", "PureTalk"),
    ("millis-us", "Millis (US)"),
    ("millis-eu", "Millis (EU)"),
)

DEEPDUB = ProviderDefinition(
    key="deepdub",
    name="DeepDub",
    protocol=AssistantProtocol.WEBSOCKET,
    url_template="wss://bot.deepdub.dev/ws/{bot_id}/{auth_token}?session={session}&from={from}&to={to}",
    config_fields=(
        ConfigField(name="bot_id", label="Bot ID", type=FieldType.TEXT, description="The bot's identifier."),
        ConfigField(
            name="auth_token",
            label="Auth Token",
            type=FieldType.PASSWORD,
            max_length=512,
            description="The token of the connection; it cannot be read again.",
        ),
    ),
    description="DeepDub voice bot over WebSocket",
)

AICALL = ProviderDefinition(
    key="aicall",
    name="AIcall",
    protocol=AssistantProtocol.WEBSOCKET,
    config_fields=(
        ConfigField(
            name="assistance_id",
            label="Assistance ID",
            type=FieldType.UUID,
            placeholder="a092c5d9-632c-48d7-b70b-499f2ca084b1",
            description="Id of the AI or the team that answers.",
        ),
        ConfigField(
            name="assistance_type",
            label="Assistance Type",
            type=FieldType.TEXT,
            required=False,
            default_value="ai",
            choices=("ai", "team"),
            description="ai or team.",
        ),
    ),
    description="An AI or a team of this server; every call gets a URL of its own",
)
"""This runtime."""

PROVIDERS: Mapping[str, ProviderDefinition] = MappingProxyType(
    {
        **{
            key: ProviderDefinition(
                key=key,
                name=name,
                protocol=AssistantProtocol.SIP,
                config_fields=(PHONE_NUMBER,),
                description=f"{name} over SIP",
            )
            for key, name in _SIP
        },
        DEEPDUB.key: DEEPDUB,
        AICALL.key: AICALL,
    }
)
"""Every provider by its key, in the order in which they are listed."""


def providers_of(protocol: AssistantProtocol) -> list[ProviderDefinition]:
    """Return the providers that are reached in one way."""
    return [provider for provider in PROVIDERS.values() if provider.protocol is protocol]
