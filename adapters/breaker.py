"""Circuit breakers: what the calls of a process know together about a vendor's outage.

One circuit stands for one account at one endpoint in one seat. It opens when the vendor failed several times in a row,
and at once when it refused the key. While it is open, a call that has another vendor begins on that one and loses no
time; after a while one call at a time tries the vendor again. A call that has no other vendor asks nobody.

Nothing here waits: the clock is an argument and there is no task.
"""

from __future__ import annotations

import hashlib
import os
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from pipecat.utils.errors import ErrorCategory
from pydantic import SecretStr

from adapters.requests import Credentials
from adapters.vendor_errors import STALLED

_SECRET = os.urandom(32)
"""Keeps a circuit's name from telling anything about the key that went into it."""

_MOST_CIRCUITS = 1000
"""How many circuits a process remembers; the one that was asked for longest ago is forgotten."""

_OUTAGES = frozenset(
    {
        ErrorCategory.CONNECTIVITY.value,
        ErrorCategory.SERVER.value,
        ErrorCategory.RATE_LIMIT.value,
        STALLED,
    }
)
_ACCOUNT = frozenset({ErrorCategory.AUTHENTICATION.value, ErrorCategory.QUOTA.value})
"""Failures that every call with this key will meet. Those in neither set concern one AI: its model, its voice."""


class CircuitState(StrEnum):
    """What is thought of a vendor."""

    CLOSED = "closed"
    """It works."""
    OPEN = "open"
    """It does not work."""
    HALF_OPEN = "half_open"
    """One call is finding out."""


TRANSITIONS: dict[CircuitState, frozenset[CircuitState]] = {
    CircuitState.CLOSED: frozenset({CircuitState.OPEN}),
    CircuitState.OPEN: frozenset({CircuitState.HALF_OPEN, CircuitState.CLOSED}),
    CircuitState.HALF_OPEN: frozenset({CircuitState.CLOSED, CircuitState.OPEN, CircuitState.HALF_OPEN}),
}
"""Every move that a circuit may make. From open to closed: a call that had no other vendor found it working."""


@dataclass(frozen=True, slots=True)
class BreakerSettings:
    """When a circuit opens, and for how long.

    Attributes:
        failures: How many failures without a success between them open it.
        within_s: In which time, seconds.
        open_s: How long it stays open the first time, seconds; doubled each time that a probe fails.
        longest_open_s: Longest that it stays open, seconds.
        refused_open_s: How long it stays open after the vendor refused the key or the account, seconds.
        probe_s: How long a probe may take before another call may try, seconds.
    """

    failures: int = 3
    within_s: float = 60.0
    open_s: float = 10.0
    longest_open_s: float = 120.0
    refused_open_s: float = 60.0
    probe_s: float = 30.0


class Circuit:
    """One vendor account in one seat. To be used on the event loop's thread.

    Args:
        seat: ``stt``, ``llm`` or ``tts``.
        provider: The vendor's name in the seat's table.
        settings: When it opens.
        clock: Monotonic seconds.

    Attributes:
        opened: How often it opened.
    """

    def __init__(self, seat: str, provider: str, settings: BreakerSettings, clock: Callable[[], float]) -> None:
        self.seat = seat
        self.provider = provider
        self.opened = 0
        self._settings = settings
        self._clock = clock
        self._state = CircuitState.CLOSED
        self._failed_s: deque[float] = deque(maxlen=settings.failures)
        self._open_until_s = 0.0
        self._open_for_s = settings.open_s
        self._probe_until_s = 0.0

    @property
    def state(self) -> CircuitState:
        """Where it stands. It stays open until somebody asks, however long ago it could have been tried again."""
        return self._state

    @property
    def spotless(self) -> bool:
        """Whether it is closed and no failure is remembered, so that a success need not be told."""
        return self._state is CircuitState.CLOSED and not self._failed_s

    def admit(self) -> bool:
        """Ask whether a call that has a choice should begin on this vendor.

        Returns:
            True when it works, and for one call at a time when it is to be found out whether it works again.
        """
        now_s = self._clock()
        match self._state:
            case CircuitState.CLOSED:
                return True
            case CircuitState.OPEN if now_s < self._open_until_s:
                return False
            case CircuitState.HALF_OPEN if now_s < self._probe_until_s:
                return False
        self._probe_until_s = now_s + self._settings.probe_s
        self._move(CircuitState.HALF_OPEN)
        return True

    def succeeded(self) -> None:
        """Note that the vendor did its work for a call."""
        self._failed_s.clear()
        self._open_for_s = self._settings.open_s
        if self._state is not CircuitState.CLOSED:
            self._move(CircuitState.CLOSED)

    def failed(self, category: str) -> None:
        """Note that the vendor failed in a call.

        Args:
            category: Why: the value of one of Pipecat's categories, or ``stalled``.
        """
        if category not in _OUTAGES | _ACCOUNT:
            return
        now_s = self._clock()
        if category in _ACCOUNT:
            self._open(now_s, self._settings.refused_open_s)
            return
        self._failed_s.append(now_s)
        if self._state is CircuitState.HALF_OPEN:
            self._open_for_s = min(2 * self._open_for_s, self._settings.longest_open_s)
            self._open(now_s, self._open_for_s)
        elif self._state is CircuitState.CLOSED and self._is_outage(now_s):
            self._open(now_s, self._open_for_s)

    def _is_outage(self, now_s: float) -> bool:
        settings = self._settings
        return len(self._failed_s) >= settings.failures and now_s - self._failed_s[0] <= settings.within_s

    def _open(self, now_s: float, for_s: float) -> None:
        self._open_until_s = max(self._open_until_s, now_s + for_s)
        if self._state is not CircuitState.OPEN:
            self.opened += 1
            self._move(CircuitState.OPEN)

    def _move(self, target: CircuitState) -> None:
        if target not in TRANSITIONS[self._state]:
            raise AssertionError(f"a circuit cannot move from {self._state} to {target}")
        self._state = target


class Circuits:
    """The circuits of a process.

    Args:
        clock: Monotonic seconds.
        settings: When they open.
    """

    def __init__(self, clock: Callable[[], float], settings: BreakerSettings | None = None) -> None:
        self._clock = clock
        self._settings = settings or BreakerSettings()
        self._circuits: OrderedDict[tuple[str, str, str], Circuit] = OrderedDict()

    def of(self, seat: str, provider: str, credentials: Credentials) -> Circuit:
        """Return the circuit of an account.

        Args:
            seat: ``stt``, ``llm`` or ``tts``.
            provider: The vendor's name in the seat's table.
            credentials: Key and endpoint: another account may work while this one does not.
        """
        name = (seat, provider, _account(credentials))
        circuit = self._circuits.get(name)
        if circuit is None:
            circuit = self._circuits[name] = Circuit(seat, provider, self._settings, self._clock)
            if len(self._circuits) > _MOST_CIRCUITS:
                self._circuits.popitem(last=False)
        self._circuits.move_to_end(name)
        return circuit

    def __iter__(self) -> Iterator[Circuit]:
        """Iterate over all circuits."""
        return iter(list(self._circuits.values()))

    def health(self, seat: str, provider: str) -> CircuitState | None:
        """Return the worst state of a vendor's circuits; None when no call used it yet."""
        mine = (circuit for circuit in self if (circuit.seat, circuit.provider) == (seat, provider))
        states = {circuit.state for circuit in mine}
        order = (CircuitState.OPEN, CircuitState.HALF_OPEN, CircuitState.CLOSED)
        return next((state for state in order if state in states), None)


def _account(credentials: Credentials) -> str:
    secrets: tuple[SecretStr, ...] = (credentials.key, credentials.session_token)
    parts = [credentials.base_url, credentials.identity, *(secret.get_secret_value() for secret in secrets)]
    return hashlib.blake2b(repr(parts).encode(), key=_SECRET, digest_size=16).hexdigest()
