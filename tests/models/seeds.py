"""What seeds 001, 003 and 004 say, as data: example documents, enumerations, defaults and ranges."""

from typing import Any

AICALL_001: dict[str, Any] = {
    "id": "a1b2c3d4-e5f6-7890-abcd-ef1234567890",
    "customer_id": "5e4a0680-804e-11ec-8477-2fea5968d85b",
    "assistance_type": "ai",
    "assistance_id": "b2c3d4e5-f6a7-8901-bcde-f12345678901",
    "ai_engine_model": "openai.gpt-4o",
    "ai_tts_type": "elevenlabs",
    "ai_tts_voice_id": "21m00Tcm4TlvDq8ikWAM",
    "ai_stt_type": "deepgram",
    "ai_vad_config": None,
    "ai_smart_turn_enabled": True,
    "parameter": {},
    "activeflow_id": "c3d4e5f6-a7b8-9012-cdef-123456789012",
    "reference_type": "call",
    "reference_id": "d4e5f6a7-b8c9-0123-defa-234567890123",
    "confbridge_id": "e5f6a7b8-c9d0-1234-efab-345678901234",
    "current_member_id": "f6a7b8c9-d0e1-2345-fabc-456789012345",
    "status": "progressing",
    "stt_language": "en-US",
    "tm_end": "9999-01-01T00:00:00.000000Z",
    "tm_create": "2024-03-01T10:00:00.000000Z",
    "tm_update": "2024-03-01T10:00:05.000000Z",
    "tm_delete": "9999-01-01T00:00:00.000000Z",
}

AI_003: dict[str, Any] = {
    "id": "a092c5d9-632c-48d7-b70b-499f2ca084b1",
    "customer_id": "5e4a0680-804e-11ec-8477-2fea5968d85b",
    "name": "Sales Assistant AI",
    "detail": "AI assistant for handling sales inquiries",
    "engine_model": "openai.gpt-4o",
    "parameter": {},
    "engine_key": "sk-...",
    "init_prompt": "You are a friendly sales assistant. Help customers find the right products.",
    "tts_type": "elevenlabs",
    "tts_voice_id": "EXAVITQu4vr4xnSDxMaL",
    "stt_type": "deepgram",
    "tool_names": ["connect_call", "send_email", "stop_service"],
    "tm_create": "2024-02-09 07:01:35.666687",
    "tm_update": "9999-01-01 00:00:00.000000",
    "tm_delete": "9999-01-01 00:00:00.000000",
}

AI_004: dict[str, Any] = {
    **AI_003,
    "rag_id": "a1b2c3d4-e5f6-7890-abcd-ef1234567890",
    "vad_config": {"stop_secs": 0.5},
    "smart_turn_enabled": True,
}

AI_FIELDS = frozenset(AI_004)
"""Every field of seeds 003 and 004; ``engine_key`` is the only one that is never read back."""

AI_REQUIRED = ("name", "engine_model", "init_prompt", "tts_type", "stt_type")
"""What the seeds call required, but for ``engine_key``, which the embedded model and the vendor's variable replace."""

ENGINE_MODELS = {
    "openai": ("openai.gpt-4o", "openai.gpt-4o-mini"),
    "anthropic": ("anthropic.claude-3-5-sonnet",),
    "aws": ("aws.claude-3-sonnet",),
    "azure": ("azure.gpt-4",),
    "cerebras": ("cerebras.llama3.1-8b",),
    "deepseek": ("deepseek.deepseek-chat",),
    "fireworks": ("fireworks.llama-v3-70b",),
    "gemini": ("gemini.gemini-1.5-pro",),
    "grok": ("grok.grok-1",),
    "groq": ("groq.llama3-70b-8192",),
    "mistral": ("mistral.mistral-large",),
    "nvidia": ("nvidia.llama3-70b",),
    "ollama": ("ollama.llama3",),
    "openrouter": ("openrouter.meta-llama/llama-3-70b",),
    "perplexity": ("perplexity.llama-3-sonar-large",),
    "qwen": ("qwen.qwen-max",),
    "sambanova": ("sambanova.llama3-70b",),
    "together": ("together.meta-llama/Llama-3-70b",),
    "dialogflow": ("dialogflow.cx", "dialogflow.es"),
}

OPENAI_MODELS = ("gpt-4o", "gpt-4o-mini", "gpt-4-turbo", "gpt-4", "gpt-3.5-turbo", "o1", "o1-mini", "o3-mini")

TTS_TYPES = {
    "elevenlabs": "EXAVITQu4vr4xnSDxMaL",
    "deepgram": "aura-2-thalia-en",
    "openai": "alloy",
    "aws": "Joanna",
    "azure": "en-US-JennyNeural",
    "google": "en-US-Wavenet-D",
    "cartesia": "71a7ad14-091c-4e8e-a314-022ece01c121",
    "hume": None,
    "playht": None,
}
"""Every ``tts_type`` and its default voice; None where the seeds list none."""

STT_TYPES = ("deepgram", "cartesia", "elevenlabs")

VAD_FIELDS = {
    "confidence": (0.7, 0.0, 1.0),
    "start_secs": (0.2, 0.0, 30.0),
    "stop_secs": (0.2, 0.0, 30.0),
    "min_volume": (0.6, 0.0, 1.0),
}
"""Default, least and greatest of each field of ``vad_config``."""

STATUSES = ("initiating", "progressing", "pausing", "resuming", "terminating", "terminated")

TOOLS = ("connect_call", "send_email", "stop_service", "stop_flow", "set_variables")
"""The tool names that seeds 003 and 004 themselves write down."""

NIL_ID = "00000000-0000-0000-0000-000000000000"


def ai_body(**fields: Any) -> dict[str, Any]:
    """The least body that makes an AI, with fields replaced."""
    return {
        "name": "Sales Assistant AI",
        "engine_model": "openai.gpt-4o",
        "init_prompt": "You are a friendly sales assistant.",
        "tts_type": "elevenlabs",
        "stt_type": "deepgram",
        **fields,
    }
