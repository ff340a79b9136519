from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from pydantic import SecretStr

from adapters.callcontrol.base import ControlCommand
from adapters.callcontrol.vonage import VonageControl
from models.errors import InvalidField, ToolFailed
from tests.adapters.callcontrol.contract import ARGUMENTS, TEL
from tests.adapters.callcontrol.far_ends import TIMEOUT_S, RestControlContract, leg, rest_end
from tests.adapters.tools.clients import local_client
from tests.standins.base import HttpError
from tests.standins.vonage_rest import APPLICATION, PRIVATE_KEY, VonageRestStandIn


def vonage(key: str = PRIVATE_KEY) -> Any:
    return rest_end(
        VonageRestStandIn(),
        lambda it, client, _: VonageControl(
            APPLICATION, SecretStr(key), client, base_url=it.base_url, timeout_s=TIMEOUT_S
        ),
        leg("vonage"),
        secrets=(key,),
    )


class TestVonage(RestControlContract):
    def far_end(self) -> Any:
        return vonage()


@pytest.mark.parametrize("form", ["file", "one line"])
async def test_where_the_key_may_stand(tmp_path: Path, form: str) -> None:
    file = tmp_path / "private.key"
    file.write_text(PRIVATE_KEY)
    async with vonage(str(file) if form == "file" else PRIVATE_KEY.replace("\n", "\\n")) as end:
        await end.ask(ControlCommand.HANGUP)


@pytest.mark.parametrize("key", ["nowhere.key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", "/"])
async def test_a_key_that_cannot_be_read(key: str) -> None:
    client = local_client()
    with pytest.raises(InvalidField) as caught:
        VonageControl(APPLICATION, SecretStr(key), client)
    assert caught.value.field == "vonage_private_key"
    await client.aclose()


async def test_a_public_key_is_none() -> None:
    async with vonage() as end:
        public = end.control._key.public_key()
        pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
        with pytest.raises(InvalidField):
            VonageControl(APPLICATION, SecretStr(pem), local_client())


async def test_a_bad_request_alone_is_no_end() -> None:
    async with vonage() as end:
        end.stand_in._modify = _refuses
        with pytest.raises(ToolFailed, match="400"):
            await end.ask(ControlCommand.HANGUP)


def _refuses(*_: Any) -> Any:
    raise HttpError(400, "no")


async def test_pauses_and_one_destination() -> None:
    async with vonage() as end:
        await end.ask(ControlCommand.SEND_DTMF, arguments={"digits": "1w2"})
        assert [deed.detail for deed in end.stand_in.deeds("dtmf")] == ["1p2"]
        with pytest.raises(ToolFailed):
            await end.ask(ControlCommand.CONNECT_CALL, key="2", arguments={"destinations": [TEL, TEL]})
        arguments = {**ARGUMENTS[ControlCommand.CONNECT_CALL], "mode": "warm"}
        with pytest.raises(ToolFailed, match="only a cold transfer"):
            await end.ask(ControlCommand.CONNECT_CALL, key="3", arguments=arguments)
