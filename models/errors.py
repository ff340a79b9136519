"""The one exception tree of the runtime.

    AicallError
    ├── InvalidField            a value breaks its document (HTTP 422)
    │   └── InvalidFields       several do
    ├── NotFound                no such resource (404)
    ├── Conflict                the resource is in a state that forbids this (409)
    │   ├── IllegalTransition   a status move that the table does not list
    │   ├── LostLease           another process runs the AIcall now
    │   ├── InUse               something refers to the resource
    │   └── Changed             another hand changed the resource meanwhile (409; 412 with If-Match)
    ├── Unauthorized            no or wrong credentials (401)
    ├── Forbidden               right credentials, wrong resource or a spent token (403)
    ├── Unavailable             no capacity, draining, or a dependency is down; try again (503)
    │   └── LimitReached        the customer has as many calls as it may have (429)
    ├── DeliveryFailed          an event did not reach whom it was sent to
    ├── ToolFailed              what a tool asks outside of the process did not do it
    ├── MediaProtocolError      a phone system sent something its protocol does not allow
    └── ProviderError           a speech or language vendor refused, stalled or broke off
        ├── ProviderRefusedKey        the key is wrong or revoked
        ├── ProviderForbidden         the key is right and does not open what was asked for
        ├── ProviderOutOfCredit       the account has no credit left
        ├── ProviderRateLimited       too many requests at the same time or in a while
        ├── ProviderRejectedRequest   a model, voice, language or option that the vendor does not take
        ├── ProviderUnreachable       no connection, or it broke
        ├── ProviderStalled           the connection stands and nothing comes
        └── ProviderBroken            the vendor itself failed, or what it sent makes no sense

Messages are static; what varies stands in attributes, so that nothing secret is ever formatted into a message.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence


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


class InvalidFields(InvalidField):
    """Several things are wrong with a document.

    Attributes:
        problems: Each as field and message, at least one; `field` and `message` are the first's.
    """

    def __init__(self, problems: Sequence[tuple[str, str]]) -> None:
        super().__init__(*problems[0])
        self.problems = tuple(problems)


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


class InUse(Conflict):
    """The resource cannot be deleted while something refers to it.

    Attributes:
        kind: Which kind of resource it is, for people.
        references: What refers to it, in lists by kind, as the API tells it.
    """

    def __init__(self, kind: str, references: Mapping[str, Sequence[Mapping[str, object]]]) -> None:
        super().__init__(f"This {kind} is being used and cannot be deleted. Please remove all references first.")
        self.kind = kind
        self.references = references


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


class Changed(Conflict):
    """The resource is no longer what the request was made for: another hand changed it meanwhile."""


class LostLease(Conflict):
    """Another process runs the AIcall now: whatever this one still has to say of it does not count."""

    def __init__(self) -> None:
        super().__init__("another process runs this AIcall now")


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


class LimitReached(Unavailable):
    """The customer has as many calls at the same time as it may have."""


class DeliveryFailed(AicallError):
    """An event did not reach the webhook or the message broker that it was sent to.

    Attributes:
        code: Stable name of the kind of failure, for dead letters and metrics: ``timeout``, ``unreachable``,
            ``forbidden_address``, ``http_500``, ``gone``, ….
        retry_after_s: The other side asked that nothing is sent to it for so long, seconds; None when it did not.
        gone: The other side wants nothing any more, ever.
    """

    def __init__(
        self, code: str, *, retry_after_s: float | None = None, gone: bool = False, retryable: bool = True
    ) -> None:
        super().__init__("an event was not delivered")
        self.code = code
        self.retry_after_s = retry_after_s
        self.gone = gone
        self.retryable = retryable and not gone


class ToolFailed(AicallError):
    """What a tool needs outside of the process did not do what it was asked.

    Attributes:
        detail: What the other side said about it, for the model; '' for nothing. May hold anything: not for the log.
        timed_out: Whether the other side said nothing in time.
    """

    def __init__(self, message: str, *, detail: str = "", retryable: bool = False, timed_out: bool = False) -> None:
        super().__init__(message)
        self.detail = detail
        self.retryable = retryable
        self.timed_out = timed_out


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
        code: Stable name of the kind of failure, for documents and metrics.
        advice: What to do about it, for people.
    """

    code: str = "provider_error"
    advice: str = "Run aicall check, and look for the vendor in the server's log."

    def __init__(self, message: str, *, provider: str, seat: str, retryable: bool | None = None) -> None:
        super().__init__(message)
        self.provider = provider
        self.seat = seat
        if retryable is not None:
            self.retryable = retryable

    def public(self) -> dict[str, object]:
        """Return what a problem document and an event carry: nothing in it came from the vendor."""
        return {
            "seat": self.seat,
            "provider": self.provider,
            "error": self.code,
            "retryable": self.retryable,
            "advice": self.advice,
        }


class ProviderRefusedKey(ProviderError):
    """The vendor does not know the key, or it was revoked."""

    code = "key_refused"
    advice = "Put a valid key into the AI or the vendor's variable; aicall check asks the vendor about it."


class ProviderForbidden(ProviderError):
    """The vendor knows the key, which does not open what was asked for."""

    code = "forbidden"
    advice = "Give the key the right to use this model or voice in the vendor's console, or choose another."


class ProviderOutOfCredit(ProviderError):
    """The account with the vendor has no credit left."""

    code = "out_of_credit"
    advice = "Top up the account with the vendor, or raise its spending limit."


class ProviderRateLimited(ProviderError):
    """The account has too many requests, at the same time or in a while."""

    code = "rate_limited"
    retryable = True
    advice = "Ask the vendor for a higher limit, take fewer calls at the same time, or name a fallback."


class ProviderRejectedRequest(ProviderError):
    """The vendor does not take the request as it is: its model, voice, language or an option."""

    code = "request_rejected"
    advice = "Check the AI's model, voice, language and options against what the vendor offers."


class ProviderUnreachable(ProviderError):
    """There is no connection to the vendor, or it broke."""

    code = "unreachable"
    retryable = True
    advice = "Check the network, the proxy and the vendor's endpoint from this server; name a fallback."


class ProviderStalled(ProviderError):
    """The connection to the vendor stands and nothing comes."""

    code = "stalled"
    retryable = True
    advice = "Look at the vendor's status page; name a fallback so that calls go on meanwhile."


class ProviderBroken(ProviderError):
    """The vendor itself failed, or what it sent makes no sense."""

    code = "broken"
    retryable = True
    advice = "Look at the vendor's status page; name a fallback so that calls go on meanwhile."
