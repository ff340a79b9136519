"""What the service of a seat is made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import SecretStr

from adapters.clients import SharedClients


@dataclass(frozen=True, slots=True)
class Credentials:
    """How to reach a vendor.

    Attributes:
        key: The key; empty for vendors that need none. Of an AWS key the secret, of a service account the JSON.
        base_url: The endpoint, in the form that the vendor's client takes; for a model of the operator's own, its path.
        identity: The part of the key that is no secret and goes with it: an AWS access key id, a user id.
        session_token: What a temporary AWS key needs besides.
    """

    key: SecretStr
    base_url: str
    identity: str = ""
    session_token: SecretStr = field(default=SecretStr(""))


@dataclass(frozen=True, slots=True, kw_only=True)
class LlmRequest:
    """What a language-model service is made from.

    Attributes:
        model: The vendor's name of the model.
        system_instruction: The system prompt.
        credentials: Key and endpoint.
        clients: The process's shared clients.
        function_call_timeout_s: Longest a tool function may take, seconds.
        options: Every option of the row, by name; '' for one that nobody gave.
        session_id: The AIcall, for vendors that keep the conversation themselves.
        language: BCP 47 tag of the call, '' for the vendor's default.
        variables: What ``${name}`` stands for in the call, for vendors that keep the conversation themselves.
    """

    model: str
    system_instruction: str
    credentials: Credentials
    clients: SharedClients
    function_call_timeout_s: float
    options: Mapping[str, str] = field(default_factory=dict)
    session_id: str = ""
    language: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SttRequest:
    """What a speech-to-text service is made from.

    Attributes:
        language: The language in the vendor's own form (`ProviderRow.language_code`), '' for the vendor's default.
        sample_rate_hz: Rate of the caller's audio, Hz; 16-bit mono.
        phrases: What the caller is expected to say, for recognisers that use it.
        extra_wait_s: How much later than after 0.2 s of silence the caller's stop is noticed, seconds: is added to the
            time that a turn waits for the final transcript, since Pipecat subtracts ``stop_secs`` from it.
        credentials: Key and endpoint.
        clients: The process's shared clients.
        model: The vendor's name of the model.
        options: Every option of the row, by name; '' for one that nobody gave.
    """

    language: str
    sample_rate_hz: int
    phrases: Sequence[str]
    extra_wait_s: float
    credentials: Credentials
    clients: SharedClients
    model: str = ""
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class TtsRequest:
    """What a text-to-speech service is made from.

    Attributes:
        voice: The vendor's name of the voice.
        language: The language in the vendor's own form (`ProviderRow.language_code`), '' to leave it to the voice.
        sample_rate_hz: Rate that the service's audio shall have, one that the vendor offers, Hz.
        credentials: Key and endpoint.
        clients: The process's shared clients.
        model: The vendor's name of the model; '' where there is none.
        options: Every option of the row, by name; '' for one that nobody gave.
    """

    voice: str
    language: str
    sample_rate_hz: int
    credentials: Credentials
    clients: SharedClients
    model: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
