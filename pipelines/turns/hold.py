"""What asks media out to wait while it is not clear yet whether the caller means to interrupt."""

from __future__ import annotations

from dataclasses import dataclass

from pipecat.frames.frames import SystemFrame


@dataclass
class HoldPlaybackFrame(SystemFrame):
    """Fall silent at once, and keep what the caller has not heard."""


@dataclass
class ResumePlaybackFrame(SystemFrame):
    """Go on where the caller stopped hearing: it was no interruption."""
