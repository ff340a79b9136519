"""What all voices behind a WebSocket have in common: how it is opened, and what happens when it breaks."""

from __future__ import annotations

import asyncio
from typing import Any

from pipecat.frames.frames import ErrorFrame
from pipecat.processors.frame_processor import FrameProcessorSetup
from pipecat.services.tts_service import WebsocketTTSService

from adapters.clients import SharedClients
from adapters.tts.voice import Voice
from adapters.vendor_errors import classify


class SpeechSocket(Voice, WebsocketTTSService):
    """To be placed before one of Pipecat's WebSocket voices in the bases of a class.

    - The connection is opened in the background: the pipeline starts, and a greeting from the cache is heard, without
      it. The first text waits for it.
    - The process's TLS context is used, audio is not deflated, and opening is bounded.
    - A lost connection is opened again after half a second rather than four, and given up after three failures.
    - A vendor that accepts the connection and then closes it for a reason that will not pass, such as a wrong key, is
      not asked again: the service becomes unusable.
    - A vendor that breaks off in mid-sentence is an error frame. Pipecat's services reconnect without a word, and the
      caller hears half a sentence.
    - One failure is one error frame, since whoever gets them counts them.

    Args:
        clients: The process's shared clients.
        **kwargs: Arguments of the vendor's service.
    """

    def __init__(self, *, clients: SharedClients, **kwargs: Any) -> None:
        limits = clients.limits
        super().__init__(
            reconnect_backoff_min_wait=limits.reconnect_wait_s,
            reconnect_backoff_max_wait=limits.reconnect_wait_s,
            stop_frame_timeout_s=limits.voice_quiet_s,
            **kwargs,
        )
        self._clients = clients
        self._opening = asyncio.Lock()
        self._open_socket: Any = None
        self._errors = 0
        self._leaving: asyncio.Task[Any] | None = None
        self._setting_up = False
        self._connecting: asyncio.Task[None] | None = None

    async def setup(self, setup: FrameProcessorSetup) -> None:  # type: ignore[override]
        """Set the service up, and begin to connect."""
        self._setting_up = True
        try:
            await super().setup(setup)
        finally:
            self._setting_up = False

    async def push_error_frame(self, error: ErrorFrame, force_treat_as_permanent: bool = False) -> None:
        """Push an error frame, unless it only says that a dead connection could not be told goodbye."""
        if self._leaving is not None and asyncio.current_task() is self._leaving:
            return
        self._errors += 1
        await super().push_error_frame(error, force_treat_as_permanent)

    async def reconnect(self) -> bool:
        """Break the connection, from which nothing comes; Pipecat opens another one."""
        socket, self._open_socket = self._open_socket, None
        if socket is None:
            return False
        socket.transport.abort()
        return True

    async def _connect(self) -> None:
        connect = super()._connect
        if self._setting_up:
            self._connecting = self.create_task(connect())  # type: ignore[no-untyped-call]
        else:
            await connect()  # type: ignore[no-untyped-call]

    async def _disconnect(self) -> None:
        connecting, self._connecting = self._connecting, None
        if connecting is not None and not connecting.done():
            await self.cancel_task(connecting)
        await super()._disconnect()  # type: ignore[no-untyped-call]

    async def _websocket_connect(self, uri: str, **kwargs: Any) -> Any:
        self._open_socket = await super()._websocket_connect(
            uri,
            ssl=self._clients.ssl_for(uri),
            compression=None,
            open_timeout=self._clients.limits.connect_s,
            **kwargs,
        )
        return self._open_socket

    async def _connect_websocket(self) -> None:
        # A sentence that comes while the connection is opened anew would open a second one, which nobody reads.
        async with self._opening:
            await super()._connect_websocket()  # type: ignore[safe-super,no-untyped-call]

    async def _disconnect_websocket(self) -> None:
        self._leaving = asyncio.current_task()
        try:
            await super()._disconnect_websocket()  # type: ignore[safe-super,no-untyped-call]
        finally:
            self._leaving = None

    async def _maybe_try_reconnect(self, error_message: str, report_error: Any, error: Exception | None = None) -> bool:
        category = None if error is None else classify(error)
        if category is not None and category.is_permanent:
            await report_error(ErrorFrame("the voice vendor refused the connection", exception=error))
            return False
        for context_id in self.get_audio_contexts():
            await self.report(context_id, "the voice broke off in mid-sentence", error)
        told = self._errors

        async def report_new(error: ErrorFrame, force_treat_as_permanent: bool = False) -> None:
            # The vendor's service has mostly told by itself why an attempt failed.
            nonlocal told
            if force_treat_as_permanent or self._errors == told:
                await report_error(error, force_treat_as_permanent)
            told = self._errors

        return await super()._maybe_try_reconnect(error_message, report_new, error)
