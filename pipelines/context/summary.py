"""Having a conversation's own model sum it up."""

from __future__ import annotations

from typing import Any

from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.frame_processor import FrameProcessor

from models.prompts import SUM_UP
from models.providers import LlmProvider
from pipelines.failover.failover import Failover
from pipelines.team.seat import MemberSeat


async def summarize(llm: FrameProcessor, provider: str, transcript: str, limit_tokens: int) -> str:
    """Let a model sum up a conversation, apart from the pipeline that it stands in.

    Args:
        llm: What stands in the model's seat; of several vendors or members, the one that has it is asked.
        provider: The vendor's name in the seat's table.
        transcript: The conversation.
        limit_tokens: How long the summary may become, tokens.

    Returns:
        The summary; '' for a script, which can say nothing but its own lines.

    Raises:
        Exception: Whatever the vendor's client raises, or that the vendor keeps conversations itself.
    """
    if provider == LlmProvider.SCRIPT:
        return ""
    service: Any = llm
    while isinstance(service, Failover | MemberSeat):
        service = service.service
    context = LLMContext(messages=[{"role": "user", "content": transcript}])
    return await service.run_inference(context, max_tokens=limit_tokens, system_instruction=SUM_UP) or ""
