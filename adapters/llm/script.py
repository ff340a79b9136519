"""The embedded language model: a script behind Pipecat's language-model contract. No model, no key, no network."""

from __future__ import annotations

import asyncio
import re
import uuid
from pathlib import Path
from typing import Any

from pipecat.adapters.llm.base_llm_adapter import BaseLLMAdapter
from pipecat.adapters.llm.schemas.tools_schema import ToolsSchema
from pipecat.frames.frames import (
    Frame,
    FunctionCallFromLLM,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
)
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.frame_processor import FrameDirection
from pipecat.services.llm_service import LLMService
from pipecat.services.settings import LLMSettings

from adapters.llm.script_dialogue import Reply, answer, events_of
from adapters.llm.script_file import list_scripts, load_script, parse_script
from adapters.llm.script_model import Script

__all__ = ["Script", "ScriptLLMService", "list_scripts", "load_script", "parse_script"]

_TOKENS = re.compile(r"\S+\s*")


class ScriptLLMService(LLMService[BaseLLMAdapter[Any]]):
    """Answers by a script, streaming word by word and calling tool functions as a model does.

    Args:
        model: Name of the script, without ``script.``.
        directory: Folder to look in before the bundled scripts.
        script: The script itself, instead of `model` and `directory`.
        system_instruction: Kept for the record; a script has no use for it.

    Raises:
        InvalidField: There is no such script, or it is wrong (see `load_script`).
    """

    Settings = LLMSettings

    def __init__(
        self,
        *,
        model: str = "receptionist",
        directory: Path | None = None,
        script: Script | None = None,
        system_instruction: str | None = None,
        **kwargs: Any,
    ) -> None:
        self._script = script if script is not None else load_script(model, directory)
        super().__init__(
            settings=LLMSettings(
                model=model,
                system_instruction=system_instruction,
                temperature=None,
                max_tokens=None,
                top_p=None,
                top_k=None,
                frequency_penalty=None,
                presence_penalty=None,
                seed=None,
                filter_incomplete_user_turns=False,
                user_turn_completion_config=None,
            ),
            **kwargs,
        )

    def can_generate_metrics(self) -> bool:
        """Say that this service measures its latency."""
        return True

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Answer a context; pass everything else on."""
        await super().process_frame(frame, direction)
        if not isinstance(frame, LLMContextFrame):
            await self.push_frame(frame, direction)
            return
        try:
            await self.push_frame(LLMFullResponseStartFrame())
            await self.start_processing_metrics()
            await self._answer(frame.context)
        finally:
            await self.stop_processing_metrics()
            await self.push_frame(LLMFullResponseEndFrame())

    async def run_inference(
        self,
        context: LLMContext,
        max_tokens: int | None = None,
        system_instruction: str | None = None,
        response_schema: dict[str, Any] | None = None,
    ) -> str | None:
        """Return what the script would say to a context, outside the pipeline; it calls nothing."""
        del max_tokens, system_instruction, response_schema
        return self._reply_to(context).say

    async def _answer(self, context: LLMContext) -> None:
        await self.start_ttfb_metrics()
        reply = self._reply_to(context)
        await self.stop_ttfb_metrics()
        for token in _TOKENS.findall(reply.say):
            await self._push_llm_text(token)
            # Lets an interruption in between two words.
            await asyncio.sleep(0)
        if reply.call is not None:
            call = FunctionCallFromLLM(
                function_name=reply.call.tool,
                tool_call_id=f"call_{uuid.uuid4().hex}",
                arguments=reply.call.arguments,
                context=context,
            )
            await self.run_function_calls([call])

    def _reply_to(self, context: LLMContext) -> Reply:
        return answer(self._script, events_of(context.messages), _tool_names(context))


def _tool_names(context: LLMContext) -> frozenset[str]:
    tools = context.tools
    return frozenset(tool.name for tool in tools.standard_tools) if isinstance(tools, ToolsSchema) else frozenset()
