"""What the runtime reads from an AI's ``parameter``; every other key is the owner's own and passed to the model."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
)
from pydantic_core import PydanticCustomError

from models.providers import EngineModel, SttType, TtsType
from models.user_tools import MOST_MCP_SERVERS, MOST_TOOLS, HttpTool, McpServer, wrong_in_tools

MOST_FALLBACKS = 3
"""How many further vendors a seat may have."""

SEATS = ("llm", "stt", "tts")
"""The names of the seats."""

_BCP47 = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")


def check_language(value: str) -> str:
    """Accept '' or something of the shape of a BCP 47 tag (RFC 5646).

    Raises:
        ValueError: It is neither.
    """
    if value and not _BCP47.fullmatch(value):
        raise ValueError("must be a BCP 47 language tag such as en-US")
    return value


Language = Annotated[str, AfterValidator(check_language)]
"""A BCP 47 tag, or '' for the recogniser's default."""

BargeInMode = Literal["off", "immediate", "confirm"]
"""Whether the caller can cut the bot off: not at all, with the first sound, or once it is clear that they mean to."""


def check_phrase(value: str) -> str:
    """Accept text with at least one letter.

    Raises:
        ValueError: There is none.
    """
    if not any(char.isalpha() for char in value):
        raise ValueError("must have a letter")
    return value


Phrase = Annotated[str, Field(max_length=100), AfterValidator(check_phrase)]
"""A word or a few."""

ProviderOptions = Annotated[
    dict[Annotated[str, Field(max_length=50)], Annotated[str, Field(strict=True, max_length=500)]], Field(max_length=20)
]
"""What a vendor needs to know beside its key; which options there are stands in the vendor's row."""


class _Fallback(BaseModel):
    """What the fallbacks of every seat have in common.

    Attributes:
        key: The vendor's key, write-only: never in a stored ``parameter``. '' or None for the vendor's usual variable.
        options: The vendor's options, as in ``llm_options``, ``stt_options`` and ``tts_options``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    key: SecretStr | None = None
    options: ProviderOptions = Field(default_factory=dict)


class LlmFallback(_Fallback):
    """A language model that answers when those before it cannot.

    Attributes:
        engine_model: ``<provider>.<model>``.
    """

    engine_model: str

    @field_validator("engine_model")
    @classmethod
    def _check_engine_model(cls, value: str) -> str:
        return str(EngineModel.parse(value))

    @property
    def provider(self) -> str:
        """The vendor's name."""
        return EngineModel.parse(self.engine_model).provider.value


class SttFallback(_Fallback):
    """A recogniser that listens when those before it cannot.

    Attributes:
        stt_type: The recogniser.
        stt_language: BCP 47 tag; '' for the call's own.
    """

    stt_type: SttType
    stt_language: Language = ""

    @property
    def provider(self) -> str:
        """The vendor's name."""
        return self.stt_type.value


class TtsFallback(_Fallback):
    """A voice that speaks when those before it cannot.

    Attributes:
        tts_type: The vendor.
        tts_voice_id: The vendor's name of the voice; '' for the vendor's default.
    """

    tts_type: TtsType
    tts_voice_id: str = ""

    @property
    def provider(self) -> str:
        """The vendor's name."""
        return self.tts_type.value


class Fallbacks(BaseModel):
    """Further vendors of each seat, in the order in which they are taken.

    Attributes:
        llm: Language models.
        stt: Recognisers.
        tts: Voices.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    llm: Annotated[tuple[LlmFallback, ...], Field(max_length=MOST_FALLBACKS)] = ()
    stt: Annotated[tuple[SttFallback, ...], Field(max_length=MOST_FALLBACKS)] = ()
    tts: Annotated[tuple[TtsFallback, ...], Field(max_length=MOST_FALLBACKS)] = ()

    def of(self, seat: str) -> Sequence[LlmFallback | SttFallback | TtsFallback]:
        """Return the fallbacks of a seat, ``llm``, ``stt`` or ``tts``."""
        seats: dict[str, Sequence[LlmFallback | SttFallback | TtsFallback]] = {
            "llm": self.llm,
            "stt": self.stt,
            "tts": self.tts,
        }
        return seats[seat]

    def key_names(self, seat: str) -> list[str]:
        """Return under which name the key of each fallback of a seat is kept: ``stt.deepgram.0``.

        The vendor is in it, and not the place in the list, so that no key goes to another vendor when the order
        changes. The number tells those of one vendor apart.
        """
        seen: Counter[str] = Counter()
        names = []
        for entry in self.of(seat):
            names.append(f"{seat}.{entry.provider}.{seen[entry.provider]}")
            seen[entry.provider] += 1
        return names


def _one_text(value: Any) -> Any:
    """Read one text as a list of it, and '' as an empty one."""
    return ([value] if value else []) if isinstance(value, str) else value


FillerText = Annotated[str, Field(strict=True, min_length=1, max_length=300)]
"""A short sentence."""

PositiveSeconds = Annotated[float, Field(strict=True, gt=0, le=86_400, allow_inf_nan=False)]


class CallOptions(BaseModel):
    """The keys of ``parameter`` that change how a call runs. All are optional.

    Attributes:
        greeting: Fixed text to say first. Empty: the model speaks first, from ``init_prompt``.
        context_tokens: How much of the conversation the model is shown, estimated tokens; what is older is summed up.
        max_duration_s: Longest call, seconds; None for the server's own limit.
        idle_timeout_s: Silence of the caller after the bot stopped, seconds, before the caller is asked whether they
            are still there; None for the server's own.
        idle_limit: How many times in a row the caller is asked before the call is ended.
        speech_timeout_s: Extra silence on top of ``stop_secs`` before a turn ends, when Smart Turn is off, seconds.
        dtmf_timeout_s: Pause after a digit that completes an entry, seconds.
        dtmf_terminator: Digit that completes an entry at once.
        answer_early: Whether an answer may be begun while the end of the caller's turn is not certain. It is used only
            if nothing changes until then; otherwise the model's work was in vain.
        barge_in: Whether the caller can cut the bot off.
        backchannels: What a listener may say without cutting the bot off, in place of the list of the call's language;
            None for that list.
        interrupt_after_ms: How long after its confirmation a voice cuts the bot off whatever it says, with ``barge_in``
            "confirm", milliseconds.
        llm_options: Options of the language model, for example its region.
        stt_options: Options of the recogniser.
        tts_options: Options of the voice.
        fallback: Further vendors, taken when one fails.
        filler: What is said while an answer is late, one text after the other; '' or no text for nothing, None for the
            sentences of the call's language.
        filler_after_s: Silence after the end of the caller's turn before the first filler, seconds.
        apology: What is said when a vendor fails for good, before the call is ended.
        spent_goodbye: What is said when the call has cost as much as it may, before it is ended; '' for nothing.
        tools: The customer's own tools.
        mcp_servers: MCP servers whose tools the model may call.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    greeting: str = ""
    context_tokens: Annotated[int, Field(strict=True, ge=1_000, le=2_000_000)] = 16_000
    max_duration_s: PositiveSeconds | None = None
    idle_timeout_s: PositiveSeconds | None = None
    idle_limit: Annotated[int, Field(strict=True, ge=0, le=100)] = 2
    speech_timeout_s: Annotated[float, Field(strict=True, ge=0, le=30, allow_inf_nan=False)] = 0.0
    dtmf_timeout_s: Annotated[float, Field(strict=True, gt=0, le=60, allow_inf_nan=False)] = 2.0
    dtmf_terminator: Annotated[str, Field(pattern=r"^[0-9*#]$")] = "#"
    answer_early: Annotated[bool, Field(strict=True)] = True
    barge_in: BargeInMode = "confirm"
    backchannels: Annotated[tuple[Phrase, ...], Field(max_length=200)] | None = None
    interrupt_after_ms: Annotated[int, Field(strict=True, ge=0, le=2_000)] = 800
    llm_options: ProviderOptions = Field(default_factory=dict)
    stt_options: ProviderOptions = Field(default_factory=dict)
    tts_options: ProviderOptions = Field(default_factory=dict)
    fallback: Fallbacks = Field(default_factory=Fallbacks)
    filler: Annotated[tuple[FillerText, ...], BeforeValidator(_one_text), Field(max_length=10)] | None = None
    filler_after_s: Annotated[float, Field(strict=True, gt=0, le=30, allow_inf_nan=False)] = 1.5
    apology: str = "I am sorry, there is a technical problem. Please call again later."
    spent_goodbye: str = "I am sorry, we have come to the end of our time. Thank you for calling. Goodbye."
    tools: Annotated[tuple[HttpTool, ...], Field(max_length=MOST_TOOLS)] = ()
    mcp_servers: Annotated[tuple[McpServer, ...], Field(max_length=MOST_MCP_SERVERS)] = ()


_MESSAGES = {"missing": "is required", "extra_forbidden": "is not a known field"}
"""Clearer words for pydantic's error types."""

RUNTIME_KEYS = frozenset(CallOptions.model_fields) | {"stt_key", "tts_key"}
"""Keys of ``parameter`` that are the runtime's and are not shown to the model."""


def field_error(field: str, message: str) -> PydanticCustomError:
    """Make a validation error that names its field itself, for checks that see more than one field.

    Args:
        field: Dotted path of the field.
        message: What is wrong with it.
    """
    return PydanticCustomError("invalid_field", "{message}", {"field": field, "message": message})


def check_parameter(parameter: dict[str, Any]) -> dict[str, Any]:
    """Check the keys of ``parameter`` that the runtime reads.

    Raises:
        PydanticCustomError: A key has a wrong value; the error names ``parameter.<key>``.
    """
    try:
        options = CallOptions.model_validate(parameter)
    except ValidationError as error:
        first = error.errors()[0]
        message = _MESSAGES.get(first["type"]) or first["msg"].removeprefix("Value error, ")
        raise field_error(_path(first["loc"]), message) from None
    if wrong := wrong_in_tools(options):
        raise field_error(_path(wrong[0]), wrong[1])
    return parameter


def _path(loc: Sequence[int | str]) -> str:
    """``parameter.fallback.stt[0].stt_type``."""
    if loc[:1] not in (("fallback",), ("tools",), ("mcp_servers",)):
        return ".".join(map(str, ("parameter", *loc)))
    return "parameter" + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc)


def model_parameters(parameter: dict[str, Any]) -> dict[str, Any]:
    """Return the part of ``parameter`` that is meant for the model."""
    return {key: value for key, value in parameter.items() if key not in RUNTIME_KEYS}


def named_providers(
    engine_model: str, stt_type: str, tts_type: str, options: CallOptions
) -> frozenset[tuple[str, str]]:
    """Return every vendor that a call may need, its fallbacks too, as seat (``llm``, ``stt``, ``tts``) and name."""
    own = {("llm", engine_model.partition(".")[0]), ("stt", stt_type), ("tts", tts_type)}
    return frozenset(own | {(seat, entry.provider) for seat in SEATS for entry in options.fallback.of(seat)})
