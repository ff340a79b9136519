"""Having somebody of this process do what is to be done in a conversation or task."""

from __future__ import annotations

from uuid import UUID

from runtime.services import Services
from runtime.text.worker import TextWorker


def attend(services: Services, aicall_id: UUID) -> None:
    """Do what is to be done in a conversation or task, soon. Returns at once."""
    services.texts.wake(aicall_id, lambda: TextWorker(services, aicall_id))
