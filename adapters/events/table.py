"""The table of event sinks: a system is one file beside this one and one row here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from adapters.events.base import EventSink
from adapters.events.nats import NatsOptions, NatsSink
from models.errors import InvalidField


@dataclass(frozen=True, slots=True)
class SinkOptions:
    """What the operator sets of the sinks that are told of everything.

    Attributes:
        nats_url: Servers of a NATS cluster; '' for none.
        nats_stream: Name of the stream.
        nats_subject_prefix: What stands before an event's type in its subject.
        nats_credentials: A credentials file; '' for none.
        timeout_s: Longest a delivery may take, seconds.
    """

    nats_url: str = ""
    nats_stream: str = "AICALL"
    nats_subject_prefix: str = "aicall.events"
    nats_credentials: str = ""
    timeout_s: float = 5.0


@dataclass(frozen=True, slots=True)
class SinkRow:
    """One system that can be told of every event of the server.

    Attributes:
        name: Its name in queues and metrics.
        label: Its name for people.
        extra: The extra of this package that it needs; '' for none.
        open: Makes it; None when the operator has not set it.
    """

    name: str
    label: str
    extra: str
    open: Callable[[SinkOptions], EventSink | None]


WEBHOOK = "webhook"
"""What all webhooks together are called in metrics. They are their customers', and not rows of this table."""


def _open_nats(options: SinkOptions) -> EventSink | None:
    if not options.nats_url:
        return None
    credentials = Path(options.nats_credentials) if options.nats_credentials else None
    if credentials is not None and not credentials.is_file():
        raise InvalidField("nats_credentials", "names no file")
    return NatsSink(
        NatsOptions(
            options.nats_url,
            stream=options.nats_stream,
            subject_prefix=options.nats_subject_prefix,
            credentials=credentials,
            timeout_s=options.timeout_s,
        )
    )


SINKS: Sequence[SinkRow] = (SinkRow("nats", "NATS JetStream", "nats", _open_nats),)
"""Every system."""


def open_sinks(options: SinkOptions) -> Mapping[str, EventSink]:
    """Make the sinks that the operator has set, by name. They connect when there is something to deliver.

    Raises:
        InvalidField: A setting is wrong, or a package that a sink needs is not installed.
    """
    opened = {row.name: row.open(options) for row in SINKS}
    return {name: sink for name, sink in opened.items() if sink is not None}
