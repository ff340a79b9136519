"""The AI: a stored configuration of engine, prompt, voice, recogniser and tools (seeds 003 and 004)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    field_validator,
    model_validator,
)

from models.ids import NIL_ID
from models.options import SEATS, CallOptions, Language, check_parameter, field_error, named_providers
from models.providers import DEFAULT_VOICES, EngineModel, SttType, TtsType
from models.timestamps import NOT_YET, Timestamp
from models.tools import check_tool_names
from models.user_tools import declared, header_secrets, without_headers
from models.vad import EffectiveVad, VadConfig, effective_vad

SECRET_PARAMETERS = ("stt_key", "tts_key")
"""Keys of ``parameter`` that are write-only like ``engine_key``."""

_FALLBACK_KEYS: dict[str, Any] = {seat: {"__all__": {"key"}} for seat in SEATS}
"""What of ``parameter.fallback`` is write-only, for pydantic."""

READ_ONLY = frozenset({"id", "customer_id", "tm_create", "tm_update", "tm_delete"})
"""Fields that a client may send back as it received them; they are the server's and are passed over."""

NilUuid = Annotated[UUID, BeforeValidator(lambda value: NIL_ID if value in (None, "") else value)]
"""A UUID for which null and '' mean "none"."""


class AiSecrets(BaseModel):
    """The write-only part of an AI: kept encrypted, never in a response, an event, a log line or a repr.

    Attributes:
        engine_key: Key of the language-model vendor.
        stt_key: Key of the speech-to-text vendor ('' for the vendor's usual variable).
        tts_key: Key of the text-to-speech vendor ('' for the vendor's usual variable).
        fallback_keys: Keys of the fallbacks, by `Fallbacks.key_names`.
        tool_headers: Headers of the customer's own tools and MCP servers, by their ``secret_name``.
    """

    model_config = ConfigDict(frozen=True)

    engine_key: SecretStr = SecretStr("")
    stt_key: SecretStr = SecretStr("")
    tts_key: SecretStr = SecretStr("")
    fallback_keys: dict[str, SecretStr] = Field(default_factory=dict)
    tool_headers: dict[str, dict[str, SecretStr]] = Field(default_factory=dict)

    def fallback_key(self, name: str) -> SecretStr:
        """Return the key of a fallback; '' when it has none."""
        return self.fallback_keys.get(name, SecretStr(""))

    def revealed(self) -> dict[str, Any]:
        """Return everything in plain text, to be sealed."""
        document: dict[str, Any] = {
            name: value.get_secret_value() for name, value in self if isinstance(value, SecretStr)
        }
        document["fallback_keys"] = {name: key.get_secret_value() for name, key in self.fallback_keys.items()}
        document["tool_headers"] = {
            name: {header: value.get_secret_value() for header, value in headers.items()}
            for name, headers in self.tool_headers.items()
        }
        return document


class AiFields(BaseModel):
    """The fields of an AI that its owner writes and reads. Names, types and defaults are the seeds'."""

    # A rejected body may hold keys, which the text of pydantic's error would show.
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    name: Annotated[str, Field(min_length=1, max_length=255)]
    detail: str = ""
    engine_model: str
    parameter: dict[str, Any] = Field(default_factory=dict)
    rag_id: NilUuid = NIL_ID
    init_prompt: str
    tts_type: TtsType
    tts_voice_id: str = ""
    stt_type: SttType
    stt_language: Language = ""
    vad_config: VadConfig | None = None
    smart_turn_enabled: Annotated[bool, Field(strict=True)] = False
    tool_names: list[str] | None = None

    @field_validator("engine_model")
    @classmethod
    def _check_engine_model(cls, value: str) -> str:
        return str(EngineModel.parse(value))

    @field_validator("tool_names")
    @classmethod
    def _check_tool_names(cls, value: list[str] | None) -> list[str] | None:
        check_tool_names(value or ())
        return value

    @field_validator("parameter", mode="before")
    @classmethod
    def _none_is_empty(cls, value: Any) -> Any:
        return {} if value is None else value

    @field_validator("parameter")
    @classmethod
    def _check_parameter(cls, value: dict[str, Any]) -> dict[str, Any]:
        return check_parameter(value)

    @property
    def engine(self) -> EngineModel:
        """The parsed ``engine_model``."""
        return EngineModel.parse(self.engine_model)

    @property
    def options(self) -> CallOptions:
        """What the runtime reads from ``parameter``."""
        return CallOptions.model_validate(self.parameter)

    @property
    def providers(self) -> frozenset[tuple[str, str]]:
        """Every vendor that a call may need, as seat and name."""
        return named_providers(self.engine_model, self.stt_type, self.tts_type, self.options)

    @property
    def effective_vad(self) -> EffectiveVad:
        """The VAD values that a call of this AI runs with."""
        return effective_vad(self.vad_config, smart_turn_enabled=self.smart_turn_enabled)


class AiWrite(AiFields):
    """Body of ``POST /v1.0/ais`` and ``PUT /v1.0/ais/{id}``.

    ``engine_key`` None means "not given": on PUT the stored key stays. The secret keys in ``parameter`` are taken out
    of it and behave the same.
    """

    engine_key: SecretStr | None = None
    _parameter_secrets: dict[str, SecretStr] = PrivateAttr(default_factory=dict)
    _fallback_keys: dict[str, SecretStr] = PrivateAttr(default_factory=dict)
    _tool_headers: dict[str, dict[str, SecretStr]] = PrivateAttr(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _drop_read_only(cls, data: Any) -> Any:
        return {key: value for key, value in data.items() if key not in READ_ONLY} if isinstance(data, dict) else data

    @model_validator(mode="after")
    def _complete(self) -> Self:
        for key in self.parameter.keys() & set(SECRET_PARAMETERS):
            if not isinstance(self.parameter[key], str):
                raise field_error(f"parameter.{key}", "must be text")
            self._parameter_secrets[key] = SecretStr(self.parameter[key])
        self.parameter = {key: value for key, value in self.parameter.items() if key not in SECRET_PARAMETERS}
        self._take_fallback_keys()
        self._take_tool_headers()
        if not self.tts_voice_id:
            default = DEFAULT_VOICES.get(self.tts_type)
            if default is None:
                raise field_error("tts_voice_id", f"is required: {self.tts_type} has no default voice")
            self.tts_voice_id = default
        return self

    def _take_fallback_keys(self) -> None:
        fallbacks = self.options.fallback
        for seat in SEATS:
            for name, entry in zip(fallbacks.key_names(seat), fallbacks.of(seat), strict=True):
                if entry.key is not None:
                    self._fallback_keys[name] = entry.key
        if "fallback" in self.parameter:
            without_keys = fallbacks.model_dump(mode="json", exclude_unset=True, exclude=_FALLBACK_KEYS)
            self.parameter = {**self.parameter, "fallback": without_keys}

    def _take_tool_headers(self) -> None:
        self._tool_headers = header_secrets(self.options)
        for key in ("tools", "mcp_servers"):
            if key in self.parameter:
                self.parameter = {**self.parameter, key: without_headers(self.parameter[key])}

    def secrets(self, kept: AiSecrets | None = None) -> AiSecrets:
        """Return the secrets to store: those given, else those kept from before."""
        kept = kept or AiSecrets()
        given: dict[str, Any] = dict(self._parameter_secrets)
        if self.engine_key is not None:
            given["engine_key"] = self.engine_key
        fallbacks = self.options.fallback
        names = [name for seat in SEATS for name in fallbacks.key_names(seat)]
        keys = {name: self._fallback_keys.get(name, kept.fallback_key(name)) for name in names}
        given["fallback_keys"] = {name: key for name, key in keys.items() if key.get_secret_value()}
        headers = {
            it.secret_name: self._tool_headers.get(it.secret_name, kept.tool_headers.get(it.secret_name))
            for it in declared(self.options)
        }
        given["tool_headers"] = {name: values for name, values in headers.items() if values}
        return kept.model_copy(update=given)


class Ai(AiFields):
    """A stored AI. Dumping it never shows a secret; `secrets` is reached by attribute only."""

    id: UUID
    customer_id: UUID
    secrets: AiSecrets = Field(default_factory=AiSecrets, exclude=True, repr=False)
    tm_create: Timestamp
    tm_update: Timestamp = NOT_YET
    tm_delete: Timestamp = NOT_YET

    @classmethod
    def create(cls, body: AiWrite, *, id: UUID, customer_id: UUID, now: datetime) -> Self:  # noqa: A002
        """Make a new AI from a request body."""
        return cls(
            **body.model_dump(exclude={"engine_key"}),
            id=id,
            customer_id=customer_id,
            secrets=body.secrets(),
            tm_create=now,
        )

    def replaced(self, body: AiWrite, *, now: datetime) -> Self:
        """Return this AI with everything its owner writes replaced (PUT)."""
        return type(self)(
            **body.model_dump(exclude={"engine_key"}),
            id=self.id,
            customer_id=self.customer_id,
            secrets=body.secrets(self.secrets),
            tm_create=self.tm_create,
            tm_update=now,
        )

    def public(self) -> dict[str, Any]:
        """Return the JSON document that the API answers with; ``vad_config`` holds what was set and nothing else."""
        dumped = self.model_dump(mode="json")
        if self.vad_config is not None:
            dumped["vad_config"] = self.vad_config.model_dump(mode="json", exclude_none=True)
        return {"id": dumped.pop("id"), "customer_id": dumped.pop("customer_id"), **dumped}
