"""Webhooks, queues and dead letters on every database."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.store.base import Store
from adapters.store.factory import create_store
from models.errors import AicallError, InvalidField
from tests.adapters.store.deliveries.contract import SECRET, RelayContract, WebhookContract, make_webhook
from tests.adapters.store.samples import CUSTOMER, KEY, OTHER_KEY


class TestWebhooks(WebhookContract): ...


class TestRelay(RelayContract): ...


def everything_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir())


async def test_no_secret_stands_in_the_files(tmp_path: Path) -> None:
    store = create_store(str(tmp_path / "a.db"), secret_key=KEY)
    await store.open()
    await store.create_webhook(make_webhook(name="NEEDLE"))
    await store.close()
    content = everything_in(tmp_path)
    assert b"NEEDLE" in content
    assert SECRET.get_secret_value().encode() not in content


async def test_a_webhooks_secret_outlives_a_change_of_keys(tmp_path: Path) -> None:
    webhook = make_webhook()

    def store_with(keys: str) -> Store:
        return create_store(str(tmp_path / "a.db"), secret_key=keys)

    for keys in (KEY, f"{OTHER_KEY} {KEY}", OTHER_KEY):
        store = store_with(keys)
        await store.open()
        if keys == KEY:
            await store.create_webhook(webhook)
        assert (await store.get_webhook(webhook.id, customer_id=CUSTOMER)).secret == SECRET
        await store.close()
    with pytest.raises((AicallError, InvalidField)):
        await store_with(KEY).open()
