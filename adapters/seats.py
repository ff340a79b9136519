"""A seat (language model, recogniser, voice) and the row of a vendor in the seat's table.

The tables stand in ``adapters/llm/table.py``, ``adapters/stt/table.py`` and ``adapters/tts/table.py``. Everything that
depends on a vendor is read from its row: building the service, saving an AI, ``GET /v1.0/providers``, ``aicall check``.
A further vendor is one row, and one module only where its wire differs from those that are there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from importlib import import_module
from importlib.util import find_spec
from typing import Any, cast
from urllib.parse import urlsplit

from pydantic import SecretStr

from adapters.clients import SharedClients
from models.errors import InvalidField


class Seat(StrEnum):
    """What a vendor does in a call."""

    LLM = "llm"
    STT = "stt"
    TTS = "tts"


NAME_FIELDS = {Seat.LLM: "engine_model", Seat.STT: "stt_type", Seat.TTS: "tts_type"}
"""The field of an AI that names the vendor of each seat (seed 004)."""

KEY_FIELDS = {Seat.LLM: "engine_key", Seat.STT: "parameter.stt_key", Seat.TTS: "parameter.tts_key"}
"""The field of an AI that holds the vendor's key for each seat."""


class Capability(StrEnum):
    """What a vendor's service can do."""

    STREAMING = "streaming"
    """Answers piece by piece."""
    TOOLS = "tools"
    """The model calls tool functions."""
    INTERIM = "interim"
    """Sends transcripts while the caller still speaks."""
    FINALIZES = "finalizes"
    """Says that a transcript is final, so that a turn need not wait for more."""
    WORD_TIMESTAMPS = "word_timestamps"
    """Says when each word is spoken, so that what the caller heard is known to the word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderRow:
    """One vendor in one seat.

    Attributes:
        name: Name in ``engine_model``, ``stt_type`` or ``tts_type``.
        label: Name for people.
        seat: The seat.
        factory: ``module:function`` that makes the service from the row and a request; '' when this version cannot
            run the vendor.
        retired: Why the vendor cannot be used any more; '' when it can.
        key_variable: The vendor's usual environment variable for the key; '' when it needs none.
        base_url: The vendor's own endpoint, in the form that its client takes.
        extra: The extra of this package that the vendor needs; '' when the core suffices.
        module: The module that shows whether the extra is installed.
        default_model: Model that is taken or recommended when none is given.
        default_voice: Voice that is taken when none is given; '' when one must be given.
        voices: All voices, where the vendor has a closed set; empty where any name may exist.
        languages: Base language codes (``en``) that are understood; empty when any may be.
        sample_rates_hz: Rates of audio that the vendor offers, ascending, Hz; empty when any will do.
        capabilities: What the service can do.
    """

    name: str
    label: str
    seat: Seat
    factory: str = ""
    retired: str = ""
    key_variable: str = ""
    base_url: str = ""
    extra: str = ""
    module: str = ""
    default_model: str = ""
    default_voice: str = ""
    voices: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    sample_rates_hz: tuple[int, ...] = ()
    capabilities: frozenset[Capability] = frozenset()

    @property
    def runs(self) -> bool:
        """Whether this version can run the vendor."""
        return bool(self.factory)

    @property
    def base_url_variable(self) -> str:
        """Environment variable that points the vendor at another endpoint."""
        return f"AICALL_BASE_URL_{self.name.upper()}"

    @property
    def installed(self) -> bool:
        """Whether everything that the service imports is installed."""
        return not self.module or find_spec(self.module) is not None

    @property
    def why_not(self) -> str:
        """Why no call can use this vendor, for people; '' when one can."""
        if self.retired:
            return self.retired
        if not self.runs:
            return f"{self.label} is not available in this version"
        if not self.installed:
            return f"{self.label} needs an extra: pip install 'aicall-runtime[{self.extra}]'"
        return ""

    def require_usable(self) -> None:
        """Check that a call can use this vendor.

        Raises:
            InvalidField: It is retired, not available in this version, or its extra is missing. Names ``engine_model``,
                ``stt_type`` or ``tts_type``.
        """
        if self.why_not:
            raise InvalidField(NAME_FIELDS[self.seat], self.why_not)

    def sample_rate_for(self, wanted_hz: int) -> int:
        """The rate to ask the vendor for, Hz: the wanted one, else the next higher one, else the highest."""
        if not self.sample_rates_hz or wanted_hz in self.sample_rates_hz:
            return wanted_hz
        return next((rate for rate in self.sample_rates_hz if rate > wanted_hz), self.sample_rates_hz[-1])

    def load_factory(self) -> Callable[[ProviderRow, Any], Any]:
        """Import the service's module and return its factory. The first time, this takes up to 2 s of CPU.

        Raises:
            InvalidField: As `require_usable`.
        """
        self.require_usable()
        module, _, function = self.factory.partition(":")
        return cast("Callable[[ProviderRow, Any], Any]", getattr(import_module(module), function))


@dataclass(frozen=True, slots=True)
class Credentials:
    """How to reach a vendor.

    Attributes:
        key: The key; empty for vendors that need none.
        base_url: The endpoint, in the form that the vendor's client takes.
    """

    key: SecretStr
    base_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LlmRequest:
    """What a language-model service is made from.

    Attributes:
        model: The vendor's name of the model.
        system_instruction: The system prompt.
        credentials: Key and endpoint.
        clients: The process's shared clients.
        function_call_timeout_s: Longest a tool function may take, seconds.
    """

    model: str
    system_instruction: str
    credentials: Credentials
    clients: SharedClients
    function_call_timeout_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SttRequest:
    """What a speech-to-text service is made from.

    Attributes:
        language: BCP 47 tag, '' for the vendor's default.
        sample_rate_hz: Rate of the caller's audio, Hz; 16-bit mono.
        phrases: What the caller is expected to say, for recognisers that use it.
        extra_wait_s: How much later than after 0.2 s of silence the caller's stop is noticed, seconds: is added to the
            time that a turn waits for the final transcript, since Pipecat subtracts ``stop_secs`` from it.
        credentials: Key and endpoint.
        clients: The process's shared clients.
    """

    language: str
    sample_rate_hz: int
    phrases: Sequence[str]
    extra_wait_s: float
    credentials: Credentials
    clients: SharedClients


@dataclass(frozen=True, slots=True, kw_only=True)
class TtsRequest:
    """What a text-to-speech service is made from.

    Attributes:
        voice: The vendor's name of the voice.
        language: BCP 47 tag, '' to leave it to the voice.
        sample_rate_hz: Rate that the service's audio shall have, one that the vendor offers, Hz.
        credentials: Key and endpoint.
        clients: The process's shared clients.
    """

    voice: str
    language: str
    sample_rate_hz: int
    credentials: Credentials
    clients: SharedClients


@dataclass(frozen=True)
class SeatTable:
    """The rows of one seat, by name.

    Attributes:
        seat: The seat.
        rows: Its vendors.
    """

    seat: Seat
    rows: Sequence[ProviderRow]
    _by_name: dict[str, ProviderRow] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._by_name.update({row.name: row for row in self.rows})

    def __getitem__(self, name: str) -> ProviderRow:
        """Return the row of a vendor.

        Raises:
            InvalidField: There is none; names ``engine_model``, ``stt_type`` or ``tts_type``.
        """
        row = self._by_name.get(name)
        if row is None:
            raise InvalidField(NAME_FIELDS[self.seat], f"unknown provider; known: {', '.join(self._by_name)}")
        return row


def resolve_key(row: ProviderRow, given: SecretStr, environ: Mapping[str, str]) -> SecretStr:
    """Return the key to use: the AI's own, else the one of the vendor's usual variable.

    Args:
        row: The vendor.
        given: The AI's key, empty when it has none.
        environ: Environment variables.

    Returns:
        The key; empty when the vendor needs none.

    Raises:
        InvalidField: There is no key. Names ``engine_key``, ``parameter.stt_key`` or ``parameter.tts_key``.
    """
    if not row.key_variable:
        return SecretStr("")
    key = given if given.get_secret_value() else SecretStr(environ.get(row.key_variable, ""))
    if not key.get_secret_value():
        message = f"is required: {row.label} needs a key and {row.key_variable} is not set"
        raise InvalidField(KEY_FIELDS[row.seat], message)
    return key


def resolve_base_url(row: ProviderRow, environ: Mapping[str, str]) -> str:
    """Return the vendor's endpoint, without a slash at the end.

    ``http`` and ``ws`` stand for each other, so that one variable serves a vendor that has both.

    Args:
        row: The vendor.
        environ: Environment variables.

    Raises:
        InvalidField: The variable holds no URL; names the variable.
    """
    url = environ.get(row.base_url_variable, "") or row.base_url
    if not url:
        return ""
    scheme, _, rest = url.partition("://")
    if scheme not in ("http", "https", "ws", "wss") or not _has_host(url):
        raise InvalidField(row.base_url_variable, "must be a URL such as https://host or wss://host")
    secure = "s" if scheme in ("https", "wss") else ""
    kind = "ws" if row.base_url.startswith("ws") else "http"
    return f"{kind}{secure}://{rest.rstrip('/')}"


def _has_host(url: str) -> bool:
    try:
        return bool(urlsplit(url).hostname)
    except ValueError:
        return False


def resolve_credentials(row: ProviderRow, given: SecretStr, environ: Mapping[str, str]) -> Credentials:
    """Return the key and the endpoint to use.

    Raises:
        InvalidField: As `resolve_key` and `resolve_base_url`.
    """
    return Credentials(resolve_key(row, given, environ), resolve_base_url(row, environ))
