"""Notices an answer that never comes: a vendor's stream that stays open and silent.

The caller must not sit in silence. From the moment the bot is asked to speak, first the model and then the voice must
show signs of life within a limit.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import StrEnum


class Stage(StrEnum):
    """Who is waited for."""

    NOBODY = "nobody"
    LLM = "llm"
    TTS = "tts"


class ReplyWatchdog:
    """One call's watchdog. Must be used on the event loop's thread.

    Args:
        limit_s: Longest silence of whoever is waited for, seconds.
        on_stall: Called once with who stalled.
    """

    def __init__(self, limit_s: float, on_stall: Callable[[Stage], None]) -> None:
        self.stage = Stage.NOBODY
        self._limit_s = limit_s
        self._on_stall = on_stall
        self._alive_s = 0.0
        self._text = False
        self._timer: asyncio.TimerHandle | None = None

    def asked(self, stage: Stage = Stage.LLM) -> None:
        """The bot was asked to speak.

        Args:
            stage: LLM, or TTS when the text is already there.
        """
        self._text = stage is Stage.TTS
        self._wait_for(stage)

    def token(self) -> None:
        """The model is alive."""
        self._text = True
        self._alive_s = self._now()

    def replied(self) -> None:
        """The model finished. What it said, if anything, must now be heard."""
        if self.stage is Stage.LLM:
            self._wait_for(Stage.TTS if self._text else Stage.NOBODY)

    def audio(self) -> None:
        """The voice is alive."""
        self._alive_s = self._now()
        if self.stage is Stage.TTS:
            self._wait_for(Stage.NOBODY)
        self._text = False

    def stop(self) -> None:
        """Nobody is waited for any more: the caller cut in, or the call ends."""
        self._wait_for(Stage.NOBODY)

    def _wait_for(self, stage: Stage) -> None:
        self.stage = stage
        self._alive_s = self._now()
        if stage is Stage.NOBODY:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
        elif self._timer is None:
            self._arm(self._limit_s)

    def _arm(self, delay_s: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(delay_s, self._check)

    def _check(self) -> None:
        self._timer = None
        left_s = self._alive_s + self._limit_s - self._now()
        if left_s > 0:
            self._arm(left_s)
            return
        stage, self.stage = self.stage, Stage.NOBODY
        self._on_stall(stage)

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
