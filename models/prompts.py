"""What the runtime itself tells the model, as developer messages, besides the AI's own prompt."""

from __future__ import annotations

CALL_CONNECTED = "The call is connected. Speak first: greet the caller."
"""The call has begun and there is no fixed greeting."""

NOT_UNDERSTOOD = "The caller said something that could not be understood. Ask them, briefly, to say it again."
"""Speech was heard, but no recogniser could make words of it."""

NOT_UNDERSTOOD_INTERRUPTED = (
    "The caller cut you off with something that could not be understood. It may have been noise. Briefly ask what they "
    "said, or go on where you were."
)
"""The same, over the bot's own speech."""

CALLER_SILENT = "The caller has been silent for a while. Ask, briefly, whether they are still there."
"""Nothing was heard since the bot's last words."""

ANSWER_BROKE_OFF = (
    "A technical fault cut your last message off, and the caller has heard it as it stands. Go on right behind its "
    "last word with the rest of your answer. Do not repeat any of it, do not greet and do not apologise."
)
"""A vendor failed in the middle of an answer, and another model is to go on with it."""

TOOK_OVER = (
    "The call was handed over to you just now, and the caller is on the line. You see everything that was said before. "
    "Speak first: say in a few words who you are where that helps, and go on with what the caller wants. Do not make "
    "them repeat anything."
)
"""Another member of the team has the call from now on."""

SUMMARY_OF_BEFORE = "What was said before, summed up: "
"""In front of the summary that stands for the older part of a long conversation."""

SUM_UP = (
    "You are given the transcript of a conversation between a user and an AI agent. Write a summary with which the "
    "agent can go on as if it remembered all of it: facts, names, numbers and dates as they were said, what was "
    "decided and promised, what the user wants and what is still open, and what the tools returned. A summary of what "
    "was said before may stand at the beginning; its facts belong into yours. Leave out greetings and repetitions. "
    "Write nothing but the summary, in the language of the conversation."
)
"""System prompt of the model when it sums up the older part of a conversation."""

TASK_BEGINS = (
    "This is a task, and nobody reads what you write. Do it with your tools alone, one step after the other, and call "
    "stop_service as soon as it is done or cannot be done."
)
"""A task begins."""

TASK_GOES_ON = (
    "Your last message called no tool, and nobody reads it. Call the tool of the next step, or stop_service if the "
    "task is done or cannot be done."
)
"""The model talked in a task instead of doing something."""
