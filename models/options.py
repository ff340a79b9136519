"""What the runtime reads from an AI's ``parameter``; every other key is the owner's own and passed to the model."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError

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

PositiveSeconds = Annotated[float, Field(strict=True, gt=0, le=86_400, allow_inf_nan=False)]


class CallOptions(BaseModel):
    """The keys of ``parameter`` that change how a call runs. All are optional.

    Attributes:
        greeting: Fixed text to say first. Empty: the model speaks first, from ``init_prompt``.
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
        apology: What is said when a vendor fails for good, before the call is ended.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    greeting: str = ""
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
    apology: str = "I am sorry, there is a technical problem. Please call again later."


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
        CallOptions.model_validate(parameter)
    except ValidationError as error:
        first = error.errors()[0]
        path = ".".join(map(str, ("parameter", *first["loc"])))
        raise field_error(path, first["msg"]) from None
    return parameter


def model_parameters(parameter: dict[str, Any]) -> dict[str, Any]:
    """Return the part of ``parameter`` that is meant for the model."""
    return {key: value for key, value in parameter.items() if key not in RUNTIME_KEYS}
