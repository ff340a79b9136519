"""The provider names of the seeds, the embedded ones beside them, and the default voices.

These are names only. What runs, with which key and endpoint, stands in the tables of ``adapters/``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class LlmProvider(StrEnum):
    """The part of ``engine_model`` before the first dot (seed 004, "Supported Providers")."""

    OPENAI = "openai"
    ANTHROPIC = "anthropic"
    AWS = "aws"
    AZURE = "azure"
    CEREBRAS = "cerebras"
    DEEPSEEK = "deepseek"
    FIREWORKS = "fireworks"
    GEMINI = "gemini"
    GROK = "grok"
    GROQ = "groq"
    MISTRAL = "mistral"
    NVIDIA = "nvidia"
    OLLAMA = "ollama"
    OPENROUTER = "openrouter"
    PERPLEXITY = "perplexity"
    QWEN = "qwen"
    SAMBANOVA = "sambanova"
    TOGETHER = "together"
    DIALOGFLOW = "dialogflow"
    SCRIPT = "script"
    """Embedded: a small dialogue in YAML; no key, no network."""


class TtsType(StrEnum):
    """``tts_type`` (seed 004, "TTS Type")."""

    ELEVENLABS = "elevenlabs"
    DEEPGRAM = "deepgram"
    OPENAI = "openai"
    AWS = "aws"
    AZURE = "azure"
    GOOGLE = "google"
    CARTESIA = "cartesia"
    HUME = "hume"
    PLAYHT = "playht"
    ESPEAK = "espeak"
    """Embedded: espeak-ng; no key, no network."""
    PIPER = "piper"
    """On a model of the operator's own; no key, no network."""
    KOKORO = "kokoro"
    """On a model of the operator's own; no key, no network."""


class SttType(StrEnum):
    """``stt_type`` (seed 004, "STT Type")."""

    DEEPGRAM = "deepgram"
    CARTESIA = "cartesia"
    ELEVENLABS = "elevenlabs"
    POCKETSPHINX = "pocketsphinx"
    """Embedded: PocketSphinx; no key, no network, for demos and tests."""
    MOONSHINE = "moonshine"
    """On a model of the operator's own; no key, no network."""
    WHISPER = "whisper"
    """On a model of the operator's own; no key, no network."""


DEFAULT_VOICES: dict[TtsType, str] = {
    TtsType.ELEVENLABS: "EXAVITQu4vr4xnSDxMaL",
    TtsType.DEEPGRAM: "aura-2-thalia-en",
    TtsType.OPENAI: "alloy",
    TtsType.AWS: "Joanna",
    TtsType.AZURE: "en-US-JennyNeural",
    TtsType.GOOGLE: "en-US-Wavenet-D",
    TtsType.CARTESIA: "71a7ad14-091c-4e8e-a314-022ece01c121",
    TtsType.ESPEAK: "en-us",
    TtsType.PIPER: "0",
    TtsType.KOKORO: "af_heart",
}
"""Seed 004, "Default Voice IDs by TTS Type". hume and playht have none: their voice must be given."""


@dataclass(frozen=True, slots=True)
class EngineModel:
    """A parsed ``engine_model``.

    Attributes:
        provider: The part before the first dot.
        model: Everything after it; may hold dots and slashes.
    """

    provider: LlmProvider
    model: str

    @classmethod
    def parse(cls, text: str) -> EngineModel:
        """Split ``<provider>.<model>`` at the first dot.

        Raises:
            ValueError: There is no dot, no model, or the provider is unknown.
        """
        provider, dot, model = text.partition(".")
        if not dot or not model.strip():
            raise ValueError("must have the form <provider>.<model>, for example openai.gpt-4o")
        if provider not in list(LlmProvider):
            raise ValueError(f"unknown provider {provider!r}; known: {', '.join(LlmProvider)}")
        return cls(LlmProvider(provider), model)

    def __str__(self) -> str:
        return f"{self.provider}.{self.model}"
