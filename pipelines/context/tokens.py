"""How many tokens a context takes, estimated without any vendor's tokenizer."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable

from pipecat.processors.aggregators.llm_context import LLMContextMessage, LLMSpecificMessage

BYTES_PER_TOKEN = 3.5
"""UTF-8 bytes that one token stands for. English has about 4, other Latin and Cyrillic scripts 3.5 to 5, Chinese,
Japanese and Korean about 3: the estimate errs towards too many, so that the real context is the smaller one."""
MESSAGE_TOKENS = 8
"""What a message costs beside its text: role, separators, ids."""


def text_tokens(text: str) -> int:
    """Estimate the tokens of a text."""
    return math.ceil(len(text.encode("utf-8", "surrogatepass")) / BYTES_PER_TOKEN)


def message_tokens(message: LLMContextMessage) -> int:
    """Estimate the tokens of one message of a context."""
    if isinstance(message, LLMSpecificMessage):
        return MESSAGE_TOKENS + text_tokens(json.dumps(message.message, default=str, ensure_ascii=False))
    content = message.get("content")
    text = content if isinstance(content, str) else json.dumps(content or "", default=str, ensure_ascii=False)
    calls = message.get("tool_calls")
    return MESSAGE_TOKENS + text_tokens(text) + (text_tokens(json.dumps(calls, default=str)) if calls else 0)


def context_tokens(messages: Iterable[LLMContextMessage]) -> int:
    """Estimate the tokens of a context."""
    return sum(map(message_tokens, messages))
