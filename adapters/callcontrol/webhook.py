"""Call control by the orchestrator's tool webhook: one signed POST for each request."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import httpx
from pydantic import SecretStr

from adapters.callcontrol.base import CallControl, ControlCommand, ControlRequest, Leg
from adapters.signing import key_of, signature_headers
from adapters.tools.exchange import exchange
from models.errors import InvalidField, ToolFailed

_REFUSED = "failed"
_MOST_MESSAGE_CHARS = 1_000
_TOOLS = frozenset(
    {
        ControlCommand.CONNECT_CALL,
        ControlCommand.CREATE_CALL,
        ControlCommand.STOP_FLOW,
        ControlCommand.SEND_MESSAGE,
    }
)
"""What receivers have always been sent: one that knows no other name would refuse every call's hang-up."""


class WebhookControl(CallControl):
    """Posts ``{"tool_call_id", "name", "arguments", "aicall"}`` and takes the JSON answer as the result.

    The request bears the headers of Standard Webhooks: ``webhook-id`` (the idempotency key), ``webhook-timestamp`` and
    ``webhook-signature``; and ``Idempotency-Key``. An answer with ``"result": "failed"``, or a status that is no
    success, is a refusal; ``message`` then says why. An answer without a body is a success.

    Args:
        url: Where to post to.
        secret: Shared with the receiver, as `adapters.signing.key_of` takes it; empty sends no signature.
        client: Closed by `aclose`.
        clock: Returns the present moment, seconds since 1970.
        timeout_s: Longest silence of the receiver, seconds.

    Raises:
        InvalidField: The secret cannot be read; names ``tool_webhook_secret``.
    """

    def __init__(
        self,
        url: str,
        secret: SecretStr,
        client: httpx.AsyncClient,
        *,
        clock: Callable[[], float],
        timeout_s: float = 8.0,
    ) -> None:
        if secret.get_secret_value():
            try:
                key_of(secret.get_secret_value())
            except InvalidField as error:
                raise InvalidField("tool_webhook_secret", error.message) from None
        self._url = url
        self._secret = secret
        self._client = client
        self._clock = clock
        self._timeout_s = timeout_s

    def can(self, command: ControlCommand, leg: Leg | None = None) -> bool:
        """Return whether it is one of the tools; which of them it really does is for the receiver to say."""
        del leg
        return command in _TOOLS

    async def carry_out(self, request: ControlRequest) -> Mapping[str, Any]:
        """Post it; see `CallControl.carry_out`."""
        if not self.can(request.command):
            raise ToolFailed("the tool webhook is not asked for this")
        document = {
            "tool_call_id": request.tool_call_id,
            "name": request.command.value,
            "arguments": dict(request.arguments),
            "aicall": dict(request.aicall),
        }
        body = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
        headers = {
            "Content-Type": "application/json",
            "Accept": "application/json",
            "Idempotency-Key": request.idempotency_key,
        }
        secret = self._secret.get_secret_value()
        if secret:
            headers |= signature_headers(secret, request.idempotency_key, int(self._clock()), body)
        try:
            answer = await exchange(
                self._client, "POST", self._url, headers=headers, timeout_s=self._timeout_s, body=body
            )
        except ToolFailed as error:
            error.detail = _message_in(error.detail)
            raise
        content = answer.content
        if content is None:
            return {}
        if not isinstance(content, dict):
            return {"answer": content}
        if content.get("result") == _REFUSED:
            raise ToolFailed("it was refused", detail=str(content.get("message", ""))[:_MOST_MESSAGE_CHARS])
        return {name: value for name, value in content.items() if name != "result"}

    async def aclose(self) -> None:
        """Close the client."""
        await self._client.aclose()


def _message_in(text: str) -> str:
    """Return the message of an error document (also RFC 9457), else its text."""
    try:
        document = json.loads(text)
    except ValueError:
        return text
    if isinstance(document, dict):
        for name in ("message", "detail", "title"):
            if isinstance(document.get(name), str):
                return str(document[name])[:_MOST_MESSAGE_CHARS]
    return text
