"""Sample resources, and moments that tests set by hand."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from adapters.store.base import GrantKind, MediaGrant, Store
from models.ai import Ai, AiWrite
from models.aicall import Aicall, AicallWrite
from models.message import Direction, Message, Role
from models.status import AicallStatus

KEY = "c2VjcmV0LWtleS1vZi10aGUtc3RvcmUncy10ZXN0cyE="
OTHER_KEY = "YW5vdGhlci1rZXktb2YtdGhlLXN0b3JlJ3MgdGVzdHM="
CUSTOMER = UUID("11111111-1111-4111-8111-111111111111")
STRANGER = UUID("22222222-2222-4222-8222-222222222222")


def at(seconds: float = 0.0) -> datetime:
    """A moment, so many seconds after the tests' noon."""
    return datetime(2026, 3, 1, 12, tzinfo=UTC) + timedelta(seconds=seconds)


def make_ai(now: datetime | None = None, customer_id: UUID = CUSTOMER, **fields: Any) -> Ai:
    body = AiWrite(
        **{
            "name": "reception",
            "engine_model": "openai.gpt-4o",
            "init_prompt": "You answer the phone.",
            "tts_type": "openai",
            "stt_type": "deepgram",
            "engine_key": "sk-very-secret",
            "parameter": {"greeting": "Hello, grüß Gott 👋", "own": [1, {"two": None}]},
            **fields,
        }
    )
    return Ai.create(body, id=uuid4(), customer_id=customer_id, now=now or at())


def make_aicall(now: datetime | None = None, customer_id: UUID = CUSTOMER) -> Aicall:
    ai = make_ai(customer_id=customer_id)
    return Aicall.create(AicallWrite(assistance_id=ai.id), ai, id=uuid4(), now=now or at())


def make_message(aicall: Aicall, now: datetime | None = None, **fields: Any) -> Message:
    return Message(
        **{
            "id": uuid4(),
            "customer_id": aicall.customer_id,
            "aicall_id": aicall.id,
            "role": Role.USER,
            "content": "Is anybody there?",
            "direction": Direction.INCOMING,
            "tm_create": now or at(),
            **fields,
        }
    )


def make_grant(resource_id: UUID, expire: datetime, kind: GrantKind = GrantKind.AICALL) -> MediaGrant:
    return MediaGrant(kind=kind, resource_id=resource_id, token_sha256=bytes(range(32)), tm_expire=expire)


async def stored_aicall(store: Store, now: datetime | None = None) -> Aicall:
    aicall = make_aicall(now)
    await store.create_aicall(aicall)
    return aicall


async def terminate(store: Store, aicall: Aicall) -> Aicall:
    await store.move_aicall(aicall.id, AicallStatus.TERMINATING, now=at(1))
    return await store.move_aicall(aicall.id, AicallStatus.TERMINATED, now=at(2))
