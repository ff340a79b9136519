from __future__ import annotations

from pathlib import Path
from uuid import UUID

import pytest
from starlette.requests import HTTPConnection

from adapters.store.base import GrantKind
from models.timestamps import NOT_YET
from runtime.media_access import audiosocket_access, media_access, media_grant
from runtime.tokens import audiosocket_uuid, hash_audiosocket_uuid, hash_token
from tests.runtime.serving import settings_in

ID = UUID(int=7)
REQUEST = HTTPConnection(
    {
        "type": "http",
        "scheme": "http",
        "server": ("h", 80),
        "path": "/",
        "query_string": b"",
        "headers": [(b"host", b"h")],
    }
)


@pytest.mark.parametrize("port", [-1, 0, 9019])
def test_the_uuid_is_kept_and_told_where_it_is_of_use(tmp_path: Path, port: int) -> None:
    settings = settings_in(tmp_path, audiosocket_port=port)
    grant = media_grant(settings, GrantKind.AI, ID, "the token", NOT_YET)
    told = media_access(REQUEST, settings, ID, "the token")
    uuid = audiosocket_uuid("the token")
    assert (grant.kind, grant.resource_id, grant.token_sha256, grant.tm_expire) == (
        GrantKind.AI,
        ID,
        hash_token("the token"),
        NOT_YET,
    )
    assert told["media_url"] == f"ws://h/ws/{ID}/the token"
    if port < 0:
        assert grant.audiosocket_sha256 is None
        assert set(told) == {"media_url"}
    else:
        assert grant.audiosocket_sha256 == hash_audiosocket_uuid(uuid)
        assert told["audiosocket_uuid"] == str(uuid)
        assert uuid.bytes not in repr(grant).encode()
    assert audiosocket_access(settings, "the token").items() <= told.items()
