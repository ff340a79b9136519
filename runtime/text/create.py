"""Creating conversations and tasks."""

from __future__ import annotations

from datetime import timedelta

from models.aicall import Aicall, ReferenceType
from models.errors import Unavailable
from runtime.services import Services
from runtime.text.wake import attend


async def create_text(services: Services, aicall: Aicall) -> None:
    """Store a new AIcall of reference type ``conversation`` or ``task``; a task begins at once.

    Raises:
        Unavailable: The process drains.
    """
    if services.live_calls.draining:
        raise Unavailable("this server is draining and takes nothing new", retry_after_s=5)
    settings = services.settings
    task = aicall.reference_type is ReferenceType.TASK
    default_s = settings.max_duration_s if task else settings.conversation_max_age_s
    limit = timedelta(seconds=aicall.options.max_duration_s or default_s)
    await services.store.create_text(aicall, tm_expire=aicall.tm_create + limit)
    services.metrics.status_moved(aicall.status)
    if task:
        attend(services, aicall.id)
