"""How a call's conversation runs: from its AIcall, and what the server says where that is silent."""

from __future__ import annotations

from collections.abc import Mapping

from models.aicall import Aicall
from models.vad import EffectiveVad
from pipelines.conversation.types import ConversationSettings, Past
from pipelines.failover.stall_watch import StallLimits
from pipelines.prompts import substitute
from runtime.settings import Settings


def conversation_settings(
    server: Settings,
    aicall: Aicall,
    *,
    vad: EffectiveVad,
    variables: Mapping[str, str],
    may_speculate: bool,
    past: Past | None,
) -> ConversationSettings:
    """Return the settings of a conversation.

    Args:
        server: The server's settings.
        aicall: What the call runs with.
        vad: The effective VAD values.
        variables: What ``${name}`` in the greeting stands for.
        may_speculate: Whether the model may be asked for an answer that is then not used.
        past: What was said before; None for a conversation that begins.
    """
    options = aicall.options
    return ConversationSettings(
        vad=vad,
        smart_turn_enabled=aicall.ai_smart_turn_enabled,
        options=options.model_copy(update={"greeting": substitute(options.greeting, variables)}),
        language=aicall.stt_language,
        idle_timeout_s=options.idle_timeout_s or server.idle_timeout_s,
        limits=StallLimits(stt_s=server.stt_stall_s, llm_s=server.llm_stall_s, tts_s=server.tts_stall_s),
        answers_early=options.answer_early and may_speculate,
        past=past,
    )
