"""The one exception tree of the runtime.

    AicallError
    ├── InvalidField            a value breaks its document (HTTP 422)
    ├── NotFound                no such resource (404)
    ├── Conflict                the resource is in a state that forbids this (409)
    │   └── IllegalTransition   a status move that the table does not list
    ├── Unauthorized            no or wrong credentials (401)
    ├── Forbidden               right credentials, wrong resource or a spent token (403)
    ├── Unavailable             no capacity, draining, or a dependency is down; try again (503)
    ├── MediaProtocolError      a phone system sent something its protocol does not allow
    └── ProviderError           a speech or language vendor refused, stalled or broke off

Messages are static; what varies stands in attributes, so that nothing secret is ever formatted into a message.
"""

from __future__ import annotations


class AicallError(Exception):
    """Root of every error that this runtime raises on purpose.

    Attributes:
        message: What went wrong, for people. Never holds a secret.
        retryable: Whether the same request may succeed later.
    """

    retryable: bool = False

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class InvalidField(AicallError):
    """A field of a document is missing, unknown, of the wrong type or out of range.

    Attributes:
        field: Dotted path of the field, for example ``vad_config.stop_secs``.
    """

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class NotFound(AicallError):
    """No resource of that kind with that id.

    Attributes:
        kind: Which kind of resource, for example ``aicall``.
        id: The id that was asked for.
    """

    def __init__(self, kind: str, id: str) -> None:  # noqa: A002
        super().__init__(f"no such {kind}")
        self.kind = kind
        self.id = id


class Conflict(AicallError):
    """The resource is in a state that forbids the request."""


class IllegalTransition(Conflict):
    """A status move that the transition table does not list.

    Attributes:
        source: The status the AIcall is in.
        target: The status that was asked for.
    """

    def __init__(self, source: str, target: str) -> None:
        super().__init__(f"an AIcall cannot move from {source} to {target}")
        self.source = source
        self.target = target


class Unauthorized(AicallError):
    """No credentials, or wrong ones."""


class Forbidden(AicallError):
    """The credentials do not open this resource, or are spent or expired."""


class Unavailable(AicallError):
    """Out of capacity, draining, or a dependency is down.

    Attributes:
        retry_after_s: When to try again, seconds.
    """

    retryable = True

    def __init__(self, message: str, retry_after_s: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class MediaProtocolError(AicallError):
    """A phone system sent something that its media protocol does not allow.

    Attributes:
        fatal: Whether the stream cannot go on (True), or the message can be dropped (False).
    """

    def __init__(self, message: str, *, fatal: bool = False) -> None:
        super().__init__(message)
        self.fatal = fatal


class ProviderError(AicallError):
    """A speech or language vendor refused, stalled or broke off.

    Attributes:
        provider: The vendor's name in the seat's table.
        seat: ``stt``, ``llm`` or ``tts``.
    """

    def __init__(self, message: str, *, provider: str, seat: str, retryable: bool = False) -> None:
        super().__init__(message)
        self.provider = provider
        self.seat = seat
        self.retryable = retryable
