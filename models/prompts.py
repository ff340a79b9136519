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
