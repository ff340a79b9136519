"""Makes the three services of a voice call from an AIcall and its AI's keys."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from loguru import logger
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.services.llm_service import LLMService
from pydantic import SecretStr

from adapters.breaker import Circuit, Circuits
from adapters.clients import SharedClients
from adapters.credentials import resolve_credentials, resolve_options
from adapters.llm.build import build_llm
from adapters.llm.table import LLM_TABLE
from adapters.seats import Capability, ProviderRow
from adapters.stt.build import build_stt
from adapters.stt.table import STT_TABLE
from adapters.tts.build import build_tts, voice_identity
from adapters.tts.table import TTS_TABLE
from models.ai import AiSecrets
from models.aicall import Aicall
from models.errors import AicallError
from models.options import CallOptions
from models.providers import EngineModel, LlmProvider, SttType, TtsType
from pipelines.conversation.types import VoiceServices
from pipelines.failover.failover import Candidate, Failover
from pipelines.failover.failures import Seat
from pipelines.failover.llm import LlmFailover
from pipelines.failover.stt import SttFailover
from pipelines.failover.tts import TtsFailover
from pipelines.prompts import system_instruction
from pipelines.speech.phrase_recorder import SpareVoice
from pipelines.team.listening_seat import ListeningSeat
from pipelines.team.plan import SeatPlan, VoicePlan
from pipelines.team.seat import MemberSeat


@dataclass(frozen=True, slots=True)
class _Choice:
    """A vendor that an AI names for a seat."""

    row: ProviderRow
    key: SecretStr
    options: Mapping[str, str]
    make: Callable[[], FrameProcessor]
    identity: Callable[[], str] = str
    same: Hashable = None
    """What makes the service another one, besides the vendor, its key and its options."""


def make_voice_services(
    aicall: Aicall,
    secrets: AiSecrets,
    *,
    init_prompt: str,
    variables: Mapping[str, str],
    sample_rate_hz: int,
    stop_secs: float,
    clients: SharedClients,
    environ: Mapping[str, str],
    circuits: Circuits | None = None,
) -> VoiceServices:
    """Make recogniser, model and voice; no connection is opened yet.

    A seat for which the AI names further vendors is a `Failover`, which begins on the first one that is not known to
    fail.

    Args:
        aicall: What the call runs with.
        secrets: The AI's keys.
        init_prompt: The AI's system prompt.
        variables: What ``${name}`` in the prompt stands for.
        sample_rate_hz: Rate of the call's audio, Hz.
        stop_secs: The VAD's silence window, seconds.
        clients: The process's shared clients.
        environ: Environment variables, for vendor keys and endpoints.
        circuits: What the process knows of the vendors; None for what this call finds out.

    Raises:
        InvalidField: A provider cannot be used here, or its key is missing, and the AI names no other that can.
    """
    calls = _CallParts(
        aicall,
        secrets,
        system_instruction=system_instruction(init_prompt, aicall.parameter, variables),
        variables=variables,
        sample_rate_hz=sample_rate_hz,
        stop_secs=stop_secs,
        clients=clients,
        environ=environ,
    )
    known = circuits or Circuits(time.monotonic)
    seats = {
        Seat.STT: _Seat(Seat.STT, calls.recognisers(), known, environ),
        Seat.LLM: _Seat(Seat.LLM, calls.models(), known, environ),
        Seat.TTS: _Seat(Seat.TTS, calls.voices(), known, environ),
    }
    stt: Any = seats[Seat.STT].service(SttFailover)
    llm: Any = seats[Seat.LLM].service(LlmFailover)
    tts: Any = seats[Seat.TTS].service(TtsFailover)
    voice = seats[Seat.TTS].first_choice(tts)
    identity = voice.identity()
    return VoiceServices(
        stt=stt,
        llm=llm,
        tts=tts,
        voice_identity=identity,
        spare_voice=SpareVoice(identity, voice.make, sample_rate_hz),
        providers={name: seat.choices[0].row.name for name, seat in seats.items()},
        circuits={name: circuit for name, seat in seats.items() if (circuit := seat.only_circuit()) is not None},
        may_speculate=all(Capability.STATEFUL not in choice.row.capabilities for choice in seats[Seat.LLM].choices),
    )


def plan_voice(
    aicall: Aicall,
    secrets: AiSecrets,
    *,
    init_prompt: str,
    variables: Mapping[str, str],
    sample_rate_hz: int,
    stop_secs: float,
    clients: SharedClients,
    environ: Mapping[str, str],
    circuits: Circuits,
) -> VoicePlan:
    """Say how recogniser, model and voice of a team's member are made; nothing is made yet.

    Args:
        aicall: What the call runs with while that member has it.
        secrets: The keys of the member's AI.
        init_prompt: Its system prompt.
        variables: As in `make_voice_services`.
        sample_rate_hz: As in `make_voice_services`.
        stop_secs: The VAD's silence window while that member has the call, seconds.
        clients: As in `make_voice_services`.
        environ: As in `make_voice_services`.
        circuits: What the process knows of the vendors.
    """
    calls = _CallParts(
        aicall,
        secrets,
        system_instruction=system_instruction(init_prompt, aicall.parameter, variables),
        variables=variables,
        sample_rate_hz=sample_rate_hz,
        stop_secs=stop_secs,
        clients=clients,
        environ=environ,
    )
    models, voices = calls.models(), calls.voices()

    def plan(seat: Seat, choices: Sequence[_Choice], failover: Callable[[Sequence[Candidate]], Failover]) -> SeatPlan:
        return SeatPlan(
            key=tuple(
                (choice.row.name, choice.key, *sorted(choice.options.items()), choice.same) for choice in choices
            ),
            provider=choices[0].row.name,
            make=lambda: _Seat(seat, choices, circuits, environ).service(failover),
            circuit=lambda: _Seat(seat, choices, circuits, environ).only_circuit(),
        )

    return VoicePlan(
        seats={
            Seat.STT: plan(Seat.STT, calls.recognisers(), SttFailover),
            Seat.LLM: plan(Seat.LLM, models, LlmFailover),
            Seat.TTS: plan(Seat.TTS, voices, TtsFailover),
        },
        may_speculate=all(Capability.STATEFUL not in choice.row.capabilities for choice in models),
        spare_voice=lambda: SpareVoice(voices[0].identity(), voices[0].make, sample_rate_hz),
    )


def make_team_services(first: VoicePlan, *, may_speculate: bool) -> VoiceServices:
    """Make the services of the member that has the call at first; those of others take their seats later.

    Args:
        first: That member's.
        may_speculate: Whether every member's model may be asked for an answer that is then not used.

    Raises:
        InvalidField: A provider cannot be used here, or its key is missing, and the AI names no other that can.
    """
    spare = first.spare_voice()
    return VoiceServices(
        stt=ListeningSeat(first.seats[Seat.STT]),
        llm=MemberSeat(Seat.LLM, first.seats[Seat.LLM]),
        tts=MemberSeat(Seat.TTS, first.seats[Seat.TTS]),
        voice_identity=spare.identity,
        spare_voice=spare,
        may_speculate=may_speculate,
    )


@dataclass(frozen=True, slots=True)
class ModelService:
    """The model of a conversation in writing, made for it.

    Attributes:
        llm: The model, or several.
        provider: The vendor that it begins with.
        circuit: What the process knows of the vendor, where there is but one.
    """

    llm: LLMService[Any] | Failover
    provider: str
    circuit: Circuit | None


def make_model(
    aicall: Aicall,
    secrets: AiSecrets,
    *,
    init_prompt: str,
    variables: Mapping[str, str],
    clients: SharedClients,
    environ: Mapping[str, str],
    circuits: Circuits,
) -> ModelService:
    """Make the model alone; no connection is opened yet. Arguments as in `make_voice_services`.

    Raises:
        InvalidField: The model cannot be used here, or its key is missing, and the AI names no other that can.
    """
    parts = _CallParts(
        aicall,
        secrets,
        system_instruction=system_instruction(init_prompt, aicall.parameter, variables),
        variables=variables,
        sample_rate_hz=0,
        stop_secs=0,
        clients=clients,
        environ=environ,
    )
    seat = _Seat(Seat.LLM, parts.models(), circuits, environ)
    llm: Any = seat.service(LlmFailover)
    return ModelService(llm, seat.first_choice(llm).row.name, seat.only_circuit())


class _Seat:
    """The vendors that an AI names for a seat, the AI's own first."""

    def __init__(self, seat: Seat, choices: Sequence[_Choice], circuits: Circuits, environ: Mapping[str, str]) -> None:
        self.seat = seat
        self.choices = list(choices)
        self._circuits = circuits
        self._environ = environ
        self._alone = len(self.choices) == 1

    def service(self, failover: Callable[[Sequence[Candidate]], Failover]) -> FrameProcessor:
        """Make what stands in the seat."""
        if self._alone:
            return self.choices[0].make()
        usable: list[_Choice] = []
        candidates: list[Candidate] = []
        refusal: AicallError | None = None
        for choice in self.choices:
            try:
                circuit = self._circuit(choice)
            except AicallError as error:
                # Its key went since the AI was saved, say; the others are there for that too.
                logger.warning("{} {} cannot be used: {}", self.seat, choice.row.name, error.message)
                refusal = refusal or error
                continue
            usable.append(choice)
            candidates.append(Candidate(choice.row.name, circuit, choice.make))
        if refusal is not None and not candidates:
            raise refusal
        self.choices = usable
        return failover(candidates)

    def first_choice(self, service: FrameProcessor) -> _Choice:
        """Return whose service the call begins with."""
        return self.choices[service.number if isinstance(service, Failover) else 0]

    def only_circuit(self) -> Circuit | None:
        """Return the circuit of a seat with one vendor; a seat with several looks after its own."""
        return self._circuit(self.choices[0]) if self._alone else None

    def _circuit(self, choice: _Choice) -> Circuit:
        options = resolve_options(choice.row, choice.options, self._environ)
        credentials = resolve_credentials(choice.row, choice.key, self._environ, options)
        return self._circuits.of(self.seat.value, choice.row.name, credentials)


class _CallParts:
    """What each seat's vendors are for one call."""

    def __init__(
        self,
        aicall: Aicall,
        secrets: AiSecrets,
        *,
        system_instruction: str,
        variables: Mapping[str, str],
        sample_rate_hz: int,
        stop_secs: float,
        clients: SharedClients,
        environ: Mapping[str, str],
    ) -> None:
        self._aicall = aicall
        self._secrets = secrets
        self._options = CallOptions.model_validate(aicall.parameter)
        self._system_instruction = system_instruction
        self._variables = variables
        self._sample_rate_hz = sample_rate_hz
        self._stop_secs = stop_secs
        self._clients = clients
        self._environ = environ

    def recognisers(self) -> list[_Choice]:
        """Return the recognisers."""
        own, language = SttType(self._aicall.ai_stt_type), self._aicall.stt_language
        choices = [self._recogniser(own, self._secrets.stt_key, language, self._options.stt_options)]
        fallbacks = self._options.fallback
        for name, entry in zip(fallbacks.key_names("stt"), fallbacks.stt, strict=True):
            key = self._secrets.fallback_key(name)
            choices.append(self._recogniser(entry.stt_type, key, entry.stt_language or language, entry.options))
        return choices

    def _recogniser(self, name: SttType, key: SecretStr, language: str, options: Mapping[str, str]) -> _Choice:
        phrases = expected_phrases(EngineModel.parse(self._aicall.ai_engine_model))

        def make() -> FrameProcessor:
            return build_stt(
                name,
                key=key,
                language=language,
                sample_rate_hz=self._sample_rate_hz,
                stop_secs=self._stop_secs,
                resources=self._clients,
                environ=self._environ,
                phrases=phrases,
                options=options,
            )

        same = (language, self._sample_rate_hz, self._stop_secs, *phrases)
        return _Choice(STT_TABLE[name], key, options, make, same=same)

    def models(self) -> list[_Choice]:
        """Return the language models."""
        own = EngineModel.parse(self._aicall.ai_engine_model)
        choices = [self._model(own, self._secrets.engine_key, self._options.llm_options)]
        fallbacks = self._options.fallback
        for name, entry in zip(fallbacks.key_names("llm"), fallbacks.llm, strict=True):
            engine = EngineModel.parse(entry.engine_model)
            choices.append(self._model(engine, self._secrets.fallback_key(name), entry.options))
        return choices

    def _model(self, engine: EngineModel, key: SecretStr, options: Mapping[str, str]) -> _Choice:
        def make() -> FrameProcessor:
            return build_llm(
                engine,
                key=key,
                system_instruction=self._system_instruction,
                resources=self._clients,
                environ=self._environ,
                options=options,
                session_id=str(self._aicall.id),
                language=self._aicall.stt_language,
                variables=self._variables,
            )

        same = (str(engine), self._system_instruction, self._aicall.stt_language)
        return _Choice(LLM_TABLE[engine.provider], key, options, make, same=same)

    def voices(self) -> list[_Choice]:
        """Return the voices."""
        own, voice = TtsType(self._aicall.ai_tts_type), self._aicall.ai_tts_voice_id
        choices = [self._voice(own, self._secrets.tts_key, voice, self._options.tts_options)]
        fallbacks = self._options.fallback
        for name, entry in zip(fallbacks.key_names("tts"), fallbacks.tts, strict=True):
            key = self._secrets.fallback_key(name)
            choices.append(self._voice(entry.tts_type, key, entry.tts_voice_id, entry.options))
        return choices

    def _voice(self, name: TtsType, key: SecretStr, voice: str, options: Mapping[str, str]) -> _Choice:
        how: dict[str, Any] = {
            "key": key,
            "voice": voice,
            "language": self._aicall.stt_language,
            "sample_rate_hz": self._sample_rate_hz,
            "resources": self._clients,
            "environ": self._environ,
            "options": options,
        }
        return _Choice(
            TTS_TABLE[name],
            key,
            options,
            make=lambda: build_tts(name, **how),
            identity=lambda: voice_identity(name, **how),
            same=(voice, self._aicall.stt_language),
        )


def expected_phrases(engine: EngineModel) -> list[str]:
    """Return what a caller may say to a script; nothing is known of what they say to a model."""
    if engine.provider is not LlmProvider.SCRIPT:
        return []
    from adapters.llm.script import load_script  # noqa: PLC0415 - only where a script is used

    return list(load_script(engine.model).phrases())
