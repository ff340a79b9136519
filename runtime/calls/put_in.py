"""Putting what others say into a phone call."""

from __future__ import annotations

import json
from typing import Protocol
from uuid import UUID

from loguru import logger
from pipecat.processors.aggregators.llm_context import LLMContextMessage

from adapters.store.texts.contract import TextStore
from models.errors import AicallError
from models.message import Message, Role
from pipelines.context.restore import context_message

SAY_NOTE = "say"
"""``type`` of the notification that stands for what the bot is to say word by word: its own message is what the caller
heard of it."""


class Talks(Protocol):
    """A conversation into which something can be put (`pipelines.conversation.conversation.Conversation`)."""

    async def put_in(self, message: LLMContextMessage, *, run_llm: bool, at_once: bool) -> None:
        """Put a message into the context."""

    async def say(self, text: str, *, at_once: bool) -> None:
        """Have the bot say something word by word."""


async def put_in_waiting(store: TextStore, aicall_id: UUID, conversation: Talks) -> None:
    """Put in what waits for a phone call. Never raises: the call goes on without it when the store does not answer."""
    try:
        taken = await store.take_messages(aicall_id)
    except AicallError as error:
        logger.warning("aicall {}: messages could not be put in: {}", aicall_id, error.message)
        return
    for waiting in taken:
        text = text_to_say(waiting.message)
        if text:
            await conversation.say(text, at_once=waiting.at_once)
        elif (message := context_message(waiting.message)) is not None:
            await conversation.put_in(message, run_llm=waiting.run_llm, at_once=waiting.at_once)


def say_note(text: str) -> str:
    """Return the content of the notification for what the bot is to say."""
    return json.dumps({"type": SAY_NOTE, "content": text}, ensure_ascii=False)


def text_to_say(message: Message) -> str:
    """Return what the bot is to say by a message; '' when it is none of that kind."""
    if message.role is not Role.NOTIFICATION:
        return ""
    try:
        note = json.loads(message.content)
    except ValueError:
        return ""
    return str(note.get("content", "")) if isinstance(note, dict) and note.get("type") == SAY_NOTE else ""
