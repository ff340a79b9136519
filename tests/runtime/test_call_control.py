from __future__ import annotations

import ssl
import time
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

from adapters.callcontrol.base import CallControl, ControlCommand, Leg
from adapters.callcontrol.documents import DocumentLinks
from adapters.guard import AddressGuard, guarded_client
from models.errors import InvalidField
from runtime.call_control import make_systems
from tests.runtime.serving import settings_in
from tests.standins.vonage_rest import PRIVATE_KEY

TLS = ssl.create_default_context()
ALL: dict[str, dict[str, str]] = {
    "twilio": {"twilio_account_sid": "AC1", "twilio_auth_token": "s"},
    "signalwire": {
        "signalwire_space": "a.signalwire.com",
        "signalwire_project_id": "p",
        "signalwire_api_token": "s",
    },
    "cloudonix": {"cloudonix_api_key": "s"},
    "telnyx": {"telnyx_api_key": "s"},
    "plivo": {"plivo_auth_id": "a", "plivo_auth_token": "s"},
    "vobiz": {"vobiz_auth_id": "a", "vobiz_auth_token": "s"},
    "vonage": {"vonage_application_id": "a", "vonage_private_key": PRIVATE_KEY},
    "asterisk": {"asterisk_ari_url": "http://127.0.0.1:8088/ari", "asterisk_ari_basic": "u:p"},
    "jambonz": {"jambonz_api_url": "https://jambonz.example.com/v1", "jambonz_api_key": "s"},
}
"""What has to be set for each, by the protocol of its calls."""


async def systems(folder: Path, environ: dict[str, str] | None = None, **settings: Any) -> list[CallControl]:
    guard = AddressGuard(allow_private=True)
    links = DocumentLinks(Fernet.generate_key().decode(), "", clock=time.time)
    made = make_systems(
        settings_in(folder, **settings), environ or {}, guard, links, lambda: guarded_client(guard, TLS)
    )
    for system in made:
        await system.aclose()
    return made


@pytest.mark.parametrize("protocol", ALL)
async def test_what_is_configured_is_there(tmp_path: Path, protocol: str) -> None:
    [system] = await systems(tmp_path, **ALL[protocol])
    for other in ALL:
        leg = Leg(other, "1", account_id="d")
        assert system.can(ControlCommand.HANGUP, leg) is (other == protocol)
        assert system.can(ControlCommand.CONNECT_CALL, leg) is (other == protocol)


async def test_all_of_them_and_none(tmp_path: Path) -> None:
    assert await systems(tmp_path) == []
    assert len(await systems(tmp_path, **{key: it for some in ALL.values() for key, it in some.items()})) == len(ALL)


@pytest.mark.parametrize(
    ("protocol", "missing"),
    [(name, key) for name, some in ALL.items() if name not in {"cloudonix", "telnyx", "asterisk"} for key in some],
)
async def test_what_is_configured_by_half_is_not(tmp_path: Path, protocol: str, missing: str) -> None:
    settings = {key: it for key, it in ALL[protocol].items() if key != missing}
    assert await systems(tmp_path, **settings) == [] or missing == "signalwire_project_id"


@pytest.mark.parametrize("protocol", [name for name in ALL if name not in {"asterisk", "jambonz"}])
async def test_an_endpoint_that_is_none_is_named(tmp_path: Path, protocol: str) -> None:
    variable = f"AICALL_BASE_URL_{protocol.upper()}"
    with pytest.raises(InvalidField) as caught:
        await systems(tmp_path, {variable: "nowhere"}, **ALL[protocol])
    assert caught.value.field == variable
