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

from models.errors import InvalidField


class Seat(StrEnum):
    """What a vendor does in a call."""

    LLM = "llm"
    STT = "stt"
    TTS = "tts"


NAME_FIELDS = {Seat.LLM: "engine_model", Seat.STT: "stt_type", Seat.TTS: "tts_type"}
"""The field of an AI that names the vendor of each seat (seed 004)."""

OPTION_FIELDS = {
    Seat.LLM: "parameter.llm_options",
    Seat.STT: "parameter.stt_options",
    Seat.TTS: "parameter.tts_options",
}
"""The field of an AI that holds the vendor's options for each seat."""

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
    STATEFUL = "stateful"
    """Keeps the conversation itself and moves on with each request, so nothing may be asked that is then not used."""


class KeyKind(StrEnum):
    """What the key of a vendor looks like, in ``engine_key``, ``parameter.stt_key`` or ``parameter.tts_key``."""

    PLAIN = "plain"
    """One string, sent as it is."""
    AWS = "aws"
    """``ID:SECRET``, ``ID:SECRET:SESSION_TOKEN``, or JSON with ``access_key_id``, ``secret_access_key`` and, for
    temporary ones, ``session_token``. Else the variables that AWS' own tools read."""
    GOOGLE = "google"
    """The JSON of a service account's key, as Google's console gives it; else the file that the variable names."""
    PAIR = "pair"
    """``USER_ID:KEY``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderOption:
    """What a vendor needs to know beside its key, from ``parameter.llm_options``, ``stt_options`` or ``tts_options``.

    Attributes:
        name: Its name there.
        summary: What it is, for people.
        variable: Environment variable that gives it where the AI does not; '' for none.
        default: Its value when nobody gives one.
        required: Whether there must be one.
        needed_by: Models that cannot do without it, where it depends on the model.
        pattern: Regular expression that the whole value must match.
    """

    name: str
    summary: str
    variable: str = ""
    default: str = ""
    required: bool = False
    needed_by: tuple[str, ...] = ()
    pattern: str = r"[^\x00-\x1f\x7f]{0,500}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderRow:
    """One vendor in one seat.

    Attributes:
        name: Name in ``engine_model``, ``stt_type`` or ``tts_type``.
        label: Name for people.
        seat: The seat.
        factory: ``module:function`` that makes the service from the row and a request; '' when this version cannot
            run the vendor.
        retired: Why the vendor cannot be used any more; '' when it can. Where the operator names an endpoint for it, it
            can be used all the same.
        retired_models: Models that the vendor has ended, each with what to use instead; a name that ends in ``*``
            stands for all that begin so.
        key_variable: The vendor's usual environment variable for the key; '' when it needs none.
        key_kind: What the key looks like.
        key_optional: Whether a call can do without the key.
        base_url: The vendor's own endpoint, in the form that its client takes; ``{name}`` stands for an option.
        options: What else can be said to it.
        own_endpoint: Whether an AI may name an endpoint of its own, with the option ``base_url``.
        own_endpoint_keyless: Whether such an endpoint may need no key.
        extra: The extra of this package that the vendor needs; '' when the core suffices.
        module: The module that shows whether the extra is installed.
        models: All models, where the vendor has a closed set; empty where any name may exist.
        default_model: Model that is taken or recommended when none is given.
        default_voice: Voice that is taken when none is given; '' when one must be given.
        voices: All voices, where the vendor has a closed set; empty where any name may exist.
        languages: Languages that are understood, in the vendor's own form (``en``, ``en-US``); empty when any may be.
        language_aliases: BCP 47 tags in small letters, to the vendor's form where that is not the tag or its beginning.
        account: ``adapters.accounts`` module that asks the vendor about a key, its voices and its models; '' for none.
        sample_rates_hz: Rates of audio that the vendor offers, ascending, Hz; empty when any will do.
        capabilities: What the service can do.
    """

    name: str
    label: str
    seat: Seat
    factory: str = ""
    retired: str = ""
    retired_models: Mapping[str, str] = field(default_factory=dict)
    key_variable: str = ""
    key_kind: KeyKind = KeyKind.PLAIN
    key_optional: bool = False
    base_url: str = ""
    options: tuple[ProviderOption, ...] = ()
    own_endpoint: bool = False
    own_endpoint_keyless: bool = False
    extra: str = ""
    module: str = ""
    models: tuple[str, ...] = ()
    default_model: str = ""
    default_voice: str = ""
    voices: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    language_aliases: Mapping[str, str] = field(default_factory=dict)
    account: str = ""
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
        try:
            return not self.module or find_spec(self.module) is not None
        except ModuleNotFoundError:
            # Not even the package that it would be in is there.
            return False

    def why_not(self, environ: Mapping[str, str]) -> str:
        """Why no call can use this vendor, for people; '' when one can.

        Args:
            environ: Environment variables.
        """
        if self.retired and not environ.get(self.base_url_variable):
            return self.retired
        if not self.runs:
            return f"{self.label} is not available in this version"
        if not self.installed:
            return f"{self.label} needs an extra: pip install 'aicall-runtime[{self.extra}]'"
        return ""

    def require_usable(self, environ: Mapping[str, str]) -> None:
        """Check that a call can use this vendor.

        Args:
            environ: Environment variables.

        Raises:
            InvalidField: It is retired, not available in this version, or its extra is missing. Names ``engine_model``,
                ``stt_type`` or ``tts_type``.
        """
        why_not = self.why_not(environ)
        if why_not:
            raise InvalidField(NAME_FIELDS[self.seat], why_not)

    def check_model(self, model: str, environ: Mapping[str, str], options: Mapping[str, str] | None = None) -> None:
        """Check that the vendor has a model and has not ended it.

        Args:
            model: The vendor's name of it.
            environ: Environment variables; an endpoint of the operator's may have models that were ended.
            options: Every option of the row, by name, to check that none is missing that the model needs; None or empty
                not to.

        Raises:
            InvalidField: There is no such model, which names ``engine_model`` and says what to use; or an option is
                missing, which names it.
        """
        if self.models and model not in self.models:
            raise InvalidField(NAME_FIELDS[self.seat], f"{self.label} has these models: {', '.join(self.models)}")
        for option in self.options:
            if options and model in option.needed_by and not options.get(option.name):
                message = f"is required: {self.label} needs it for the model {model}"
                raise InvalidField(f"{OPTION_FIELDS[self.seat]}.{option.name}", message)
        if environ.get(self.base_url_variable):
            return
        for name, message in self.retired_models.items():
            if model == name or (name.endswith("*") and model.startswith(name[:-1])):
                raise InvalidField(NAME_FIELDS[self.seat], message)

    def language_code(self, tag: str) -> str | None:
        """Return the vendor's own form of a language.

        Args:
            tag: BCP 47 tag in any case; '' for the vendor's default.

        Returns:
            The form that the vendor takes; '' for its default; None when it does not understand the language.
        """
        wanted = tag.lower()
        if not wanted or not self.languages:
            return tag
        known = {code.lower(): code for code in self.languages}
        base = wanted.partition("-")[0]
        for candidate in (wanted, base):
            alias = self.language_aliases.get(candidate)
            if alias is not None:
                return alias
            if candidate in known:
                return known[candidate]
        return None

    def sample_rate_for(self, wanted_hz: int) -> int:
        """The rate to ask the vendor for, Hz: the wanted one, else the next higher one, else the highest."""
        if not self.sample_rates_hz or wanted_hz in self.sample_rates_hz:
            return wanted_hz
        return next((rate for rate in self.sample_rates_hz if rate > wanted_hz), self.sample_rates_hz[-1])

    def load_factory(self) -> Callable[[ProviderRow, Any], Any]:
        """Import the service's module and return its factory. The first time, this takes up to 2 s of CPU.

        Raises:
            InvalidField: The vendor is not available in this version, or its extra is missing.
        """
        self.require_usable({self.base_url_variable: "set"})
        module, _, function = self.factory.partition(":")
        return cast("Callable[[ProviderRow, Any], Any]", getattr(import_module(module), function))


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
