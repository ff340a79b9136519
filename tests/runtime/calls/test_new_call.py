from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from uuid import uuid4

from adapters.store.base import GrantKind
from models.aicall import Aicall, AicallWrite
from runtime.calls.new_call import create_call
from runtime.tokens import verify_token
from tests.adapters.store.samples import make_ai
from tests.runtime.calls.wires import services_in


async def test_a_call_waits_with_a_token_of_its_own(tmp_path: Path) -> None:
    async with services_in(tmp_path, media_token_ttl_s=60) as services:
        now = services.clock()
        ai = make_ai(now)
        await services.store.create_ai(ai)
        made = [Aicall.create(AicallWrite(assistance_id=ai.id), ai, id=uuid4(), now=now) for _ in range(2)]
        tokens = [await create_call(services, aicall) for aicall in made]
        assert len(set(tokens)) == 2
        for aicall, token in zip(made, tokens, strict=True):
            assert await services.store.get_aicall(aicall.id, customer_id=None) == aicall
            grant = await services.store.get_grant(aicall.id)
            assert grant
            assert (grant.kind, grant.tm_expire) == (GrantKind.AICALL, now + timedelta(seconds=60))
            assert verify_token(token, grant.token_sha256)
        assert b'aicall_status_moves_total{status="initiating"} 2.0' in services.metrics.render()
