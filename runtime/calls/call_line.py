"""Where a call's audio goes, whichever socket carries it at the moment."""

from __future__ import annotations

from adapters.media.base import MarkPolicy, MediaCapabilities, MediaProtocol
from models.errors import MediaProtocolError
from runtime.calls.call_socket import CallSocket


class CallLine:
    """One call's line (`pipelines.media.output.MediaSink`): stays the same when its socket is lost and comes again.

    Without a socket, what is to be played is dropped.
    """

    def __init__(self) -> None:
        self._socket: CallSocket | None = None
        self._format: tuple[type[MediaProtocol], int, int] | None = None

    def fits(self, socket: CallSocket) -> bool:
        """Say whether a socket carries the same protocol and audio as the first one."""
        return self._format == _format_of(socket)

    def connect(self, socket: CallSocket) -> None:
        """Go through this socket from now on; its stream has begun."""
        self._socket = socket
        self._format = _format_of(socket)

    def disconnect(self) -> None:
        """Go nowhere, until `connect`."""
        self._socket = None

    @property
    def sample_rate_hz(self) -> int:
        """Rate of the audio in both directions, Hz."""
        return self._known()[1]

    @property
    def frame_ms(self) -> int:
        """Duration of one message's audio, milliseconds."""
        return self._known()[2]

    @property
    def look_ahead_ms(self) -> int:
        """How much audio may lie unplayed at the phone system, milliseconds."""
        return self._capabilities().look_ahead_ms

    @property
    def echoes_marks(self) -> bool:
        """Whether marks come back."""
        return self._capabilities().marks is not MarkPolicy.NONE

    @property
    def has_room(self) -> bool:
        """Whether audio may be sent now."""
        return self._socket is None or self._socket.has_room

    @property
    def sends_dtmf(self) -> bool:
        """Whether `send_dtmf` sends anything now."""
        return self._socket is not None and self._capabilities().dtmf_out

    async def send_dtmf(self, digits: str) -> None:
        """Send digits to the far end.

        Raises:
            InvalidField: Something beside ``0-9 * # A-D``.
        """
        if self._socket is not None:
            await self._socket.send_dtmf(digits)

    async def play(self, pcm: bytes) -> None:
        """Send one frame of audio."""
        if self._socket is not None:
            await self._socket.play(pcm)

    async def mark(self, name: str) -> None:
        """Ask for an echo once everything so far was played."""
        if self._socket is not None:
            await self._socket.mark(name)

    async def clear(self) -> None:
        """Tell the phone system to drop what it has not played."""
        if self._socket is not None:
            await self._socket.clear()

    def _capabilities(self) -> MediaCapabilities:
        return self._known()[0].capabilities

    def _known(self) -> tuple[type[MediaProtocol], int, int]:
        if self._format is None:
            raise MediaProtocolError("the media protocol is not known yet", fatal=True)
        return self._format


def _format_of(socket: CallSocket) -> tuple[type[MediaProtocol], int, int]:
    return type(socket.protocol), socket.sample_rate_hz, socket.frame_ms
