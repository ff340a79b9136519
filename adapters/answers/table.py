"""The table of carriers: which document each reads, and what it says of a call when it asks for one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from adapters.answers.base import AnswerFormat, variables
from adapters.answers.exotel import EXOTEL
from adapters.answers.jambonz import JAMBONZ
from adapters.answers.plivo import PLIVO
from adapters.answers.twiml import CLOUDONIX, SIGNALWIRE, TELNYX, TWILIO
from adapters.answers.vonage import VONAGE


@dataclass(frozen=True, slots=True)
class Carrier:
    """One carrier.

    Attributes:
        name: Its name in the URL, which is that of its media protocol.
        label: Its name for people.
        document: What it reads.
        session: Parameters of its requests that hold the call's id, the best one first.
        from_: Parameters that hold the caller.
        to: Parameters that hold the called number.
    """

    name: str
    label: str
    document: AnswerFormat
    session: tuple[str, ...] = ("CallSid",)
    from_: tuple[str, ...] = ("From",)
    to: tuple[str, ...] = ("To",)

    def call_of(self, said: Mapping[str, Any]) -> dict[str, str]:
        """Return ``session``, ``from`` and ``to`` of a call, as far as the request's parameters tell."""
        return variables(session=_first(said, self.session), from_=_first(said, self.from_), to=_first(said, self.to))


def _first(said: Mapping[str, Any], names: tuple[str, ...]) -> str:
    return next((said[name] for name in names if isinstance(said.get(name), str)), "")


_ROWS: Final = (
    Carrier("twilio", "Twilio", TWILIO),
    Carrier("signalwire", "SignalWire", SIGNALWIRE),
    Carrier("cloudonix", "Cloudonix", CLOUDONIX, session=("Session", "CallSid")),
    Carrier("telnyx", "Telnyx", TELNYX),
    Carrier("plivo", "Plivo", PLIVO, session=("CallUUID",)),
    Carrier("vobiz", "Vobiz", PLIVO, session=("CallUUID",)),
    Carrier("exotel", "Exotel", EXOTEL, from_=("From", "CallFrom"), to=("To", "CallTo")),
    Carrier("vonage", "Vonage", VONAGE, session=("uuid",), from_=("from",), to=("to",)),
    Carrier("jambonz", "jambonz", JAMBONZ, session=("call_sid",), from_=("from",), to=("to",)),
)

CARRIERS: Final[Mapping[str, Carrier]] = MappingProxyType({row.name: row for row in _ROWS})
"""The carriers by name."""
