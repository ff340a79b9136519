"""The caller's audio that no recogniser has heard for good."""

from __future__ import annotations

from collections import deque


class UnheardAudio:
    """The audio for which no final result has come, so that a new connection can hear it again.

    Args:
        sample_rate_hz: Rate of the 16-bit mono audio, Hz.
        longest_s: How much is kept, seconds; of more, the oldest is dropped.
    """

    def __init__(self, sample_rate_hz: int, longest_s: float) -> None:
        self._bytes_per_s = sample_rate_hz * 2
        self._longest_bytes = int(longest_s * self._bytes_per_s)
        self._chunks: deque[bytes] = deque()
        self._kept_bytes = 0
        self._sent_chunks = 0
        self._settled_bytes = 0

    @property
    def kept_s(self) -> float:
        """How much is kept, seconds."""
        return self._kept_bytes / self._bytes_per_s

    @property
    def end_s(self) -> float:
        """Where all audio so far ends, seconds since this connection's first."""
        return (self._settled_bytes + self._kept_bytes) / self._bytes_per_s

    def rewind(self) -> None:
        """A new connection has begun: everything kept is to be sent again."""
        self._sent_chunks = 0
        self._settled_bytes = 0

    def add(self, chunk: bytes) -> None:
        """Append audio of the caller."""
        self._chunks.append(chunk)
        self._kept_bytes += len(chunk)
        while self._kept_bytes > self._longest_bytes and len(self._chunks) > 1:
            self._drop_oldest()

    def next(self) -> bytes | None:
        """Take the next chunk to send; None when all were taken."""
        if self._sent_chunks >= len(self._chunks):
            return None
        self._sent_chunks += 1
        return self._chunks[self._sent_chunks - 1]

    def settle(self, end_s: float) -> None:
        """Forget what was heard for good.

        Args:
            end_s: Where it ends, seconds of audio since this connection's first.
        """
        end_bytes = round(end_s * self._bytes_per_s)
        while self._sent_chunks and self._settled_bytes + len(self._chunks[0]) <= end_bytes:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        chunk = self._chunks.popleft()
        self._kept_bytes -= len(chunk)
        if self._sent_chunks:
            self._sent_chunks -= 1
            self._settled_bytes += len(chunk)
