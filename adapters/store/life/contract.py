"""The contract of a store, as far as it keeps who runs an AIcall, until when, and what others ask of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from models.aicall import Aicall, EndReason
from models.status import AicallStatus


class LifeRequest(StrEnum):
    """What one process asks of the process that runs an AIcall."""

    PAUSE = "pause"
    RESUME = "resume"
    TERMINATE = "terminate"
    MESSAGES = "messages"
    """To put in what others say in the call (`adapters.store.texts`)."""


@dataclass(frozen=True, slots=True)
class Tenure:
    """Who runs an AIcall.

    Attributes:
        aicall: The AIcall.
        owner: The process; '' for none.
        tm_lease: Until when it has said that it lives; None when it never did.
        tm_media: Until when the phone system may connect again; None while it is connected, or has never been.
        held: Whether a pause was asked for, which only a resume ends.
    """

    aicall: Aicall
    owner: str
    tm_lease: datetime | None
    tm_media: datetime | None
    held: bool

    def alive(self, now: datetime) -> bool:
        """Say whether the process that runs it lives, as far as anybody knows."""
        return bool(self.owner) and self.tm_lease is not None and self.tm_lease > now


@dataclass(frozen=True, slots=True)
class LifeStep:
    """What an owner, or whoever takes a dead owner's place, records of an AIcall's life.

    Attributes:
        target: The status to move to; None for none.
        tm_media: Until when the phone system may connect again afterwards; None for "it is connected".
        held: Whether a pause is asked for afterwards.
        end_reason: Why it ends; kept once set.
    """

    target: AicallStatus | None
    tm_media: datetime | None = None
    held: bool = False
    end_reason: EndReason = EndReason.NONE


class LifeStore(ABC):
    """Keeps who runs an AIcall, until when, and what others ask of them.

    An owner that does not renew its lease is taken for dead. From then on another process may take its place, and
    whatever the old owner still writes is refused (`models.errors.LostLease`): the owner is a fencing token.
    """

    @abstractmethod
    async def get_tenure(self, aicall_id: UUID) -> Tenure:
        """Return who runs an AIcall.

        Raises:
            NotFound: There is none.
        """

    @abstractmethod
    async def record_life(self, aicall_id: UUID, step: LifeStep, *, owner: str, now: datetime) -> bool:
        """Make one step of an AIcall's life as its owner: the move, its event and what goes with it, or nothing.

        Args:
            aicall_id: Which AIcall.
            step: The step. One whose target is the status already was made before, when the answer got lost.
            owner: Who makes it.
            now: The moment of the step.

        Returns:
            Whether the status was moved.

        Raises:
            NotFound: There is no such AIcall.
            LostLease: Another process runs it now.
            IllegalTransition: The table does not list the move.
        """

    @abstractmethod
    async def attach_aicall(
        self, aicall_id: UUID, *, from_owner: str, owner: str, now: datetime, tm_lease: datetime
    ) -> Tenure:
        """Take an AIcall whose phone system was lost and connects again, from whoever had it.

        From now on its phone system counts as connected, so that only one connection gets it.

        Args:
            aicall_id: Which AIcall.
            from_owner: Who has it.
            owner: Who takes it; may be the same.
            now: The moment; the time for connecting again must not be over.
            tm_lease: Until when the new owner says that it lives.

        Returns:
            Who runs it now.

        Raises:
            NotFound: There is none.
            Conflict: Its phone system is connected, or its time is over, or it has ended, or another one has it.
        """

    @abstractmethod
    async def renew_leases(self, aicall_ids: Collection[UUID], *, owner: str, tm_lease: datetime) -> frozenset[UUID]:
        """Say that the owner of these AIcalls lives, in one write.

        Returns:
            Those that it still owns.
        """

    @abstractmethod
    async def list_orphans(self, *, now: datetime, limit: int = 100) -> list[Tenure]:
        """Return AIcalls that have not ended and whose owner's lease is over, the oldest lease first.

        Only those of reference type ``call``: conversations and tasks have owners of their own. One that nobody runs
        and that is past ``initiating`` is an orphan too.
        """

    @abstractmethod
    async def adopt_aicall(
        self, orphan: Tenure, step: LifeStep, *, owner: str, now: datetime, tm_lease: datetime
    ) -> bool:
        """Take a dead owner's place and make one step of the AIcall's life, so that only one process ever does.

        Args:
            orphan: What was found; nothing is done when it is no longer so.
            step: The step.
            owner: Who takes the place.
            now: The moment.
            tm_lease: Until when nobody else need look at it.

        Returns:
            Whether it was done.
        """

    @abstractmethod
    async def ask_owner(self, aicall_id: UUID, request: LifeRequest, *, now: datetime) -> None:
        """Leave a request for the process that runs an AIcall.

        Raises:
            NotFound: There is no such AIcall.
        """

    @abstractmethod
    async def take_requests(self, *, owner: str) -> list[tuple[UUID, LifeRequest]]:
        """Take what was asked of an owner, oldest first; each is given out once."""
